import csv
import json
from pathlib import Path

import pytest

from tests.utils.evaluation.test_tile_lists import Tiles, scorer
from utils.evaluation.report import results
from utils.evaluation.report.results import RESULTS, Results
from utils.runs.output import OutputFolder

CONDITIONS = {
    "dataset": "drawn", "backbone": "none", "parameters": 0, "checkpoint_bytes": 0, "tile_size": [8, 8],
    "window": [8, 8], "batch_size": 2, "precision": "fp32", "device": "cpu", "processes": 1,
}  # fmt: skip
OPTIONS = {"start_eval": 1, "checkpoint_dir": "run", "eval_size": "tile"}


def test_results_of_arrays_are_written_without_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "draw", lambda *_: None)  # takes most of the time
    chosen_on, test_list = scorer(Tiles(5), labelled=["tile1"]), scorer(Tiles(3))
    folder = OutputFolder(tmp_path / "results", RESULTS)
    with folder.claim():
        written = Results(folder, chosen_on, OPTIONS, CONDITIONS, ["a note"])
        for step, is_best in ((1, True), (2, False)):
            scores = chosen_on.evaluate(step)
            written.begin()
            assert written.add(scores) is is_best  # of equals the earliest
        written.notes.append("another")
        written.finish(test_list.evaluate(1), test_list, {3: "not there"}, 1.0, lambda step: None)
    summary = json.loads((folder.path / "summary.json").read_text())
    assert summary["chosen"] == {"step": 1, "of": 2, "on": "val.txt"}
    assert (summary["notes"], summary["options"]) == (["a note", "another"], OPTIONS)
    assert summary["skipped"] == [{"step": 3, "reason": "not there"}]
    assert summary["data_list"]["labelled_training_tiles"] == 1
    assert summary["test_list"]["tiles"] == 3
    rows = list(csv.DictReader((folder.path / "scores.csv").open(encoding="utf-8")))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert float(rows[0]["IoU a"]) == pytest.approx(chosen_on.evaluate(1).plain.scores.class_iou[0], abs=1e-6)
    assert "another" in (folder.path / "report.html").read_text(encoding="utf-8").lower()
