import csv
import io
from dataclasses import replace

import pytest

from tests.utils.studies.five_areas import ARM, CELLS, GRID, LABELS, scores_of_all
from utils.studies.coverage import coverage_rows
from utils.studies.results import BEST, LAST
from utils.studies.summary import comparison_table, summarised


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


def test_comparisons_csv_names_the_network_that_another_is_compared_with():
    cells = [replace(cell, network=network) for network in ("tiny", "large") for cell in CELLS]
    scores = [replace(score, cell=replace(score.cell, network="large")) for score in scores_of_all()]
    summary = summarised(cells, GRID, [*scores_of_all(), *scores], {})
    rows = list(csv.DictReader(io.StringIO(comparison_table(summary))))
    against = {(row["network"], row["against_network"]) for row in rows if row["strategy"] == row["against_strategy"]}
    assert ("large", "tiny") in against
    assert {row["against_network"] for row in rows if row["strategy"] != row["against_strategy"]} == {"tiny", "large"}


def test_without_a_validation_list_the_last_checkpoint_is_compared():
    last = [score for score in scores_of_all() if score.checkpoint == LAST]
    summary = summarised(CELLS, GRID, last, LABELS)
    assert summary.checkpoint == LAST
    assert set(summary.best_minus_last.values()) == {None}


def test_a_missing_cell_has_no_mean_and_no_claim():
    summary = summarised(CELLS, GRID, scores_of_all(missing=CELLS[:1]), LABELS)
    assert (summary.missing, summary.arms[0].mean, summary.arms[0].done) == (1, None, 9)
    rows = list(csv.DictReader(io.StringIO(comparison_table(summary))))
    assert rows[0]["says"] == "1 of 10 pairs is missing"
    assert rows[0]["mean_difference"] == ""


def test_coverage_of_scene_classes():
    pool = [f"f{i}" for i in range(8)] + ["r0", "r1"]
    scene_of = {name: {"f": "forest", "r": "river"}[name[0]] for name in pool}
    cells = [replace(ARM, area="a", seed=seed) for seed in (1, 2)]
    chosen = {cells[0]: ["f0", "f1", "f2", "f3", "f4"], cells[1]: ["f0", "f1", "f2", "r0", "r1"]}
    rows = coverage_rows(chosen, dict.fromkeys(cells, pool), scene_of)
    assert rows == [(("random", "town", "0.1"), "1 to 2 of 2", "0 to 2 (1 by its share)")]
