import csv
import io
import json

import pytest

from utils.errors import DataError
from utils.studies.cells import Cell
from utils.studies.results import BEST, LAST, CellScore, read_labels, read_score
from utils.studies.score_tables import StepTime, class_table, score_table, time_table

CELL = Cell("town", "a", "tiny", "0.1", "margin", "s4gan", 1)
LIST = {"tiles": 9, "scores": {"Mean IoU": 0.5, "Pixel Accuracy": 0.75}}
SUMMARY = {
    "chosen": {"step": 60},
    "data_list": LIST,
    "test_list": LIST | {"tiles": 4},
    "classes": [{"name": "water", "iou": 0.5, "share": 0.25}, {"name": "=road", "iou": None, "share": 0.0}],
}


@pytest.fixture
def results(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_best_is_what_the_test_list_says_and_last_what_the_only_list_says(results):
    assert read_score(CELL, BEST, results).tiles == 4
    assert read_score(CELL, LAST, results).tiles == 9
    assert read_score(CELL, BEST, results).step == 60


def test_a_cell_that_was_not_scored_is_missing(tmp_path, results):
    assert read_score(CELL, BEST, tmp_path / "none").is_missing
    (results / "summary.json").write_text(json.dumps(SUMMARY | {"test_list": None}))
    assert read_score(CELL, BEST, results).is_missing
    (results / "summary.json").write_text("{}")
    with pytest.raises(DataError, match="no summary of an evaluation"):
        read_score(CELL, BEST, results)


def test_tables_show_what_is_missing(results):
    scores = [read_score(CELL, BEST, results), CellScore(CELL, LAST)]
    done, missing = rows(score_table(scores, {}))
    assert (done["state"], done["mean_iou"], done["step"], done["seed"]) == ("done", "0.500000", "60", "1")
    assert (missing["state"], missing["mean_iou"], missing["masks"]) == ("missing", "", "")
    water, road = rows(class_table(scores))
    assert (water["iou"], water["share"]) == ("0.500000", "0.250000")
    assert (road["class"], road["iou"]) == ("'=road", "")


def test_times():
    (row,) = rows(time_table([StepTime("cell", "cell", "train", 12.345, 2, "2026-01-01 00:00:00", "2 cores")]))
    assert (row["seconds"], row["attempts"], row["machine"]) == ("12.3", "2", "2 cores")


def test_labels_and_what_they_cost(tmp_path):
    run, selection, names = tmp_path / "run", tmp_path / "selection", tmp_path / "train.txt"
    assert read_labels(run, names, None).masks is None
    for folder in (run, selection):
        folder.mkdir()
    (run / "labelled_names.txt").write_text("a\nb\n")
    names.write_text("a\nb\nc\n")
    (selection / "selection.json").write_text(
        json.dumps({"ledger": {"scene_labels_asked_for": 3}, "initial_pool": ["c"]})
    )
    drawn, chosen = read_labels(run, names, None), read_labels(run, names, selection)
    assert (drawn.masks, drawn.scene_labels, drawn.initial) == (2, None, "")
    assert (chosen.masks, chosen.scene_labels, chosen.names) == (2, 3, ["a", "b"])
    assert chosen.pool == drawn.pool != chosen.initial != ""
    (selection / "selection.json").write_text('{"ledger": 1}')
    with pytest.raises(DataError, match="no record of a selection"):
        read_labels(run, names, selection)
