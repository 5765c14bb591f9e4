"""The page of a study, as a reader sees it."""

import base64
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from tests.utils.studies.five_areas import ARM, CELLS, GRID, LABELS, STUDY, scores_of_all
from utils.studies.costs import PeopleMinutes
from utils.studies.coverage import share_table
from utils.studies.parts import StudyVariant
from utils.studies.redundancy import Redundancy
from utils.studies.report.chart import save_study_chart, study_figure
from utils.studies.report.facts import Facts
from utils.studies.report.page import study_page
from utils.studies.results import BEST, CellLabels, CellScore
from utils.studies.score_tables import StepTime
from utils.studies.summary import StudySummary, summarised

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


def words(page: str) -> str:
    """What a reader sees."""
    without = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(without).split())


def facts_of(scores: list[CellScore]) -> Facts:
    took = {"train": 3600.0, "last": 36.0}
    times = [StepTime(CELLS[0].name, "cell", step, took[step], 1, "", "box, 2 cores", [ARM]) for step in took]
    random, margin = ("random", "town", "0.1"), ("margin", "town", "0.1")
    return Facts(
        study=STUDY,
        grid=GRID,
        scores=scores,
        times=times,
        minutes={"town": PeopleMinutes(mask=6.0, masks=12)},
        notes=["It is small."],
        validation=[9, 7],
        coverage=[(margin, "3 of 5", "1 (2 by its share)")],
        shares=[share_table("town", ["water", "road"], [np.array([1, 3])], {"margin": [np.array([1, 1])]})],
        alike={random: Redundancy(40, 3, 3.2), margin: Redundancy(40, 8.5, 3.2)},
        overlapping={random: Redundancy(40, 1, 0.9), margin: Redundancy(40, 2, 0.9)},
        sheets=[("What each chose", [("random", PNG), ("margin", PNG)])],
        commands=["study.py plan", "study.py run", "study.py report"],
        study_file="x = 1",
    )


def page_of(scores: list[CellScore], labels: dict | None = None) -> tuple[str, StudySummary]:
    summary = summarised(CELLS, GRID, scores, LABELS if labels is None else labels)
    return study_page(summary, facts_of(scores), None), summary


def test_the_page_for_somebody_who_was_not_there():
    page, _ = page_of(scores_of_all())
    text = words(page)
    for said in (
        "40 of 40 each a training",
        "strategy margin Tiles whose two likeliest scene classes are close",
        "10 % of an area's training tiles",
        "On these areas: margin scores higher than random in 2 of 4 comparisons; no difference shown in 2 of 4",
        "On a new area: cannot be said with 5 areas in all 4 comparisons",
        "points, better in 10 of 10 pairs",
        "“No difference shown” does not mean that there is none",
        "It is small.",
        "Random against random",
        "random, supervised +1.0",  # best minus last
        "water 25.0% +10.",
        "road 75.0% 50.0% water 25.0% 50.0%",
        "the last one is ahead in 0 of 4 rows. By last checkpoints 0 of 4 differences would change their sign.",
        "That takes 4 seeds or more; this study has 2",
        "Besides, 7 to 9 validation tiles of each area's training scenes have masks",
        "A draw by lot needs no scene labels",
    ):
        assert said in text
    assert "missing" not in text
    assert "A study &amp; more" in page
    assert "&lt;road&gt;" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_classifier_that_nobody_asks_is_not_spoken_of():
    def text_of(*strategies: str) -> str:
        facts = replace(facts_of(scores_of_all()), study=replace(STUDY, strategies=strategies))
        return words(study_page(summarised(CELLS, GRID, scores_of_all(), LABELS), facts, None))

    assert "Strategies ask the classifier tiny" in text_of("random", "margin")
    assert "classifier tiny" not in text_of("random")


def test_a_variant_is_explained_by_its_method_and_its_options():
    variant = StudyVariant("slow", "fixmatch", {"train": {"learning_rate": 0.001, "random_scale": False}})
    study = replace(STUDY, methods=(*STUDY.methods, "slow"), variants=(variant,))
    summary = summarised(CELLS, GRID, scores_of_all(), LABELS)
    text = words(study_page(summary, replace(facts_of(scores_of_all()), study=study), None))
    assert "method slow fixmatch with learning_rate 0.001 and random_scale False. " in text


def test_each_pair_stands_in_a_table_of_areas_by_seeds():
    page, summary = page_of(scores_of_all())
    title = "margin against random, supervised: 10 of 10 pairs scored"
    table = page.split(title)[1].split("</details>")[0]
    assert re.findall(r"<th(?: [^>]*)?>([^<]*)<", table) == ["area", "seed 1", "seed 2", "mean difference"]
    rows = re.findall(r"<tr><td>([abcde])</td><td>([\d.]+) / ([\d.]+)<small>([+-][\d.]+)", table)
    assert [row[0] for row in rows] == list("abcde")
    for _, first, second, difference in rows:
        assert float(difference) == pytest.approx(100 * (float(first) - float(second)), abs=0.2)
    assert summary.compared[0].pairs == 10


def test_near_duplicates_stand_beside_what_chance_gives():
    text = words(page_of(scores_of_all())[0])
    assert "margin, town, 10 % labelled 40 8.5 3.2 2.0 0.9" in text
    assert "differ by 8 of 255 grey levels or less" in text


def test_costs_of_people_and_machine():
    text = words(page_of(scores_of_all())[0])
    assert "random, supervised 40 10 240 – 60.6" in text  # 40 masks of 6 minutes
    assert "the masks times 6.0, the mean of 12 masks of which its ledger.csv has minutes" in text
    assert "Minutes for scene labels are not known" in text
    assert "1.0 h of machine time so far on box, 2 cores: 1.0 h for training, 36 s for scoring" in text
    unknown = replace(facts_of(scores_of_all()), minutes={})
    page = study_page(summarised(CELLS, GRID, scores_of_all(), LABELS), unknown, None)
    assert "random, supervised 40 10 not known – 60.6" in words(page)


def test_pre_training_that_several_runs_share_has_a_column_of_its_own():
    facts = facts_of(scores_of_all())
    shared = StepTime("pretraining/x", "pretraining", "pretrain", 120.0, 1, "", "box, 2 cores", [ARM])
    summary = summarised(CELLS, GRID, scores_of_all(), LABELS)
    text = words(study_page(summary, replace(facts, times=[*facts.times, shared]), None))
    assert "machine's minutes to pre-train to choose to train and score random, supervised 40 10 240 2.0 – 60.6" in text


def test_numbers_of_labels_that_differ_are_shown_from_the_fewest_to_the_most():
    labels = {**LABELS, CELLS[0]: CellLabels(20, 10, ("t1",), "pool", "start")}
    assert "random, supervised 38 20 to 40 0." in words(page_of(scores_of_all(), labels)[0])


def test_p_alone_stands_below_the_corrected_one():
    text = words(page_of(scores_of_all())[0])
    assert re.search(r"supervised \+5\.\d \+5\.\d 10, 0, 0 \S+ to \S+ 0\.\d+ alone 0\.\d+ ≥ 0\.", text)


def test_a_missing_run_is_shown_and_never_averaged_away():
    page, summary = page_of(scores_of_all(missing=CELLS[:1]))
    text = words(page)
    assert "This study is not finished: 39 of 40 runs are scored." in text
    assert f"the missing runs (1) {CELLS[0].name}" in text
    assert "random, supervised 40 missing – – 9 of 10" in text
    assert "2 comparisons without an answer, as runs are missing" in text
    assert "margin against random supervised 1 of 10 pairs is missing" in text
    table = page.split("margin against random, supervised: 9 of 10 pairs scored")[1].split("</details>")[0]
    assert re.search(r"<td>a</td><td>[\d.]+ / missing<small>missing</small></td>.*<td>missing</td></tr>", table)
    assert "in 1 of 2 comparisons" in text
    assert summary.missing == 1


def test_before_the_first_score_the_page_says_what_is_going_to_be_compared():
    page, _ = page_of(scores_of_all(missing=CELLS), labels={})
    text = words(page)
    assert "Nothing has been scored yet: all 40 runs are missing" in text
    assert "study.py run" in text
    assert "What is going to be compared" in text
    assert "strategy margin Tiles whose" in text
    assert "What it will be able to show It is small." in text
    for heading in ("Scores", "Paired differences", "What may be said", "Checks"):
        assert f"<h2>{heading}" not in page


def test_contact_sheets_stand_side_by_side():
    page, _ = page_of(scores_of_all())
    beside = page.split('<div class="side">')[1]
    assert beside.count("<figure>") == 2


def test_the_chart_leaves_out_what_is_missing(tmp_path):
    scores = scores_of_all(missing=CELLS[:1])
    summary = summarised(CELLS, GRID, scores, LABELS)
    assert save_study_chart(tmp_path / "a.png", summary)
    page = study_page(summary, facts_of(scores), (tmp_path / "a.png").read_bytes())
    assert "Left out, as runs are missing: random, supervised." in words(page)
    nothing = summarised(CELLS, GRID, [CellScore(cell, BEST) for cell in CELLS], {c: CellLabels() for c in CELLS})
    assert not save_study_chart(tmp_path / "b.png", nothing)


def test_with_one_label_count_the_chart_has_a_row_for_each_arm():
    (axis,) = study_figure(summarised(CELLS, GRID, scores_of_all(), LABELS)).axes
    rows = [label.get_text() for label in axis.get_yticklabels()]
    assert rows == ["random, supervised", "random, s4gan", "margin, supervised", "margin, s4gan"]
    dots = [line for line in axis.lines if line.get_alpha()]
    assert [len(line.get_xdata()) for line in dots] == [10] * 4  # five areas by two seeds


def test_with_several_label_counts_the_chart_has_curves():
    more = [replace(cell, amount="0.2") for cell in CELLS]
    scores = scores_of_all()
    scores += [replace(score, cell=replace(score.cell, amount="0.2")) for score in scores]
    labels = LABELS | {cell: CellLabels(80, 10, ("t1",), "pool", "start") for cell in more}
    (axis,) = study_figure(summarised([*CELLS, *more], GRID, scores, labels)).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["40", "80"]
    assert len(axis.get_legend().get_texts()) == 4
