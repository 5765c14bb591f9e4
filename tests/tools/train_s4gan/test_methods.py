"""The trainer by other methods than s4GAN: their options, what a run leaves, stops, processes, and what reads it."""

import csv
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.methods.settings import FixMatchSettings, MethodSettings, SupervisedSettings, UniMatchSettings
from model.trained import Trained
from model.training import TrainingRun
from tests.conftest import TinySet, error_line
from tests.tools.train_AL.interruptions import before, forked
from tests.tools.train_s4gan.conftest import assert_same_run, at_call, options, rows_of, run
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate, train_s4gan

AUGMENTED = ("--random-scale", "--random-mirror")


def argv_of(tiles: TinySet, out: Path, method: str, *flags: object, **changes: object) -> list[str]:
    """Four steps; the pseudo-threshold is little more than what any of three classes has in the beginning."""
    own = {"threshold_st": None, "st_start": None, "method": method, "pseudo_threshold": "0.36", "num_steps": 4}
    every = {"save_pred_every": 2, "save_state_every": 2, "eval_every": 2}
    return options(tiles, out, *AUGMENTED, *flags, **(own | every | {"val_list": tiles.folder / "val.txt"} | changes))


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--method", "FixMatch"], FixMatchSettings(2)),
        (["--method", "fixmatch", "--pseudo-threshold", "0.8", "--ema", "0.9"],
         FixMatchSettings(2, pseudo_threshold=0.8, ema=0.9)),
        (["--method", "unimatch"], UniMatchSettings(2)),
        (["--method", "unimatch", "--ema", "0.99"], UniMatchSettings(2, ema=0.99)),
        (["--method", "supervised"], SupervisedSettings(2)),
        (["--supervised-only", "--method", "supervised", "--ema", "0.5"], SupervisedSettings(2, ema=0.5)),
        (["--supervised-only", "--threshold-st", "0.6", "--lambda-fm", "1"], SupervisedSettings(2)),  # the baseline
    ],
)  # fmt: skip
def test_options_name_a_method_and_what_it_is_told(
    tmp_path: Path, custom_set: TinySet, given, expected: MethodSettings
):
    argv = options(custom_set, tmp_path, *given, threshold_st=None, st_start=None)
    assert train_s4gan.parse_args(argv).method == expected


def test_the_published_command_is_s4gan(tmp_path: Path, custom_set: TinySet):
    method = train_s4gan.parse_args(options(custom_set, tmp_path)).method
    assert (method.name, method.ema) == ("s4gan", None)


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        ({"method": "fixmach"}, (), "unknown training method 'fixmach'; did you mean fixmatch"),
        ({"method": "fixmatch"}, ("--supervised-only",), "--supervised-only means --method supervised, and"),
        ({"method": "fixmatch", "st_start": None}, (), "--threshold-st is an option of s4gan, and the method is"),
        ({"method": "unimatch", "threshold_st": None, "st_start": 3}, (), "--st-start is an option of s4gan"),
        ({"pseudo_threshold": "0.9"}, (), "--pseudo-threshold is an option of fixmatch, and the method is s4gan"),
        ({"pseudo_threshold": "0.9"}, ("--supervised-only",), "--pseudo-threshold is an option of fixmatch"),
        ({"method": "s4gan", "threshold_st": None}, (), "s4gan needs --threshold-st"),
        ({"ema": "1.01"}, (), "argument --ema: expected a number of at least 0 and at most 1"),
        ({"method": "fixmatch", "pseudo_threshold": "95"}, (), "argument --pseudo-threshold: expected a number"),
        ({"method": "fixmatch", "threshold_st": None, "st_start": None, "restore_from_D": "d.pth"}, (),
         "--restore-from-D: the method fixmatch has no discriminator"),
    ],
)  # fmt: skip
def test_what_another_method_is_told_is_refused_by_name(tmp_path, custom_set, capsys, changes, flags, words: str):
    assert words in error_line(capsys, 2, train_s4gan.main, options(custom_set, tmp_path / "run", *flags, **changes))
    assert not (tmp_path / "run").exists()


# --- stopping and going on --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(training_tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of FixMatch that nothing has interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(argv_of(training_tiles, out, "fixmatch"))
    return out


def test_killed_and_resumed_it_ends_as_if_nothing_had_been(
    training_tiles: TinySet, tmp_path: Path, whole: Path, capsys
):
    """Killed at the end of the third step, with the state after the second; two loader processes in place of none."""
    argv = argv_of(training_tiles, tmp_path / "run", "fixmatch", num_workers=2)

    after_step = TrainingRun.after_step

    def killed_after_the_second(run: TrainingRun, step: int, *others: Any) -> Any:
        if step == 3:
            run.checkpoints.wait()  # the state after the second step is written in the background
            os.kill(os.getpid(), signal.SIGKILL)
        return after_step(run, step, *others)

    def work() -> int:
        TrainingRun.after_step = killed_after_the_second
        return train_s4gan.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert "resuming after step 2" in capsys.readouterr().out
    assert_same_run(tmp_path / "run", whole)
    assert all(float(row["kept"]) > 0 for row in rows_of(whole))
    assert (whole / "checkpoint4_student.pth").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "unimatch"}, "cannot be resumed with another method: it was fixmatch and is unimatch"),
        ({"pseudo_threshold": "0.5"}, "--pseudo-threshold was 0.36 and is 0.5"),
        ({"ema": "0.9"}, "--ema was 0.996 and is 0.9"),
    ],
)
def test_a_run_is_resumed_as_what_it_was(
    training_tiles: TinySet, tmp_path: Path, whole: Path, capsys, changes, words: str
):
    shutil.copytree(whole, tmp_path / "run")
    argv = argv_of(training_tiles, tmp_path / "run", **({"method": "fixmatch"} | changes))
    assert words in error_line(capsys, 2, train_s4gan.main, [*argv, "--resume"])


# --- several processes ------------------------------------------------------------------------------------------------


def test_two_processes_learn_what_one_does_and_write_its_pseudo_labels(training_tiles: TinySet, tmp_path: Path):
    flags = ("--freeze-bn", "--save-viz", "--save-after-iter", 0)

    def argv(out: str) -> list[str]:
        changes = {"num_steps": 2, "val_list": None, "generator_viz_dir": tmp_path / f"{out}-viz"}
        return argv_of(training_tiles, tmp_path / out, "fixmatch", *flags, **changes)

    run(argv("one"))
    assert in_processes(2, lambda: train_s4gan.main(argv("two"))) == [0, 0]
    for name in ("checkpoint2.pth", "checkpoint2_student.pth"):
        one, two = (torch.load(tmp_path / out / name, weights_only=True) for out in ("one", "two"))
        for key, tensor in one.items():
            torch.testing.assert_close(two[key], tensor, rtol=1e-4, atol=1e-6, msg=key)
    for row, expected in zip(rows_of(tmp_path / "two"), rows_of(tmp_path / "one"), strict=True):
        found = {name: float(value) for name, value in row.items() if value}
        assert found == pytest.approx(
            {name: float(value) for name, value in expected.items() if value}, rel=1e-3, abs=1e-5
        )
    maps = sorted(path.name for path in (tmp_path / "one-viz").glob("*.png"))
    assert maps == sorted(path.name for path in (tmp_path / "two-viz").glob("*.png")) != []
    ids = np.load((tmp_path / "one-viz" / maps[0]).with_suffix(".npy"), allow_pickle=False)
    assert {*np.unique(ids)} <= {0, 1, 2, 255}
    assert Image.open(tmp_path / "one-viz" / maps[0]).size == ids.shape[::-1]


def test_two_processes_resumed_repeat_the_run_exactly(training_tiles: TinySet, tmp_path: Path):
    """What BatchNorm has collected in each of them goes into their labels, and is one and the same in both."""

    def work(out: str, stop_at: int, *flags: object) -> Callable[[], int]:
        def train() -> int:
            TrainingRun.after_step = before(TrainingRun.after_step, at_call(stop_at, signal.SIGINT))
            argv = argv_of(training_tiles, tmp_path / out, "fixmatch", *flags, num_steps=3, val_list=None, ema="0.5")
            return train_s4gan.main(argv)

        return train

    assert in_processes(2, work("whole", 99)) == [0, 0]
    assert in_processes(2, work("parts", 2)) == [130, 130]
    assert in_processes(2, work("parts", 99, "--resume")) == [0, 0]
    for name in ("checkpoint3.pth", "checkpoint3_student.pth"):
        networks = [torch.load(tmp_path / out / name, weights_only=True) for out in ("whole", "parts")]
        assert all(torch.equal(networks[1][key], tensor) for key, tensor in networks[0].items())
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


# --- what reads a run -------------------------------------------------------------------------------------------------


def test_the_teacher_is_validated_evaluated_and_predicted_with(training_tiles: TinySet, tmp_path: Path, whole: Path):
    out = whole
    evaluation: dict[str, Any] = {
        "dataset": "custom", "data-dir": training_tiles.folder, "data-list": training_tiles.folder / "val.txt",
        "checkpoint-dir": out, "save-dir": tmp_path / "scores", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    argv = [str(part) for name, value in evaluation.items() for part in (f"--{name}", value)]
    assert auto_evaluate.main([*argv, "--all", "--no-calibration", "--resamples", "100"]) == 0
    with (tmp_path / "scores" / "scores.csv").open() as file:
        scores = {row["step"]: float(row["mean_iou"]) for row in csv.DictReader(file)}
    validated = {row["step"]: float(row["val_mean_iou"]) for row in rows_of(out) if row["val_mean_iou"]}
    assert scores == pytest.approx(validated, abs=1e-6)
    assert {*scores} == {"2", "4"}
    trained = Trained.open(out / "checkpoint4.pth", device="cpu", precision="fp32")
    best = Trained.open(out, device="cpu", precision="fp32")
    assert trained.record.method == "fixmatch"
    assert best.checkpoint == out / "best.pth"
    teacher, student = (torch.load(out / f"checkpoint4{end}.pth", weights_only=True) for end in ("", "_student"))
    name = "backbone.conv1.weight"
    assert torch.equal(trained.network.state_dict()[name], teacher[name])
    assert not torch.equal(teacher[name], student[name])


def test_without_unlabelled_tiles_it_is_supervised_with_its_teacher(training_tiles: TinySet, tmp_path: Path, capsys):
    changes = {"labeled_ratio": "1", "num_steps": 1, "val_list": None}
    run(argv_of(training_tiles, tmp_path / "all", "fixmatch", **changes))
    said = capsys.readouterr().out
    assert "every tile is labelled: training on labelled tiles alone, as with --supervised-only" in said
    assert "labelled tiles alone, evaluated as a teacher of decay 0.996" in said
    assert (tmp_path / "all" / "checkpoint1_student.pth").is_file()
