"""tools/auto_evaluate.py on drawn tiles of 32×32 and networks that were never trained."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import threading
import time
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from model import trained
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.trained import Trained
from tests.conftest import (
    CUSTOM,
    TinySet,
    contents,
    error_line,
    patches,
    write_custom,
    write_image,
    write_list,
    write_overlapping,
    write_ucm,
)
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate
from utils.evaluation import checkpoints as checkpoints_module
from utils.evaluation import tile_lists
from utils.evaluation.areas import adjusted_areas_of_summary
from utils.evaluation.calibration import read_calibration
from utils.evaluation.metric import CLASS_SCORES
from utils.evaluation.settings import WindowSettings
from utils.evaluation.tile_lists import ListScorer
from utils.imagery.images import normalise
from utils.runs import interrupt
from utils.runs.files import save_tensors

STEPS = (7, 30, 200)
PICTURES = ("miou.png", "classes.png", "confusion.png", "tiles.png", "scene.png", "reliability.png", "areas.png")


def save_generator(folder: Path, step: int, classes: int = 3) -> None:
    torch.manual_seed(step)
    save_tensors(folder / f"checkpoint{step}.pth", DeepLabV2(classes, "tiny").state_dict())


def write_run(folder: Path, steps: tuple[int, ...], classes: list[str] = CUSTOM["classes"]) -> Path:
    folder.mkdir()
    (folder / "options.json").write_text(json.dumps({"backbone": "tiny", "classes": classes}))
    for step in steps:
        save_generator(folder, step, len(classes))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> TinySet:
    return write_custom(tmp_path_factory.mktemp("data") / "custom", count=6)


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A folder with checkpoints of steps 7, 30 and 200, a discriminator, and a file that is being written."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "run", STEPS)
    save_tensors(folder / "checkpoint200_D.pth", Discriminator(3).state_dict())
    (folder / ".checkpoint300.pth.1-ab.part").write_bytes((folder / "checkpoint200.pth").read_bytes()[:100])
    return folder


def argv(tiny: TinySet, run: Path, out: Path, *flags: str, calibrated: bool = False, **changes: object) -> list[str]:
    """The command's words; confidence is measured, which takes time, only where a test asks for it."""
    options = {
        "--dataset": tiny.dataset, "--data-dir": tiny.folder, "--data-list": tiny.list_path, "--checkpoint-dir": run,
        "--save-dir": out, "--input-size": "32,32", "--device": "cpu", "--precision": "fp32",
    } | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}  # fmt: skip
    return [
        *(str(part) for pair in options.items() for part in pair),
        *flags,
        *([] if calibrated else ["--no-calibration"]),
    ]


def rows_of(out: Path) -> dict[int, dict[str, str]]:
    return {int(row["step"]): row for row in csv.DictReader((out / "scores.csv").open())}


def summary_of(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="session")
def results(tiny, run, tmp_path_factory) -> Path:
    """The results of all three checkpoints, chosen on four tiles and tested on the other two."""
    out = tmp_path_factory.mktemp("results") / "out"
    lists = {"data_list": tiny.folder / "val.txt", "test_list": tiny.folder / "test.txt"}
    write_list(lists["data_list"], tiny.names[:4])
    write_list(lists["test_list"], tiny.names[4:])
    assert auto_evaluate.main(argv(tiny, run, out, "--all", calibrated=True, **lists)) == 0
    return out


# --- What is scored --------------------------------------------------------------------------------------------------


def direct(run: Path, tiny: TinySet, step: int, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of all pixels, by the shortest way."""
    network = DeepLabV2(3, "tiny").eval()
    network.load_state_dict(torch.load(run / f"checkpoint{step}.pth", weights_only=True))
    truth, predictions = [], []
    for name in names:
        image = np.array(Image.open(tiny.folder / "images" / f"{name}.png"))
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(image).permute(2, 0, 1)[None] / 255))
        predictions.append(logits.argmax(dim=1).numpy())
        truth.append(np.array(Image.open(tiny.folder / "masks" / f"{name}.png"))[None])
    return np.concatenate(truth).ravel(), np.concatenate(predictions).ravel()


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


def test_scenes_are_what_is_resampled_where_they_are_known(run, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=60, group=r"tile(\d)")
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "scenes", start_eval=7, end_eval=7)) == 0
    assert summary_of(tmp_path / "scenes")["data_list"]["interval"]["text"].startswith("too few for an interval (10 s")
    (tiny.folder / "dataset.json").write_text(json.dumps(CUSTOM))
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "tiles", start_eval=7, end_eval=7)) == 0
    row = rows_of(tmp_path / "tiles")[7]
    assert float(row["mean_iou_low"]) < float(row["mean_iou"]) < float(row["mean_iou_high"])
    assert "optimistic" in (tmp_path / "tiles" / "report.html").read_text()


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


# --- How far the map can be trusted ----------------------------------------------------------------------------------


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


def test_the_report_goes_in_the_order_of_a_user_s_questions(results):
    assert re.findall("<h2>(.*?)</h2>", (results / "report.html").read_text()) == [
        "How good is it", "Can it be trusted where it is sure", "How much area each class has",
        "Where it is right and wrong", "Which checkpoint", "Sizes, times and options",
    ]  # fmt: skip


# --- What is written -------------------------------------------------------------------------------------------------


class Parts(HTMLParser):
    """What a page refers to, its words, and whether its tags are balanced."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_report_is_one_file_with_everything_in_it(results):
    text = (results / "report.html").read_text()
    parts = Parts(text)
    assert parts.open == []
    assert len(parts.references) == len(PICTURES)
    assert all(reference.startswith("data:image/png;base64,") for reference in parts.references)
    assert not re.search(r"https?:|@import|url\(|<script", text)
    words = " ".join(parts.words)
    for expected in (*CUSTOM["classes"], "200", "--save-dir", "test.txt", "val.txt", "parameters"):
        assert expected in words


def test_pictures_and_events_are_there(results):
    for name in PICTURES:
        with Image.open(results / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 300
    assert list((results / "tensorboard").glob("events*"))


def test_one_checkpoint_has_no_curve_and_is_not_called_the_best(tiny, run, tmp_path):
    assert auto_evaluate.main(argv(tiny, run, tmp_path, calibrated=True, start_eval=7, end_eval=7)) == 0
    assert not (tmp_path / "miou.png").exists()
    text = (tmp_path / "report.html").read_text()
    assert "step 7, the only checkpoint evaluated" in text
    assert "best of" not in text
    assert "Which checkpoint" not in text
    assert len(Parts(text).references) == len(PICTURES) - 1


def test_the_report_writes_three_decimals_and_explains_its_columns(results):
    text = (results / "report.html").read_text()
    assert not re.search(r">0\.\d{4}", text)
    for row in summary_of(results)["classes"]:
        cells = "".join(f"<td>{'–' if row[score] is None else f'{row[score]:.3f}'}</td>" for score in CLASS_SCORES)
        assert f"{row['name']}</td>{cells}" in text
    assert "Producer&#x27;s accuracy (recall)" in text
    assert "User&#x27;s accuracy (precision)" in text


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


def test_earlier_results_are_kept_unless_they_may_be_replaced(results, tiny, run, capsys, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results, out)
    before = contents(out)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, out, "--all"))
    assert "--overwrite" in line
    assert str(out) in line
    assert contents(out) == before
    (out / "best_scores_999.json").write_text("{}")
    (out / "notes.txt").write_text("mine")
    options = argv(tiny, run, out, "--overwrite", start_eval=30, end_eval=30)
    assert auto_evaluate.main(options) == 0
    assert [path.name for path in out.glob("best_scores_*")] == ["best_scores_30.json"]
    assert (out / "notes.txt").read_text() == "mine"


# --- Which checkpoints -----------------------------------------------------------------------------------------------


def test_checkpoints_that_cannot_be_used_are_named_and_left_out(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.copy(folder / "checkpoint200_D.pth", folder / "checkpoint1.pth")
    (folder / "checkpoint2.pth").write_bytes((folder / "checkpoint7.pth").read_bytes()[:-1000])
    save_generator(folder, 3, classes=4)
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", start_eval=1, end_eval=7, step_eval=1)) == 4
    said = capsys.readouterr().err
    for words in ("not there: 4, 5, 6", "checkpoint1.pth: a discriminator", "checkpoint2.pth", "4 classes"):
        assert words in said
    assert "skipped 6 checkpoints: 1, 2, 3, 4, 5, 6" in said
    assert list(rows_of(tmp_path / "out")) == [7]
    assert [entry["step"] for entry in summary_of(tmp_path / "out")["skipped"]] == [1, 2, 3, 4, 5, 6]
    assert "a discriminator" in (tmp_path / "out" / "report.html").read_text()


def test_a_network_is_made_once_and_the_next_checkpoint_read_meanwhile(tiny, run, tmp_path, monkeypatch):
    made, read = [], {step: threading.Event() for step in STEPS}
    monkeypatch.setattr(trained, "DeepLabV2", lambda *args: made.append(args) or DeepLabV2(*args))

    def read_checkpoint(self, path):
        read[int(re.findall(r"\d+", path.name)[0])].set()
        return original_read(self, path)

    def evaluate_after_reading(self, step):
        following = STEPS[STEPS.index(step) + 1 :][:1]
        assert all(read[later].wait(10) for later in following)
        return original_evaluate(self, step)

    original_read, original_evaluate = Trained.read, ListScorer.evaluate
    monkeypatch.setattr(Trained, "read", read_checkpoint)
    monkeypatch.setattr(ListScorer, "evaluate", evaluate_after_reading)
    assert auto_evaluate.main(argv(tiny, run, tmp_path, "--all")) == 0
    assert len(made) == 1


def test_following_waits_for_the_checkpoints_of_a_training(tiny, run, tmp_path, monkeypatch):
    """Step 2 never comes; the first checkpoint, the best one here, has gone when the last one comes."""
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    folder = write_run(tmp_path / "run", ())
    sources = dict(zip((1, 3, 4), sorted(STEPS, key=lambda step: -score_of(run, tiny, step)), strict=True))

    def train() -> None:
        for step, source in sources.items():
            part = folder / f".checkpoint{step}.pth.1-ab.part"
            whole = (run / f"checkpoint{source}.pth").read_bytes()
            part.write_bytes(whole[:1000])
            time.sleep(0.1)
            part.write_bytes(whole)
            part.rename(folder / f"checkpoint{step}.pth")
            wait_for(lambda step=step: step in known_steps(tmp_path / "out"))
            if step == 3:
                (folder / "checkpoint1.pth").unlink()

    training = threading.Thread(target=train)
    training.start()
    options = argv(tiny, folder, tmp_path / "out", "--follow", start_eval=1, end_eval=4, step_eval=1)
    code = auto_evaluate.main([*options, "--test-list", str(tiny.list_path)])
    training.join()
    assert code == 4
    assert list(rows_of(tmp_path / "out")) == [1, 3, 4]
    summary = summary_of(tmp_path / "out")
    assert summary["skipped"] == [{"step": 2, "reason": "not there"}]
    assert summary["chosen"]["step"] == 1
    assert summary["test_list"]["scores"] == summary["data_list"]["scores"]


def score_of(run: Path, tiny: TinySet, step: int) -> float:
    truth, prediction = direct(run, tiny, step, tiny.names)
    return float(jaccard_score(truth, prediction, average="macro"))


def known_steps(out: Path) -> list[int]:
    return list(rows_of(out)) if (out / "scores.csv").is_file() else []


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_following_ends_at_its_time_limit_with_what_there_is(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    out, now = tmp_path / "out", time.monotonic
    late = partial(interrupt.StopRequest, clock=lambda: now() + 3600 * len(known_steps(out)))
    monkeypatch.setattr(auto_evaluate, "StopRequest", late)
    options = {"start_eval": 7, "end_eval": 14, "step_eval": 7, "max_hours": 1}
    folder = write_run(tmp_path / "run", (7,))
    assert auto_evaluate.main(argv(tiny, folder, out, "--follow", **options)) == 4
    assert "--max-hours was reached before 1 checkpoints: 14" in capsys.readouterr().err
    assert list(rows_of(tmp_path / "out")) == [7]
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(("moment", "tested"), [("last checkpoint", False), ("test list", True)])
def test_asked_to_end_late_it_leaves_its_report(tiny, run, tmp_path, monkeypatch, capsys, moment, tested):
    test_list = write_list(tmp_path / "test.txt", tiny.names[4:])
    original = ListScorer.evaluate

    def evaluate(self, step):
        if self.tiles.path == test_list if moment == "test list" else step == STEPS[-1]:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, step)

    monkeypatch.setattr(ListScorer, "evaluate", evaluate)
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "out", "--all", test_list=test_list)) == 143
    summary = summary_of(tmp_path / "out")
    assert (summary["test_list"] is not None) == tested
    assert ("terminated before the test list was scored" in summary["notes"]) != tested
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_best_checkpoint_may_be_removed_while_others_are_evaluated(tiny, run, tmp_path, monkeypatch):
    """As by a training with --keep-last that is not followed."""
    folder = write_run(tmp_path / "run", ())
    for step, source in enumerate(sorted(STEPS, key=lambda step: -score_of(run, tiny, step)), start=1):
        shutil.copy(run / f"checkpoint{source}.pth", folder / f"checkpoint{step}.pth")
    original = ListScorer.evaluate

    def evaluate(self, step):
        (folder / "checkpoint1.pth").unlink(missing_ok=True)
        return original(self, step)

    monkeypatch.setattr(ListScorer, "evaluate", evaluate)
    test_list = write_list(tmp_path / "test.txt", tiny.names)
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all", test_list=test_list)) == 0
    summary = summary_of(tmp_path / "out")
    assert summary["chosen"]["step"] == 1
    assert summary["test_list"]["scores"] == summary["data_list"]["scores"]


def test_following_waits_for_a_training_to_begin(tiny, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    looks = iter(range(10**6))

    def look_again(seconds: float) -> None:
        if next(looks) == 3:
            shutil.copytree(run, tmp_path / "run")

    monkeypatch.setattr(checkpoints_module, "time", SimpleNamespace(sleep=look_again))
    options = argv(tiny, tmp_path / "run", tmp_path / "out", "--follow", start_eval=7, end_eval=7, step_eval=7)
    assert auto_evaluate.main(options) == 0
    assert f"waiting for a training to begin in {tmp_path / 'run'}" in capsys.readouterr().out
    assert list(rows_of(tmp_path / "out")) == [7]


def test_following_says_that_no_training_began(tiny, tmp_path, capsys):
    options = argv(tiny, tmp_path / "run", tmp_path / "out", "--follow", max_hours=1e-9)
    assert "no training had begun" in error_line(capsys, 1, auto_evaluate.main, options)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").write_text("")
    assert "is a file" in error_line(capsys, 2, auto_evaluate.main, options)


def test_following_all_ends_with_the_last_step(tiny, run, tmp_path):
    options = {"end_eval": 200, "start_eval": 1}
    assert auto_evaluate.main(argv(tiny, run, tmp_path, "--follow", "--all", **options)) == 0
    assert list(rows_of(tmp_path)) == list(STEPS)


def write_plan(run: Path, **options: object) -> None:
    record = {"backbone": "tiny", "classes": CUSTOM["classes"], "options": options}
    (run / "options.json").write_text(json.dumps(record))


def follow(tiny: TinySet, run: Path, out: Path, code: int, **options: object) -> list[int]:
    """Steps that a following evaluation comes to; it may not wait: a look more than there should be fails."""
    assert auto_evaluate.main(argv(tiny, run, out, "--follow", **options)) == code
    return known_steps(out)


@pytest.fixture
def impatient(monkeypatch):
    def wait(seconds: float) -> None:
        raise AssertionError("waits for what never comes")

    monkeypatch.setattr(checkpoints_module, "time", SimpleNamespace(sleep=wait))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("plan", "given", "code", "expected"),
    [
        ({"num_steps": 30, "save_pred_every": 7}, {}, 4, [7, 30]),  # 14, 21 and 28 were not kept
        ({"num_steps": 30, "save_pred_every": 30}, {}, 0, [30]),
        ({"num_steps": 30, "save_pred_every": 100}, {}, 0, [30]),  # written at the end, whatever the distance
        ({"num_steps": 30, "save_pred_every": 7}, {"end_eval": 20000, "start_eval": 30, "step_eval": 10}, 0, [30]),
        ({"num_steps": 30}, {"end_eval": 16, "start_eval": 7, "step_eval": 7}, 4, [7]),
    ],
)
def test_following_ends_with_the_run(tiny, tmp_path, plan, given, code, expected):
    run = write_run(tmp_path / "run", (7, 30))
    write_plan(run, **plan)
    assert follow(tiny, run, tmp_path / "out", code, **given) == expected


def test_following_refuses_a_range_that_the_run_never_reaches(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", (7,))
    write_plan(run, num_steps=200, save_pred_every=50)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--follow", start_eval=300))
    assert "--start-eval 300 is never reached" in line
    assert "ends with step 200" in line


def test_following_gives_up_on_a_folder_where_nothing_happens(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    run = write_run(tmp_path / "run", (7,))
    write_plan(run, num_steps=14, save_pred_every=7)
    assert follow(tiny, run, tmp_path / "out", 4, max_idle_minutes=0.002) == [7]
    said = capsys.readouterr().err
    assert f"nothing in {run} has changed for 0.002 minutes" in said
    assert "before 1 checkpoints: 14" in said


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


# --- What is no number ------------------------------------------------------------------------------------------------


def spoil(folder: Path, step: int, value: float) -> None:
    path = folder / f"checkpoint{step}.pth"
    weights = torch.load(path, weights_only=True)
    weights[next(iter(weights))].view(-1)[0] = value
    save_tensors(path, weights)


def test_checkpoints_that_are_not_finite_are_named_and_left_out(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    spoil(folder, 7, float("nan"))
    spoil(folder, 30, float("inf"))
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all")) == 4
    said = capsys.readouterr().err
    for step in (7, 30):
        assert f"checkpoint{step}.pth: 1 of " in said
    assert "tensors hold NaN or infinite values (backbone." in said
    assert list(rows_of(tmp_path / "out")) == [200]
    out = tmp_path / "alone"
    assert auto_evaluate.main(argv(tiny, folder, out, start_eval=7, end_eval=7)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: no checkpoint of {folder} could be evaluated: ")
    assert "NaN or infinite" in last
    assert not out.exists()


def test_a_checkpoint_whose_maps_are_not_finite_is_left_out(tiny, run, tmp_path, capsys):
    """All weights are finite; what they come to is not."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    path = folder / "checkpoint30.pth"
    weights = torch.load(path, weights_only=True)
    save_tensors(path, {n: v.sign() * 3e38 if n.startswith("head.") else v for n, v in weights.items()})
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all")) == 4
    assert f"{path}: the network's output is NaN or infinite" in capsys.readouterr().err
    assert list(rows_of(tmp_path / "out")) == [7, 200]
    assert [entry["step"] for entry in summary_of(tmp_path / "out")["skipped"]] == [30]


@pytest.mark.parametrize("list_option", ["data_list", "test_list"])
def test_a_list_without_a_labelled_pixel_is_refused(tiny, run, tmp_path, capsys, list_option):
    own = write_custom(tmp_path / "own", count=2)
    write_image(own.folder / "masks" / "tile0.png", np.full((32, 32), 255, np.uint8))
    path = write_list(tmp_path / "unlabelled.txt", ["tile0"])
    line = error_line(capsys, 1, auto_evaluate.main, argv(own, run, tmp_path / "out", "--all", **{list_option: path}))
    assert f"{path}: no pixel of the 1 masks has a class" in line
    assert not (tmp_path / "out").exists()


# --- Bad input -------------------------------------------------------------------------------------------------------


def test_missing_options_say_what_replaces_them(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(run / "checkpoint7.pth", folder)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, folder, tmp_path / "out", "--all"))
    assert f"{folder / 'options.json'} is not there" in line
    assert "--backbone" in line
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all", "--backbone", "tiny")) == 0


def test_a_class_that_the_network_does_not_have_is_named(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", (7,), CUSTOM["classes"][:2])
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "'water' (id 2)" in line
    (run / "options.json").unlink()
    options = argv(tiny, run, tmp_path / "out", "--all", "--backbone", "tiny")
    assert auto_evaluate.main(options) == 1
    assert "2 classes" in capsys.readouterr().err


def test_tiles_without_masks_are_named(run, tmp_path, capsys):
    tiny = write_custom(tmp_path / "custom", count=4)
    for name in tiny.names[1:3]:
        (tiny.folder / "masks" / f"{name}.png").unlink()
    line = error_line(capsys, 1, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "2 of 4 masks are missing (tile1, tile2)" in line
    assert str(tiny.list_path) in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scales": "0.75,0.75"}, "different factors"),
        ({"scales": "0,1"}, "at least 0.1"),
        ({"scales": ""}, "expected a number"),
        ({"resamples": "1"}, "from 100"),
        ({"test_list": "/nowhere.txt"}, "no list of names"),
        ({"max_hours": "0"}, "above 0"),
        ({"start_eval": 8, "end_eval": 9}, "it holds checkpoint7.pth to checkpoint200.pth"),
    ],
)
def test_mistakes(tiny, run, tmp_path, capsys, changes, words):
    assert words in error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_checkpoints_is_refused(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", ())
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "holds no checkpoint<step>.pth" in line


def test_predictions_that_were_not_kept_are_made_again(tiny, run, tmp_path, monkeypatch):
    for name, limit in {"kept": 10**9, "again": 0}.items():
        monkeypatch.setattr(tile_lists, "_KEPT_BYTES", limit)
        assert auto_evaluate.main(argv(tiny, run, tmp_path / name, "--all", "--flip")) == 0
    assert (tmp_path / "kept" / "tiles.png").read_bytes() == (tmp_path / "again" / "tiles.png").read_bytes()
