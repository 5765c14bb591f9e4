"""What is scored: every checkpoint, each pixel once, and what is left out of the scores."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from model.trained import Trained
from tests.conftest import CUSTOM, patches, write_custom, write_image, write_list, write_overlapping, write_ucm
from tests.tools.auto_evaluate.conftest import STEPS, argv, direct, rows_of, summary_of, write_plan, write_run
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate
from utils.evaluation.settings import WindowSettings

# --- What is scored --------------------------------------------------------------------------------------------------


def test_scores_are_those_of_every_checkpoint(results, tiny, run):
    rows = rows_of(results)
    assert list(rows) == list(STEPS)
    for step in STEPS:
        truth, prediction = direct(run, tiny, step, tiny.names[:4])
        iou = jaccard_score(truth, prediction, average=None, labels=range(3))
        assert float(rows[step]["mean_iou"]) == pytest.approx(iou.mean(), abs=1e-6)
        assert float(rows[step]["pixel_accuracy"]) == pytest.approx(accuracy_score(truth, prediction), abs=1e-6)
        assert [float(rows[step][f"IoU {c}"]) for c in CUSTOM["classes"]] == pytest.approx(iou.tolist(), abs=1e-6)


def test_a_pixel_in_several_tiles_is_scored_once_and_the_results_say_so_and_count_drafts(run, tmp_path, capsys):
    overlapping = write_overlapping(tmp_path / "custom")
    one, out = write_list(tmp_path / "one.txt", overlapping.names[:1]), tmp_path / "out"
    row = f"1,{overlapping.names[1]},mask,cvat,yes,2.5,2026-01-01 10:00:00\n"
    (overlapping.folder / "ledger.csv").write_text(f"round,name,kind,source,draft,minutes,time\n{row}")
    steps = {"start_eval": 7, "end_eval": 7, "step_eval": 1}
    assert auto_evaluate.main(argv(overlapping, run, out, test_list=one, **steps)) == 0
    note = f"4 of 4 tiles of {overlapping.list_path} overlap: a pixel of a scene is scored once"
    said = capsys.readouterr().out
    assert note in said
    assert said.count("overlap:") == 1
    assert f"1 of 4 masks of {overlapping.list_path} began as a draft of a model" in said
    summary = summary_of(out)
    assert [summary[key]["overlapping_tiles"] for key in ("data_list", "test_list")] == [4, 0]
    assert summary["data_list"]["pixels"] == 48 * 48
    assert note in (out / "report.html").read_text()


@pytest.mark.parametrize("size", ["tile", "file"])
def test_the_class_of_a_third_of_the_scene_has_a_third_of_the_scored_pixels(run, tmp_path, size):
    overlapping, out = write_overlapping(tmp_path / "custom"), tmp_path / "out"
    steps = {"start_eval": 7, "end_eval": 7, "step_eval": 1}
    assert auto_evaluate.main(argv(overlapping, run, out, eval_size=size, **steps)) == 0
    classes = summary_of(out)["classes"]
    assert [entry["pixels"] for entry in classes] == [48 * 32, 48 * 16, 0]
    assert classes[1]["share"] == 1 / 3


def test_the_test_list_is_scored_once_with_the_chosen_checkpoint(results, tiny, run):
    rows, summary = rows_of(results), summary_of(results)
    best = max(STEPS, key=lambda step: float(rows[step]["mean_iou"]))
    assert summary["chosen"]["step"] == best
    published = json.loads((results / f"best_scores_{best}.json").read_text())
    assert published["Mean IoU"] == pytest.approx(float(rows[best]["mean_iou"]), abs=1e-6)
    truth, prediction = direct(run, tiny, best, tiny.names[4:])
    test = summary["test_list"]
    assert test["scores"]["Mean IoU"] == pytest.approx(jaccard_score(truth, prediction, average="macro"))
    assert test["tiles"] == 2
    counts = confusion_matrix(truth, prediction, labels=range(3))
    assert [entry["pixels"] for entry in summary["classes"]] == counts.sum(axis=1).tolist()
    assert not test["chosen_on_this_list"]
    assert not test["interval"]["optimistic"]
    assert summary["data_list"]["interval"]["optimistic"]
    assert "too few for an interval (2 tiles" in test["interval"]["text"]


def test_without_a_test_list_every_output_says_chosen_on_this_list(tiny, run, tmp_path, capsys):
    assert auto_evaluate.main(argv(tiny, run, tmp_path, "--all")) == 0
    assert "chosen on this list" in capsys.readouterr().out
    assert summary_of(tmp_path)["test_list"] is None
    assert summary_of(tmp_path)["data_list"]["chosen_on_this_list"]
    assert "Chosen on this list" in (tmp_path / "report.html").read_text()


def test_tiles_larger_than_a_window_are_scored_on_the_maps_that_predict_makes(run, tmp_path):
    """`--input-size` is what smaller tiles are padded to, and the size of windows."""
    large = write_custom(tmp_path / "custom", count=2, size=(80, 70))
    assert auto_evaluate.main(argv(large, run, tmp_path / "out", "--all", step_eval=200, start_eval=200)) == 0
    network = Trained.open(run / "checkpoint200.pth", device="cpu", precision="fp32")
    truth, prediction = [], []
    for name in large.names:
        image = np.array(Image.open(large.folder / "images" / f"{name}.png"))
        prediction.append(network.predict(image, WindowSettings((32, 32))))
        truth.append(np.array(Image.open(large.folder / "masks" / f"{name}.png")))
    expected = accuracy_score(np.stack(truth).ravel(), np.stack(prediction).ravel())
    assert float(rows_of(tmp_path / "out")[200]["pixel_accuracy"]) == pytest.approx(expected, abs=1e-6)
    assert summary_of(tmp_path / "out")["window"] == [32, 32]
    assert "80×70 pixels, read in windows of 32×32" in (tmp_path / "out" / "report.html").read_text()


def test_padding_and_batches_change_nothing(results, tiny, run, tmp_path):
    changes = {"data_list": tiny.folder / "val.txt", "batch_size": 4, "start_eval": 7, "end_eval": 7}
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "batches", **changes)) == 0
    assert rows_of(tmp_path / "batches")[7] == rows_of(results)[7]
    assert summary_of(results)["window"] == [32, 32]  # a tile of the input size is not padded


def test_file_size_counts_every_pixel_of_the_masks(tmp_path):
    tiny = write_ucm(tmp_path / "ucm", per_class=1)
    sizes = [(240, 272), (256, 251)]
    for name, size in zip(tiny.names, sizes, strict=True):
        write_image(tiny.folder / "UCMerced_Labels" / f"{name}.png", patches(0, size, range(1, 18)))
    run = write_run(tmp_path / "run", (1,), [str(i) for i in range(18)])
    (run / "options.json").unlink()
    options = {"start_eval": 1, "end_eval": 1, "input_size": "256,256", "backbone": "tiny"}
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "file", "--eval-size", "file", **options)) == 0
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "tile", **options)) == 0
    pixels = {kind: summary_of(tmp_path / kind)["data_list"]["pixels"] for kind in ("file", "tile")}
    assert pixels == {"file": sum(height * width for height, width in sizes), "tile": 2 * 256 * 256}


def test_processes_share_the_tiles_and_write_what_one_does(results, tiny, run, tmp_path):
    lists = {"data_list": tiny.folder / "val.txt", "test_list": tiny.folder / "test.txt", "batch_size": 1}

    def work() -> int:
        torch.set_num_threads(1)
        return auto_evaluate.main(argv(tiny, run, tmp_path / "out", "--all", calibrated=True, **lists))

    assert in_processes(2, work) == [0, 0]
    assert (tmp_path / "out" / "scores.csv").read_text() == (results / "scores.csv").read_text()
    together, alone = summary_of(tmp_path / "out"), summary_of(results)
    assert together["processes"] == 2
    assert together["test_list"]["scores"] == alone["test_list"]["scores"]
    assert together["confusion"] == alone["confusion"]
    for key in ("temperature", "ece_before", "ece_after", "nll_after", "pixels"):
        assert together["calibration"][key] == pytest.approx(alone["calibration"][key], abs=1e-6)
    pictures = [np.array(Image.open(folder / "scene.png"), np.int16) for folder in (tmp_path / "out", results)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2  # a batch of another size is rounded otherwise
    assert len(list((tmp_path / "out" / "tensorboard").iterdir())) == 1


# --- What is left out of the scores, and what is said of them ---------------------------------------------------------


def test_a_label_that_training_ignored_is_not_scored(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    write_plan(folder, ignore_label=1)
    own = write_custom(tmp_path / "marked", count=6)
    for name in own.names:
        path = own.folder / "masks" / f"{name}.png"
        ids = np.array(Image.open(path))
        write_image(path, np.where(ids == 1, 255, ids).astype(np.uint8))
    limits = {"start_eval": 7, "end_eval": 7}
    assert auto_evaluate.main(argv(own, run, tmp_path / "marked out", **limits)) == 0
    assert "not scored" not in capsys.readouterr().out
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "by id", **limits)) == 0
    line = "pixels of id 1 (forest) are not scored (--ignore-label 1, as in training)"
    assert line in capsys.readouterr().out
    assert rows_of(tmp_path / "by id") == rows_of(tmp_path / "marked out")
    assert rows_of(tmp_path / "by id")[7]["IoU forest"] == ""
    summary = summary_of(tmp_path / "by id")
    assert summary["notes"] == [line]
    assert summary["ignore_label"] == 1
    assert line[1:] in (tmp_path / "by id" / "report.html").read_text()

    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "all", ignore_label=255, **limits)) == 0
    assert "the run was trained with 1" in capsys.readouterr().out
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "as ever", **limits)) == 0
    assert rows_of(tmp_path / "all") == rows_of(tmp_path / "as ever")


def test_tiles_that_were_learned_from_are_counted_on_every_output(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    write_list(folder / "labelled_names.txt", [*tiny.names[3:5], "elsewhere"])
    lists = {"data_list": tmp_path / "val.txt", "test_list": tmp_path / "test.txt"}
    write_list(lists["data_list"], tiny.names[:3])
    write_list(lists["test_list"], tiny.names[3:])
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", start_eval=7, end_eval=7, **lists)) == 0
    line = (
        f"2 of 3 tiles of {lists['test_list']} were labelled training tiles of this run: scores on them are optimistic"
    )
    assert line in capsys.readouterr().out
    summary = summary_of(tmp_path / "out")
    assert summary["notes"] == [line]
    assert summary["data_list"]["labelled_training_tiles"] == 0
    assert summary["test_list"]["labelled_training_tiles"] == 2
    assert line in (tmp_path / "out" / "report.html").read_text()
