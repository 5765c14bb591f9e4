"""s4GAN's trainer killed, at a step, between files and within one: resumed, it ends as if nothing had been."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model import checkpoints, training
from model.training import TrainingRun
from tests.conftest import TinySet
from tests.tools.train_AL.interruptions import before, forked, killed_at
from tests.tools.train_s4gan.conftest import STEPS, argv_of, assert_same_run, half_written, rows_of, run
from tools import train_s4gan
from utils.runs import files


def test_a_run_leaves_what_its_options_say(uninterrupted: Path):
    steps = (2, 4, 6, 7)
    checkpoints = {f"checkpoint{step}{network}.pth" for step in steps for network in ("", "_D")}
    assert {path.name for path in uninterrupted.glob("*.pth")} == checkpoints | {"last.pth", "best.pth"}
    rows = rows_of(uninterrupted)
    assert [int(row["step"]) for row in rows] == [*range(1, STEPS + 1)]
    assert [int(row["step"]) for row in rows if row["val_mean_iou"]] == [*steps]
    assert float(rows[-1]["loss_S"]) > 0


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_again_and_again_it_ends_as_if_nothing_had_been(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, workers: int
):
    """Every process dies at the end of its fourth step; the state after the third one is there, or just not yet."""
    argv = argv_of(training_tiles, tmp_path / "run", num_workers=workers)

    def work(*flags: str) -> Callable[[], int]:
        def train() -> int:
            TrainingRun.after_step = before(TrainingRun.after_step, killed_at(4))
            return train_s4gan.main([*argv, *flags])

        return train

    assert forked(work()) == -signal.SIGKILL
    kills = 1
    while (code := forked(work("--resume"))) != 0:
        assert code == -signal.SIGKILL
        kills += 1
        assert kills < 10
    assert kills >= 2
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        (files.os, "fsync", 6),  # the discriminator of step 2 written, not renamed
        (files.os, "fsync", 12),  # in the files of later steps
        (checkpoints, "save_tensors", 4),  # between the discriminator and the generator of a step
        (training.MetricsLog, "write", 5),  # before a line of the log
    ],
)
def test_killed_between_files_it_ends_as_if_nothing_had_been(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, module: Any, function: str, call: int
):
    argv = argv_of(training_tiles, tmp_path / "run")

    def work() -> int:
        setattr(module, function, before(getattr(module, function), killed_at(call)))
        return train_s4gan.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize("file", [1, 2, 3, 5, 7])  # the first state, best of step 2, its discriminator, a state, …
def test_killed_in_the_middle_of_a_file_it_ends_as_if_nothing_had_been(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, file: int
):
    argv = argv_of(training_tiles, tmp_path / "run")

    def work() -> int:
        torch.save = half_written(file, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return train_s4gan.main(argv)

    assert forked(work) == -signal.SIGKILL
    assert len(list((tmp_path / "run").glob(".*.part"))) == 1
    for path in (tmp_path / "run").glob("*.pth"):
        assert torch.load(path, weights_only=True)
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


def test_killed_before_its_first_step_was_saved_it_starts_from_the_same_weights(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, capsys
):
    weights = {"restore_from": uninterrupted / "checkpoint4.pth", "restore_from_D": uninterrupted / "checkpoint4_D.pth"}
    run(argv_of(training_tiles, tmp_path / "whole", **weights))
    argv = argv_of(training_tiles, tmp_path / "parts", **weights)

    def work() -> int:
        TrainingRun.after_step = before(TrainingRun.after_step, killed_at(2))
        return train_s4gan.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert "resuming after step 0" in capsys.readouterr().out
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize("call", [1, 2, 3, 4])  # the names, the options, the log, the first state
def test_killed_while_it_begins_it_begins_again(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, call: int
):
    argv = argv_of(training_tiles, tmp_path / "run", "--no-cache")

    def work() -> int:
        files.os.fsync = before(os.fsync, killed_at(call))
        return train_s4gan.main(argv)

    assert forked(work) == -signal.SIGKILL
    is_run = (tmp_path / "run" / "options.json").exists()
    assert is_run == (call >= 3)
    run([*argv, "--resume"] if is_run else argv)
    assert_same_run(tmp_path / "run", uninterrupted)
