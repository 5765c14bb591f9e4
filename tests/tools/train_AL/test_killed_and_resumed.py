"""Interruptions of the active learner: killed or asked to end, and resumed, it ends with the same selection."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from data.batches.classification_batches import ClassificationBatches
from model.learning import run as learning_run
from model.learning.active_learner import ActiveLearner
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import AUGMENTED, error_of, folder_of, names_of, options, record_of, run
from tests.tools.train_AL.interruptions import before, forked, killed_at
from tools import train_AL
from utils.runs import files, interrupt
from utils.selection import folder as selection_folder
from utils.selection import results


def test_killed_again_and_again_it_ends_with_the_same_selection(tiles: TinySet, tmp_path: Path, uninterrupted: Path):
    """Every process dies after five more batches, wherever that is."""
    argv = options(tiles, tmp_path, *AUGMENTED, "--resume", val_list=tiles.folder / "val.txt")

    def work() -> int:
        learning_run.SAVE_EVERY = 0
        ActiveLearner.after_batch = before(ActiveLearner.after_batch, killed_at(6))
        return train_AL.main(argv)

    kills = 0
    while (code := forked(work)) != 0:
        assert code == -signal.SIGKILL
        kills += 1
        assert kills < 20
    assert kills >= 3
    assert names_of(tmp_path) == names_of(uninterrupted)
    rounds, expected = record_of(tmp_path)["rounds"], record_of(uninterrupted)["rounds"]
    assert [r["probabilities"] for r in rounds] == [r["probabilities"] for r in expected]
    assert len((folder_of(tmp_path) / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        (learning_run, "save_tensors", 1),  # beginning, its first state
        (learning_run, "save_tensors", 2),  # results of the first round written, its state not
        (selection_folder, "write_names", 1),  # beginning
        (results, "write_names", 1),  # the arrays of the first round written, the rest not
        (files.os, "fsync", 9),  # in the middle of a file
    ],
)
def test_killed_between_files_it_ends_with_the_same_selection(
    tiles: TinySet, tmp_path: Path, uninterrupted: Path, module: Any, function: str, call: int
):
    argv = options(tiles, tmp_path, *AUGMENTED, val_list=tiles.folder / "val.txt")

    def work() -> int:
        setattr(module, function, before(getattr(module, function), killed_at(call)))
        return train_AL.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert names_of(tmp_path) == names_of(uninterrupted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("moment", [2, 7])  # in the first fit; while scoring
def test_asked_to_end_it_saves_and_goes_on(
    tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys, number, code, moment
):
    argv = options(tiles, tmp_path, *AUGMENTED, val_list=tiles.folder / "val.txt")
    calls = iter(range(1, 10**6))

    def ask() -> None:
        if next(calls) == moment:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
        run(argv, code)
    assert "state saved in round 1/2; the same command with --resume goes on" in capsys.readouterr().out
    assert next(calls) == moment + 1  # it ended after that very batch
    run([*argv, "--resume"])
    assert names_of(tmp_path) == names_of(uninterrupted)


def test_a_later_ctrl_c_ends_at_once_and_says_what_is_lost(tiles: TinySet, tmp_path: Path, monkeypatch, capsys):
    argv = options(tiles, tmp_path)
    calls = iter(range(1, 10**6))

    def ask() -> None:
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    after_batch = ActiveLearner.after_batch
    monkeypatch.setattr(interrupt, "SAME_KEYPRESS", 0.0)
    monkeypatch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
    line = error_of(capsys, argv, 130)
    assert line.startswith("error: interrupted again, ended at once: the work of ")
    assert "is lost; the same command with --resume goes on in round 1/2" in line
    monkeypatch.setattr(ActiveLearner, "after_batch", after_batch)
    run([*argv, "--resume"])
    assert len(names_of(tmp_path)) == 4


@pytest.mark.parametrize("strategy", ["bald", "badge"])
def test_scores_of_a_strategy_are_taken_up_where_they_were(tiles: TinySet, tmp_path: Path, monkeypatch, strategy):
    changes = {"query_strategy": strategy, "dropout_passes": 3, "retrain": "scratch", "num_epochs": 1}
    run(options(tiles, tmp_path / "whole", **changes))
    read, argv = [], options(tiles, tmp_path / "parts", **changes)
    asked = iter(range(1, 10**6))

    def ask() -> None:
        if next(asked) == 4:  # one batch was fitted, the round's validation is over, two of four batches scored
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
        run(argv, 143)
    score = ClassificationBatches.scoring

    def watch(self: ClassificationBatches, indices: Any, first_batch: int = 0) -> Any:
        read.append(first_batch)
        return score(self, indices, first_batch)

    monkeypatch.setattr(ClassificationBatches, "scoring", watch)
    run([*argv, "--resume"])
    assert read[0] == 2
    assert names_of(tmp_path / "parts", strategy) == names_of(tmp_path / "whole", strategy)


def test_a_damaged_state_is_named(tiles: TinySet, tmp_path: Path, capsys):
    run(options(tiles, tmp_path, num_epochs=1))
    state = folder_of(tmp_path) / "state.pth"
    files.save_tensors(state, {"selection": {}})
    line = error_of(capsys, options(tiles, tmp_path, "--resume", num_epochs=1), 1)
    assert "state.pth does not fit this run" in line
    state.write_bytes(b"no state")
    assert "cannot be read" in error_of(capsys, options(tiles, tmp_path, "--resume", num_epochs=1), 1)
