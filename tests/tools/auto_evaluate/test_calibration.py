"""How far the map and its scores can be trusted: confidence, areas, accuracies and intervals."""

import hashlib
import json
import shutil

import pytest
from sklearn.metrics import confusion_matrix

from tests.conftest import CUSTOM, write_custom, write_overlapping
from tests.tools.auto_evaluate.conftest import PICTURES, argv, direct, rows_of, summary_of
from tools import auto_evaluate
from utils.evaluation.areas import adjusted_areas_of_summary
from utils.evaluation.calibration import read_calibration


def test_the_temperature_is_kept_beside_the_checkpoint_that_it_was_fitted_to(tiny, run, tmp_path, capsys):
    folder, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(run, folder)
    lists = {"data_list": tiny.folder / "val.txt", "test_list": tiny.folder / "test.txt"}
    assert auto_evaluate.main(argv(tiny, folder, out, "--all", calibrated=True, **lists)) == 0
    summary, kept = summary_of(out), json.loads((folder / "calibration.json").read_text())
    best = folder / f"checkpoint{summary['chosen']['step']}.pth"
    assert kept["checkpoint_sha256"] == summary["checkpoint_sha256"] == hashlib.sha256(best.read_bytes()).hexdigest()
    assert (kept["list"], kept["measured_on"]) == (str(lists["data_list"]), str(lists["test_list"]))
    assert {key: summary["calibration"][key] for key in ("temperature", "ece_before")} == {
        key: kept[key] for key in ("temperature", "ece_before")
    }
    assert summary["calibration"]["file"] == str(folder / "calibration.json")
    assert kept["pixels"] == summary["test_list"]["pixels"]  # tiles so small are taken whole
    assert read_calibration(folder, best) == kept["temperature"]
    assert "confidence: expected calibration error" in capsys.readouterr().out


def test_calibration_can_be_left_out(tiny, run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "calibration.json").unlink(missing_ok=True)
    out = tmp_path / "out"
    assert auto_evaluate.main(argv(tiny, folder, out, start_eval=7, end_eval=7)) == 0
    assert not (folder / "calibration.json").exists()
    assert [name for name in PICTURES if (out / name).exists()] == [
        "classes.png", "confusion.png", "tiles.png", "areas.png",
    ]  # fmt: skip
    summary = summary_of(out)
    assert (summary["calibration"], summary["scene"]) == (None, None)
    assert "Can it be trusted" not in (out / "report.html").read_text()


def test_the_areas_on_the_list_itself_are_those_in_truth_and_the_summary_adjusts_others(run, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=60, version=2, metres_per_pixel=5)
    out = tmp_path / "out"
    assert auto_evaluate.main(argv(tiny, run, out, start_eval=7, end_eval=7)) == 0
    summary = summary_of(out)
    truth, prediction = direct(run, tiny, 7, tiny.names)
    for index, entry in enumerate(summary["areas"]["classes"]):
        assert entry["mapped_share"] == pytest.approx((prediction == index).mean())
        assert entry["adjusted_share"] == pytest.approx((truth == index).mean())
        assert entry["adjusted_hectares"] == pytest.approx((truth == index).sum() * 25 / 10_000)
    assert (summary["metres_per_pixel"], summary["areas"]["units"]) == (5, 60)
    mapped = {name: float((prediction == index).sum()) for index, name in enumerate(CUSTOM["classes"])}
    areas = adjusted_areas_of_summary(out / "summary.json", mapped)
    assert [row.area for row in areas.rows] == pytest.approx([(truth == index).sum() for index in range(3)])
    assert "5 m a pixel" in (out / "report.html").read_text()


def test_a_scene_is_pictured_whole(run, tmp_path):
    overlapping, out = write_overlapping(tmp_path / "custom"), tmp_path / "out"
    assert auto_evaluate.main(argv(overlapping, run, out, calibrated=True, start_eval=7, end_eval=7)) == 0
    assert summary_of(out)["scene"] == {
        "name": "scene", "tiles": 4, "height": 48, "width": 48,
        "text": "Scene scene, 48 × 48 pixels, put together from 4 tiles of the list",
    }  # fmt: skip


def test_each_class_has_its_accuracies_and_intervals(run, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=60)
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "out", start_eval=7, end_eval=7)) == 0
    truth, prediction = direct(run, tiny, 7, tiny.names)
    counts = confusion_matrix(truth, prediction, labels=range(3))
    right, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    row = rows_of(tmp_path / "out")[7]
    for index, entry in enumerate(summary_of(tmp_path / "out")["classes"]):
        users = right[index] / predicted[index] if predicted[index] else None
        assert entry["producers_accuracy"] == pytest.approx(right[index] / true[index])
        assert entry["users_accuracy"] == (users if users is None else pytest.approx(users))
        assert entry["f1"] == pytest.approx(2 * right[index] / (true[index] + predicted[index]))
        assert row[f"user's accuracy {entry['name']}"] == ("" if users is None else f"{users:.6f}")
        assert float(row[f"producer's accuracy {entry['name']}"]) == pytest.approx(right[index] / true[index], abs=1e-6)
        assert float(row[f"F1 {entry['name']}"]) == pytest.approx(entry["f1"], abs=1e-6)
        low, high = entry["intervals"]["iou"]
        assert low <= entry["iou"] <= high
    assert "of classes that at least 30 of them hold" in (tmp_path / "out" / "report.html").read_text()


def test_scenes_are_what_is_resampled_where_they_are_known(run, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=60, group=r"tile(\d)")
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "scenes", start_eval=7, end_eval=7)) == 0
    assert summary_of(tmp_path / "scenes")["data_list"]["interval"]["text"].startswith("too few for an interval (10 s")
    (tiny.folder / "dataset.json").write_text(json.dumps(CUSTOM))
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "tiles", start_eval=7, end_eval=7)) == 0
    row = rows_of(tmp_path / "tiles")[7]
    assert float(row["mean_iou_low"]) < float(row["mean_iou"]) < float(row["mean_iou_high"])
    assert "optimistic" in (tmp_path / "tiles" / "report.html").read_text()
