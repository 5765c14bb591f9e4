"""s4GAN's trainer as a command: several processes, unusual tiles and sizes, losses that break."""

import csv
import itertools
import json
import math
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from data.batches.samplers import EndlessBatches
from data.settings import DataSettings, LabelledSettings, SampleSettings
from model import training
from model.methods import METHODS, Entry, s4gan
from model.methods.method import Method
from model.methods.s4gan import S4GAN
from model.methods.settings import MethodSettings, S4GANSettings, SupervisedSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.settings import NetworkSettings
from model.training import TrainingRun
from tests.conftest import TinySet, contents, error_line, write_custom, write_image, write_list, write_overlapping
from tests.tools.test_train_AL import before
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate, train_s4gan
from tools.settings.learning import TrainingSettings
from utils.evaluation import views
from utils.runs.folder import RunFolder
from utils.runs.pace import Pace
from utils.runs.settings import KeepingSettings, MachineSettings
from utils.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"wait_ms", "images_per_s"}  # columns of metrics.csv that no run repeats


@pytest.fixture
def own_tiles(training_tiles: TinySet, tmp_path: Path) -> TinySet:
    """The same tiles in a folder that a test may change."""
    shutil.copytree(training_tiles.folder, tmp_path / "tiles", ignore=shutil.ignore_patterns(".cache"))
    return TinySet(training_tiles.dataset, tmp_path / "tiles", tmp_path / "tiles" / "all.txt", training_tiles.names)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of a tiny run's time."""
    monkeypatch.setattr(training, "plot_curves", lambda *_, **__: None)
    monkeypatch.setattr(TrainingRun, "_save_panels", lambda *_: None)


ENDLESS = {"num_steps": 1000, "save_pred_every": 1000}  # ended by the test, with space for one checkpoint


def options(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Two steps on three labelled and seven other tiles, with self-training from the first one."""
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "checkpoint_dir": out,
        "backbone": "tiny", "restore_from": "none", "labeled_ratio": "0.3", "threshold_st": "0.4", "st_start": 0,
        "num_steps": 2, "batch_size": 2, "input_size": "32,32", "save_pred_every": 1, "log_every": 1,
        "device": "cpu", "precision": "fp32", "num_workers": 0,
    } | changes  # fmt: skip
    given = [str(part) for name, value in settings.items() if value is not None for part in (f"--{name}", value)]
    return [*given, *(str(flag) for flag in flags)]


def run(argv: list[str], code: int = 0) -> None:
    assert train_s4gan.main(argv) == code


def rows_of(out: Path) -> list[dict[str, str]]:
    """Lines of metrics.csv, without what a clock wrote into them."""
    with (out / "metrics.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def networks_of(out: Path, step: int) -> dict[str, Tensor]:
    files = [out / f"checkpoint{step}.pth", out / f"checkpoint{step}_D.pth"]
    return {f"{f.name}:{k}": v for f in files for k, v in torch.load(f, weights_only=True).items()}


# --- from Python ------------------------------------------------------------------------------------------------------


def test_settings_train_what_options_do(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "options"))
    settings = TrainingSettings(
        DataSettings("custom", training_tiles.folder, training_tiles.folder / "train.txt"),
        S4GANSettings(2, threshold_st=0.4, st_start=0),
        samples=SampleSettings((32, 32), 2),
        labelled=LabelledSettings(Decimal("0.3")),
        network=NetworkSettings("tiny", "none"),
        machine=MachineSettings("cpu", precision="fp32", num_workers=0, random_seed=5000),
        keeping=KeepingSettings(tmp_path / "settings", save_pred_every=1, log_every=1),
    )
    assert train_s4gan.train(settings) == 0
    tables = [json.loads((tmp_path / out / "options.json").read_text()) for out in ("options", "settings")]
    assert {table["options"].pop("checkpoint_dir") for table in tables} == {
        str(tmp_path / out) for out in ("options", "settings")
    }
    assert tables[0] == tables[1]
    assert tables[0]["options"]["supervised_only"] is False
    by_options, by_settings = (networks_of(tmp_path / out, 2) for out in ("options", "settings"))
    assert all(torch.equal(by_settings[name], tensor) for name, tensor in by_options.items())


# --- several processes ------------------------------------------------------------------------------------------------


def test_two_processes_learn_what_one_does(training_tiles: TinySet, tmp_path: Path, no_dropout: None):
    changes = {"val_list": training_tiles.list_path, "eval_every": 1, "batch_size": 4}  # four batches to validate on
    flags = ("--freeze-bn", "--random-scale", "--random-mirror", "--save-viz", "--save-after-iter", 0)
    for out in ("one", "two"):
        argv = options(training_tiles, tmp_path / out, *flags, generator_viz_dir=tmp_path / f"{out}-viz", **changes)
        if out == "one":
            run(argv)
        else:
            assert in_processes(2, lambda argv=argv: train_s4gan.main(argv)) == [0, 0]
    one, two = (networks_of(tmp_path / out, 2) for out in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    for row, expected in zip(rows_of(tmp_path / "two"), rows_of(tmp_path / "one"), strict=True):
        assert {n: float(v) for n, v in row.items() if v} == pytest.approx(
            {n: float(v) for n, v in expected.items() if v}, rel=1e-4, abs=1e-6
        )
    maps = sorted(path.name for path in (tmp_path / "one-viz").iterdir())
    assert maps
    assert maps == sorted(path.name for path in (tmp_path / "two-viz").iterdir())


def test_two_processes_validate_the_network_that_is_saved(training_tiles: TinySet, tmp_path: Path):
    """Each collects statistics of its own share in BatchNorm; those of the main process are saved, and so scored."""
    changes = {"val_list": training_tiles.list_path, "eval_every": 2, "bn_momentum": "0.9", "learning_rate": "0.01"}
    argv = options(training_tiles, tmp_path / "run", **changes)
    assert in_processes(2, lambda: train_s4gan.main(argv)) == [0, 0]
    evaluation = {
        "dataset": "custom", "data_dir": training_tiles.folder, "data_list": training_tiles.list_path,
        "checkpoint_dir": tmp_path / "run", "save_dir": tmp_path / "scores", "start_eval": 2, "end_eval": 2,
        "step_eval": 1, "input_size": "32,32", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    assert auto_evaluate.main([str(part) for name, value in evaluation.items() for part in (f"--{name}", value)]) == 0
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (scores,) = csv.DictReader(file)
    assert float(rows_of(tmp_path / "run")[-1]["val_mean_iou"]) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)


@pytest.fixture
def no_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s4gan, "Discriminator", partial(Discriminator, dropout=0.0))


def test_a_run_moves_between_one_process_and_two(training_tiles: TinySet, tmp_path: Path, no_dropout: None):
    """One process, then two, then one: with frozen BatchNorm and no dropout it is the run of one process."""

    def argv(out: str, *flags: object) -> list[str]:
        return options(
            training_tiles, tmp_path / out, "--freeze-bn", *flags, num_steps=6, save_state_every=100, num_workers=0
        )

    def until(step: int, out: str, *flags: object) -> Callable[[], int]:
        def work() -> int:
            TrainingRun.after_step = before(TrainingRun.after_step, at_call(step, signal.SIGTERM))
            return train_s4gan.main(argv(out, *flags))

        return work

    run(argv("one"))
    assert in_processes(1, until(2, "moved")) == [143]
    assert in_processes(2, until(2, "moved", "--resume")) == [143, 143]
    assert torch.load(tmp_path / "moved" / "last.pth", weights_only=True)["step"] == 4
    run(argv("moved", "--resume"))
    one, moved = (networks_of(tmp_path / out, 6) for out in ("one", "moved"))
    for name, tensor in one.items():
        torch.testing.assert_close(moved[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    assert [row["step"] for row in rows_of(tmp_path / "moved")] == list("123456")


def at_call(moment: int, number: signal.Signals) -> Callable[[], None]:
    """A function that sends its own process a signal at the call of this number."""
    calls = iter(range(1, 10**6))

    def call() -> None:
        if next(calls) == moment:
            os.kill(os.getpid(), number)

    return call


def test_two_processes_resumed_repeat_the_run_exactly(training_tiles: TinySet, tmp_path: Path):
    """Each process has its own dropout, and its random numbers go on where they were."""

    def work(out: str, stop_at: int, *flags: object) -> Callable[[], int]:
        def train() -> int:
            if os.environ["RANK"] == "1":  # the other one hears of it
                TrainingRun.after_step = before(TrainingRun.after_step, at_call(stop_at, signal.SIGINT))
            return train_s4gan.main(options(training_tiles, tmp_path / out, *flags, num_steps=4))

        return train

    assert in_processes(2, work("whole", 99)) == [0, 0]
    assert in_processes(2, work("parts", 2)) == [130, 130]
    assert in_processes(2, work("parts", 99, "--resume")) == [0, 0]
    whole, parts = (networks_of(tmp_path / out, 4) for out in ("whole", "parts"))
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def failing(rank: int, argv: list[str], error: Callable[..., None]) -> Callable[[], tuple[int, str]]:
    """Train in a process that meets an error after a step if it is the rank-th; what it returns and says on stderr."""
    after_step = TrainingRun.after_step

    def fail_after_step(*args: Any) -> Any:
        error(*args)
        return after_step(*args)

    def work() -> tuple[int, str]:
        if os.environ["RANK"] == str(rank):
            TrainingRun.after_step = fail_after_step
        path = argv[argv.index("--checkpoint_dir") + 1] + f"-stderr{os.environ['RANK']}"
        with Path(path).open("w") as sys.stderr:
            code = train_s4gan.main(argv)
        said = Path(path).read_text().splitlines(keepends=True)
        return code, "".join(line for line in said if "training" not in line.partition(":")[0])

    return work


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_one_process_ends_both_with_its_message(training_tiles: TinySet, tmp_path: Path, rank: int):
    def error(*_: object) -> None:
        raise OSError(5, "Input/output error", "tile7.png")

    answers = in_processes(2, failing(rank, options(training_tiles, tmp_path / "run", **ENDLESS), error))
    assert [code for code, _ in answers] == [1, 1]
    assert "error: tile7.png: input/output error" in answers[rank][1]
    assert f"process {1 - rank} ends because another one did" in answers[1 - rank][1]


def test_an_unreadable_tile_in_one_process_ends_both(own_tiles: TinySet, tmp_path: Path):
    """The tile turns unreadable after all were looked at, and is in the second process's share of the next batch."""
    argv = options(own_tiles, tmp_path / "run", "--no-cache", **ENDLESS)

    def spoil(training: TrainingRun, *_: object) -> None:
        name = training.batch_names(2)["unlabelled"][1]
        (own_tiles.folder / "images" / f"{name}.png").write_bytes(b"this is no image")

    (code, said), (code_of_other, said_by_other) = in_processes(2, failing(1, argv, spoil))
    assert (code, code_of_other) == (1, 1)
    assert said.startswith("error: process 0 ends because another one did")
    assert said_by_other.startswith("error: ")
    assert "is not an image" in said_by_other
    assert len(said_by_other.splitlines()) == len(said.splitlines()) == 1


def test_a_process_that_is_killed_ends_the_other(training_tiles: TinySet, tmp_path: Path):
    kill = at_call(3, signal.SIGKILL)
    argv = options(training_tiles, tmp_path / "run", **ENDLESS)
    answers = in_processes(2, failing(1, argv, lambda *_: kill()), killed=1)
    assert answers[1] is None
    assert answers[0][0] == 1
    assert answers[0][1].startswith("error: process 0 ends because another one did")


@pytest.mark.parametrize(
    ("flags", "changes", "words"),
    [
        ((), {"batch_size": 3}, "--batch-size 3 is that of all processes, and does not divide by 2 processes"),
        ((), {"batch_size": 6, "accumulate": 2}, "does not divide by 2 processes of 2 parts each"),
        (("--sync-bn",), {}, "--sync-bn works on CUDA only, and this run is on the cpu"),
    ],
)
def test_what_several_processes_cannot_do(training_tiles: TinySet, tmp_path: Path, flags, changes, words):
    answers = in_processes(2, failing(0, options(training_tiles, tmp_path / "run", *flags, **changes), pytest.fail))
    assert [code for code, _ in answers] == [2, 2]
    assert all(words in said for _, said in answers)
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_main_process_alone_ends_both(training_tiles: TinySet, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint1.pth").touch()
    answers = in_processes(2, failing(0, options(training_tiles, tmp_path / "run"), pytest.fail))
    assert [code for code, _ in answers] == [2, 1]
    assert "--overwrite" in answers[0][1]


# --- unusual tiles, sizes and shares ----------------------------------------------------------------------------------


def numbers_of(out: Path, column: str) -> list[float]:
    return [float(row[column]) for row in rows_of(out)]


def assert_learns(out: Path) -> None:
    """Every number is finite, and so is every weight."""
    assert all(math.isfinite(float(value)) for row in rows_of(out) for value in row.values() if value)
    networks = [torch.load(path, weights_only=True) for path in out.glob("checkpoint*.pth")]
    assert networks
    assert all(torch.isfinite(tensor).all() for network in networks for tensor in network.values())


def write_masks(tiles: TinySet, ids: int, last: int) -> None:
    """Masks of one id, but for the last pixel of each, which a crop of 16×16 seldom holds."""
    mask = np.full((32, 32), ids, np.uint8)
    mask[-1, -1] = last
    for name in tiles.names:
        write_image(tiles.folder / "masks" / f"{name}.png", mask)


def test_crops_without_a_label_teach_nothing(own_tiles: TinySet, tmp_path: Path):
    write_masks(own_tiles, 255, last=1)
    flags = options(own_tiles, tmp_path / "run", "--save-viz", generator_viz_dir=tmp_path / "viz", input_size="16,16")
    run(flags)
    assert_learns(tmp_path / "run")
    assert numbers_of(tmp_path / "run", "loss_ce") == [0, 0]
    assert min(numbers_of(tmp_path / "run", "loss_D")) > 0


@pytest.mark.parametrize("ignored", [0, 255])
def test_an_ignore_label_is_not_learned_from(own_tiles: TinySet, tmp_path: Path, ignored: int):
    write_masks(own_tiles, 0, last=1)
    run(options(own_tiles, tmp_path / "run", "--supervised-only", ignore_label=ignored, input_size="16,16"))
    assert (max(numbers_of(tmp_path / "run", "loss_ce")) == 0) == (ignored == 0)


@pytest.mark.parametrize(("ids", "changes"), [(255, {}), (2, {"ignore_label": 2}), (2, {"val": True})])
def test_masks_without_a_label_are_refused_before_the_run_begins(
    own_tiles: TinySet, tmp_path: Path, capsys: pytest.CaptureFixture[str], ids: int, changes: dict[str, Any]
):
    out = tmp_path / "run"
    run(options(own_tiles, out, "--supervised-only", num_steps=1))
    before = contents(out)
    write_masks(own_tiles, ids, last=ids)
    settings = dict(changes)
    if settings.pop("val", False):  # the labelled tiles have labels, those of the validation list have none
        write_image(own_tiles.folder / "masks" / "tile0.png", np.full((32, 32), 255, np.uint8))
        settings["val_list"] = write_list(own_tiles.folder / "one.txt", ["tile0"])
    capsys.readouterr()
    line = error_line(capsys, 1, train_s4gan.main, options(own_tiles, out, "--overwrite", **settings))
    assert "no pixel of the" in line
    assert (f"--val-list {own_tiles.folder / 'one.txt'}" if "val_list" in settings else "the labelled tiles") in line
    assert contents(out) == before


def evaluated(tiny: TinySet, folder: Path, *options: str) -> dict[str, str]:
    """The line of scores.csv that auto_evaluate writes of the one checkpoint in `folder / "run"`."""
    evaluation = {
        "dataset": "custom", "data-dir": tiny.folder, "data-list": tiny.list_path, "checkpoint-dir": folder / "run",
        "save-dir": folder / "scores", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    words = [str(part) for name, value in evaluation.items() for part in (f"--{name}", value)]
    assert auto_evaluate.main([*words, "--all", *options]) == 0
    with (folder / "scores" / "scores.csv").open() as file:
        (scores,) = csv.DictReader(file)
    return scores


def validation_of(out: Path) -> list[str]:
    return [row["val_mean_iou"] for row in rows_of(out)]


def test_validation_scores_a_pixel_in_several_tiles_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """As evaluation does, and other than where nobody knows that tiles overlap."""
    tiny = write_overlapping(tmp_path / "custom")
    changes = {"data_list": tiny.list_path, "val_list": tiny.list_path, "num_steps": 1, "eval_every": 1}
    run(options(tiny, tmp_path / "run", "--supervised-only", **changes))
    assert f"4 of 4 tiles of {tiny.list_path} overlap" in capsys.readouterr().out
    scores = evaluated(tiny, tmp_path, "--input-size", "32,32")
    (validated,) = validation_of(tmp_path / "run")
    assert float(validated) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)
    (tiny.folder / "tiles.csv").unlink()
    run(options(tiny, tmp_path / "whole", "--supervised-only", **changes))
    assert validation_of(tmp_path / "whole") != [validated]


@pytest.mark.parametrize(("size", "given", "expected"), [
    ((80, 70), {}, (2, 32, 32)),  # windows, of no more pixels than two crops
    ((80, 70), {"val_batch_size": 5}, (3, 32, 32)),  # as many as lie beside one another
    ((30, 24), {"val_batch_size": 3}, (3, 32, 32)),
    ((30, 24), {}, (2, 32, 32)),
])  # fmt: skip
def test_validation_has_a_batch_size_and_reads_large_tiles_in_windows_as_evaluation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], given: dict, expected: tuple[int, int, int]
):
    tiny = write_custom(tmp_path / "custom", size=size)
    network_input, seen = views.network_input, []

    def watched(images: Tensor, *rest: Any) -> Tensor:
        seen.append((len(images), *images.shape[2:]))
        return network_input(images, *rest)

    changes = {"data_list": tiny.list_path, "val_list": tiny.list_path, "num_steps": 1, "eval_every": 1} | given
    with monkeypatch.context() as patched:
        patched.setattr(views, "network_input", watched)
        run(options(tiny, tmp_path / "run", "--supervised-only", **changes))
    assert max(seen) == expected
    scores = evaluated(tiny, tmp_path)
    (validated,) = validation_of(tmp_path / "run")
    assert float(validated) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)


def test_validation_leaves_out_the_ignored_label_and_names_tiles_that_were_learned_from(
    own_tiles: TinySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Ignored by its id, or marked 255 in the masks: the same validation."""
    changes = {"val_list": own_tiles.list_path, "num_steps": 1, "labeled_ratio": "0.3"}
    run(options(own_tiles, tmp_path / "by id", ignore_label=1, **changes))
    said = capsys.readouterr().err
    assert f"warning: 3 of 14 tiles of {own_tiles.list_path} were labelled training tiles of this run" in said
    run(options(own_tiles, tmp_path / "all", **changes))
    for name in own_tiles.names:
        path = own_tiles.folder / "masks" / f"{name}.png"
        ids = np.array(Image.open(path))
        ids[ids == 1] = 255
        write_image(path, ids)
    run(options(own_tiles, tmp_path / "marked", **changes))
    assert validation_of(tmp_path / "by id") == validation_of(tmp_path / "marked")
    assert validation_of(tmp_path / "by id") != validation_of(tmp_path / "all")


def test_a_network_that_the_last_update_has_spoilt_is_not_kept(
    training_tiles: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The loss of step 2 is finite, the weights after it are not."""
    steps = iter((1, 2))

    def spoil(method: Method) -> None:
        original(method)
        if next(steps) == 2:
            next(method.generator.parameters()).data.fill_(math.nan)

    original = Method._step_generator
    monkeypatch.setattr(Method, "_step_generator", spoil)
    out = tmp_path / "run"
    flags = options(training_tiles, out, "--supervised-only", val_list=training_tiles.folder / "val.txt", eval_every=1)
    line = error_line(capsys, 1, train_s4gan.main, flags)
    assert "NaN or infinite values in 1 tensors (backbone." in line
    assert "after step 2" in line
    assert f"the last good checkpoint is {out / 'checkpoint1.pth'}" in line
    assert not (out / "checkpoint2.pth").exists()
    assert all(value.isfinite().all() for value in torch.load(out / "best.pth", weights_only=True).values())


def test_a_validation_of_maps_that_are_not_finite_chooses_nothing(
    training_tiles: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    forward = DeepLabV2.forward
    monkeypatch.setattr(DeepLabV2, "forward", lambda self, x: forward(self, x) * (1 if self.training else math.nan))
    flags = {"val_list": training_tiles.folder / "val.txt", "eval_every": 1}
    run(options(training_tiles, tmp_path / "run", "--supervised-only", **flags))
    assert "not validated: the network's output is NaN or infinite" in capsys.readouterr().err
    assert validation_of(tmp_path / "run") == ["", ""]
    assert not (tmp_path / "run" / "best.pth").exists()


def test_no_image_above_the_threshold_means_no_self_training(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "run", threshold_st="1"))
    assert_learns(tmp_path / "run")
    assert numbers_of(tmp_path / "run", "believed") == numbers_of(tmp_path / "run", "loss_st") == [0, 0]


def test_fewer_labelled_tiles_than_a_batch_are_drawn_more_often(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "run", "--random-mirror", labeled_ratio="0.1", batch_size=12))
    assert len((tmp_path / "run" / "labelled_names.txt").read_text().split()) == 1
    assert_learns(tmp_path / "run")


@pytest.mark.parametrize("size", ["65,77", "16,24", "17,40", "32,96"])  # tiles are 32×32
def test_input_sizes_odd_smaller_and_larger_than_a_tile(training_tiles: TinySet, tmp_path: Path, size: str):
    viz = tmp_path / "viz"
    flags = ("--random-scale", "--save-viz", "--save-after-iter", 0)
    changes = {"val_list": training_tiles.folder / "val.txt", "eval_every": 1, "threshold_st": "0"}
    run(options(training_tiles, tmp_path / "run", *flags, input_size=size, generator_viz_dir=viz, **changes))
    assert_learns(tmp_path / "run")
    assert all(0 <= score <= 1 for score in numbers_of(tmp_path / "run", "val_mean_iou"))
    shapes = {np.load(path, allow_pickle=False).shape for path in viz.glob("*.npy")}
    assert shapes == {tuple(int(pixels) for pixels in size.split(","))}


def test_ratio_1_is_supervised_only_and_says_so(training_tiles: TinySet, tmp_path: Path, capsys):
    run(options(training_tiles, tmp_path / "ratio", labeled_ratio="1"))
    assert (
        "every tile is labelled: training on labelled tiles alone, as with --supervised-only" in capsys.readouterr().out
    )
    run(options(training_tiles, tmp_path / "flag", "--supervised-only", labeled_ratio=None))
    ratio, flag = (torch.load(tmp_path / out / "checkpoint2.pth", weights_only=True) for out in ("ratio", "flag"))
    assert all(torch.equal(flag[name], tensor) for name, tensor in ratio.items())
    assert rows_of(tmp_path / "ratio") == rows_of(tmp_path / "flag")
    assert not list(tmp_path.rglob("*_D.pth"))


@dataclass(frozen=True)
class OwnSettings(MethodSettings):
    """Of a method without unlabelled tiles that has more to be told than the supervised one."""

    name: ClassVar[str] = "own"
    weight: float = 1.0


def test_only_methods_that_take_unlabelled_tiles_become_supervised_without_them(
    training_tiles: TinySet, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setitem(METHODS, "own", Entry("supervised", "Supervised", OwnSettings))
    data = DataSettings("custom", training_tiles.folder, training_tiles.list_path)
    settings = partial(TrainingSettings, data, keeping=KeepingSettings(tmp_path, save_viz=True))
    tiles = train_s4gan.open_training_tiles(TrainingSettings(data, OwnSettings(2)), RunFolder(tmp_path))
    own = TrainingSettings(data, OwnSettings(2, weight=2))
    assert train_s4gan.with_fitting_method(own, tiles) is own
    assert not capsys.readouterr().out
    with pytest.raises(SettingsError, match="the method supervised makes none"):
        train_s4gan.with_fitting_method(settings(S4GANSettings(2, threshold_st=0.5)), tiles)
    assert "every tile is labelled" in capsys.readouterr().out


def test_supervised_training_asks_for_no_threshold(training_tiles: TinySet, tmp_path: Path, capsys):
    argv = partial(options, training_tiles, tmp_path / "run", threshold_st=None)
    assert train_s4gan.parse_args(argv("--supervised-only")).method == SupervisedSettings(2)
    line = error_line(capsys, 2, train_s4gan.main, argv())
    assert "s4gan needs --threshold-st, a number of 0 to 1" in line


def test_parts_of_a_batch_teach_what_the_whole_does(training_tiles: TinySet, tmp_path: Path):
    for parts in (1, 2):
        flags = ("--supervised-only", "--freeze-bn", "--random-scale", "--random-mirror")
        run(options(training_tiles, tmp_path / str(parts), *flags, accumulate=parts, batch_size=4))
    whole, parts = (torch.load(tmp_path / out / "checkpoint2.pth", weights_only=True) for out in ("1", "2"))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-7, msg=name)
    assert numbers_of(tmp_path / "2", "loss_ce") == pytest.approx(numbers_of(tmp_path / "1", "loss_ce"), rel=1e-5)


# --- what goes wrong, and what a run says of itself -------------------------------------------------------------------


def test_losses_that_are_not_finite_end_the_run(training_tiles: TinySet, tmp_path: Path, capsys):
    """The first step's rate breaks the second one, which is found at the fourth, before anything is written."""
    changes = {"learning_rate": "1e30", "num_steps": 8, "log_every": 4, "save_pred_every": 4, "eval_every": 4}
    argv = options(training_tiles, tmp_path / "run", val_list=training_tiles.folder / "val.txt", **changes)
    line = error_line(capsys, 1, train_s4gan.main, argv)
    labelled = (tmp_path / "run" / "labelled_names.txt").read_text().split()
    draws = {
        "labelled": EndlessBatches(labelled, 2, 5000, "labelled"),
        "unlabelled": EndlessBatches(
            [n for n in training_tiles.names[:10] if n not in labelled], 2, 5000, "unlabelled"
        ),
    }
    names = {stream: ", ".join(draw.tile for draw in batches.batch(1)) for stream, batches in draws.items()}
    assert f"the losses of step 2 were not finite (tiles: labelled {names['labelled']}; " in line
    assert f"unlabelled {names['unlabelled']}); lower --learning-rate" in line
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == ["last.pth"]
    assert saved_step(tmp_path / "run") == 0


def test_the_last_good_checkpoint_is_named(training_tiles: TinySet, tmp_path: Path, capsys):
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run", learning_rate="1e30"))
    assert "the losses of step 2 were not finite" in line
    assert f"the last good checkpoint is {tmp_path / 'run' / 'checkpoint1.pth'}; lower" in line
    assert [path.name for path in (tmp_path / "run").glob("checkpoint*[0-9].pth")] == ["checkpoint1.pth"]


def saved_step(folder: Path) -> int:
    return int(torch.load(folder / "last.pth", weights_only=True)["step"])


def test_a_broken_run_that_is_asked_to_end_keeps_the_state_it_began_with(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys
):
    ask = before(TrainingRun.after_step, at_call(3, signal.SIGTERM))
    monkeypatch.setattr(TrainingRun, "after_step", ask)
    changes = {"learning_rate": "1e30", "num_steps": 8, "log_every": 8, "save_pred_every": 8}
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run", **changes))
    assert "the losses of step 2 were not finite" in line
    assert saved_step(tmp_path / "run") == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_which_options_to_change(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys, error
):
    def step(*_: object) -> None:
        raise error

    monkeypatch.setattr(S4GAN, "train_step", step)
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run"))
    assert line.endswith("ran out of memory; lower --batch-size or --input-size, or raise --accumulate")


def test_an_error_of_the_code_is_not_taken_for_one_of_memory(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys
):
    def step(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(S4GAN, "train_step", step)
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run"))
    assert "a fault of this program, not of its input (RuntimeError: mat1 and mat2" in line


def test_a_run_says_what_it_asks_of_the_disk(training_tiles: TinySet, tmp_path: Path, capsys):
    run(options(training_tiles, tmp_path / "run", num_steps=3))
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("checkpoints of ")]
    size = sum((tmp_path / "run" / f"checkpoint3{network}.pth").stat().st_size for network in ("", "_D")) / 1e6
    found = re.fullmatch(
        r"checkpoints of ([\d.]+) MB every [\d.]+ s: ([\d.]+) [kMG]B/s; training waited [\d.]+ s for the disk", line
    )
    assert found is not None, line
    assert float(found[1]) == pytest.approx(size, rel=0.05)
    assert float(found[2]) > 0
    record = json.loads((tmp_path / "run" / "options.json").read_text())
    assert (record["version"], record["method"], record["machine"]["tf32"]) == (2, "s4gan", False)


def test_images_a_second_are_those_that_are_done(training_tiles: TinySet, tmp_path: Path, monkeypatch):
    """A clock that ticks once between two readings of the device, of which there are two for each line of the log."""
    monkeypatch.setattr(training, "Pace", lambda: Pace(itertools.count().__next__))
    run(options(training_tiles, tmp_path / "run", num_steps=6, log_every=3, save_pred_every=2))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [row["images_per_s"] for row in csv.DictReader(file)] == ["6", "6"]  # 3 steps of 2 + 2 images in 2 ticks


# --- a second round ---------------------------------------------------------------------------------------------------


def test_a_second_round_learns_from_all_masks_and_goes_on_from_the_first(own_tiles: TinySet, tmp_path: Path):
    run(options(own_tiles, tmp_path / "first", num_steps=1))
    masks = own_tiles.folder / "masks"
    for name in own_tiles.names[5:]:
        (masks / f"{name}.png").unlink()
    changes = {"labeled_ratio": None, "labelled": "all-masks", "restore_from": tmp_path / "first"}
    argv, out = options(own_tiles, tmp_path / "second", **changes), tmp_path / "second"
    run(argv)
    assert (out / "labelled_names.txt").read_text().split() == own_tiles.names[:5]
    assert json.loads((out / "options.json").read_text())["options"]["labelled"] == "all-masks"
    shutil.copy(masks / "tile0.png", masks / "tile5.png")  # one more was drawn while it ran
    run([*argv, "--resume"])
    assert (out / "labelled_names.txt").read_text().split() == own_tiles.names[:5]
