import csv
import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from utils.studies.cells import Cell
from utils.studies.coverage import coverage_rows, share_table
from utils.studies.pairs import Grid
from utils.studies.report.chart import save_study_chart
from utils.studies.report.page import Facts, study_page
from utils.studies.results import BEST, LAST, CellLabels, CellScore, ClassScore
from utils.studies.score_tables import StepTime
from utils.studies.summary import comparison_table, summarised

GRID = Grid({"town": list("abcde")}, [1, 2])
ARM = Cell("town", "", "tiny", "0.1", "random", "supervised", 0)
ARMS = [replace(ARM, strategy=s, method=m) for s in ("random", "margin") for m in ("supervised", "s4gan")]
CELLS = [cell for arm in ARMS for row in GRID.cells(arm) for cell in row]
LABELS = {cell: CellLabels(40, 10, ("t1",), "pool", "start") for cell in CELLS}


def scores_of_all(gain: float = 0.05) -> list[CellScore]:
    """Margin gains everywhere; the best checkpoint is a point above the last; water scores twice the mean."""
    drawn, found = np.random.default_rng(0), []
    for cell in CELLS:
        base = 0.3 + "abcde".index(cell.area) / 20 + drawn.normal(0, 0.002) + gain * (cell.strategy == "margin")
        for checkpoint, score in ((BEST, base), (LAST, base - 0.01)):
            classes = [ClassScore("water", 2 * score, 0.25), ClassScore("<road>", None, 0.0)]
            found.append(CellScore(cell, checkpoint, 40, score, 0.7, 9, classes))
    return found


def words(page: str) -> str:
    """What a reader sees."""
    without = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(without).split())


@pytest.fixture
def facts():
    took = {"train": 3600.0, "last": 36.0}
    times = [StepTime(CELLS[0].name, "cell", step, seconds, 1, "", "") for step, seconds in took.items()]
    coverage = [("margin, town, labels 0.1", "3 of 5", "1 (2 by its share)")]
    notes, commands = ["It is small."], ["study.py run"]
    shares = [share_table("town", ["water", "road"], [np.array([1, 3])], {"margin": [np.array([1, 1])]})]
    return Facts("A study & more", GRID, scores_of_all(), times, notes, coverage, shares, [], commands, "x = 1")


def test_what_a_study_comes_to():
    summary = summarised(CELLS, GRID, scores_of_all(), LABELS)
    assert (summary.checkpoint, summary.missing, len(summary.arms)) == (BEST, 0, 4)
    assert summary.arms[2].mean - summary.arms[0].mean == pytest.approx(0.05, abs=0.003)
    assert summary.best_minus_last[ARM] == pytest.approx(0.01)
    assert (summary.arms[0].masks, summary.arms[0].scene_labels) == (40, 10)
    assert [arm.strategy for arm, _ in summary.checks] == ["random", "random"]


def test_comparisons_csv_says_each_question_in_words():
    summary = summarised(CELLS, GRID, scores_of_all(), LABELS)
    rows = list(csv.DictReader(io.StringIO(comparison_table(summary))))
    assert [row["question"] for row in rows[:2]] == ["on these areas", "on a new area"]
    assert [row["says"] for row in rows[:2]] == ["margin scores higher than random", "cannot be said with 5 areas"]
    assert rows[4]["says"] == "no difference shown"
    assert (rows[0]["wins"], rows[0]["losses"], rows[0]["comparisons"]) == ("10", "0", "4")


def test_without_a_validation_list_the_last_checkpoint_is_compared():
    last = [score for score in scores_of_all() if score.checkpoint == LAST]
    summary = summarised(CELLS, GRID, last, LABELS)
    assert summary.checkpoint == LAST
    assert set(summary.best_minus_last.values()) == {None}


def test_a_missing_cell_has_no_mean_and_no_claim():
    scores = [CellScore(s.cell, s.checkpoint) if s.cell == CELLS[0] else s for s in scores_of_all()]
    summary = summarised(CELLS, GRID, scores, LABELS)
    assert (summary.missing, summary.arms[0].mean, summary.arms[0].done) == (1, None, 9)
    rows = list(csv.DictReader(io.StringIO(comparison_table(summary))))
    assert rows[0]["says"] == "1 of 10 pairs are missing"
    assert rows[0]["mean_difference"] == ""


def test_the_page_for_somebody_who_was_not_there(facts):
    summary = summarised(CELLS, GRID, facts.scores, LABELS)
    page = study_page(summary, facts, chart=None)
    text = words(page)
    assert "40 of 40" in text
    assert "margin scores higher than random" in text
    assert "cannot be said with 5 areas" in text
    assert "“No difference shown” does not mean that there is none" in text
    assert "Random against random" in text
    assert "Best minus last checkpoint" in text
    assert "water 25.0% +10." in text
    assert "It is small." in text
    assert "road 75.0% 50.0% water 25.0% 50.0%" in text
    assert "&lt;road&gt;" in page
    assert "<script" not in page
    assert "http" not in page


def test_the_chart_is_drawn_where_there_is_something(tmp_path):
    assert save_study_chart(tmp_path / "a.png", summarised(CELLS, GRID, scores_of_all(), LABELS))
    assert (tmp_path / "a.png").is_file()
    none = [CellScore(score.cell, score.checkpoint) for score in scores_of_all()]
    assert not save_study_chart(tmp_path / "b.png", summarised(CELLS, GRID, none, LABELS))


def test_coverage_of_scene_classes():
    pool = [f"f{i}" for i in range(8)] + ["r0", "r1"]
    scene_of = {name: {"f": "forest", "r": "river"}[name[0]] for name in pool}
    cells = [replace(ARM, area="a", seed=seed) for seed in (1, 2)]
    chosen = {cells[0]: ["f0", "f1", "f2", "f3", "f4"], cells[1]: ["f0", "f1", "f2", "r0", "r1"]}
    rows = coverage_rows(chosen, dict.fromkeys(cells, pool), scene_of)
    assert rows == [("random, town, labels 0.1", "1 to 2 of 2", "0 to 2 (1 by its share)")]
