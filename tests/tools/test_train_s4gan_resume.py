"""s4GAN's trainer interrupted: killed, asked to end, out of disk; resumed, it does what it would have done."""

import errno
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model import checkpoints, training
from model.training import TrainingRun
from tests.conftest import TinySet, error_line
from tests.tools.test_train_AL import before, forked, killed_at
from tests.tools.test_train_s4gan import at_call, options, rows_of, run
from tools import train_s4gan
from utils.runs import files, interrupt

STEPS = 7


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of a tiny run's time."""
    monkeypatch.setattr(training, "plot_curves", lambda *_, **__: None)
    monkeypatch.setattr(TrainingRun, "_save_panels", lambda *_: None)


def argv_of(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Seven steps: checkpoints at 2, 4, 6 and 7, states at 3, 6 and 7, validation at 2, 4, 6 and 7."""
    every = {"num_steps": STEPS, "save_pred_every": 2, "save_state_every": 3, "eval_every": 2}
    augmented = ("--random-scale", "--random-mirror", *flags)
    return options(tiles, out, *augmented, **(every | {"val_list": tiles.folder / "val.txt"} | changes))


@pytest.fixture(scope="module")
def uninterrupted(training_tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that interrupted ones have to repeat."""
    out = tmp_path_factory.mktemp("uninterrupted")
    run(argv_of(training_tiles, out))
    return out


def assert_same_run(out: Path, expected: Path) -> None:
    """All weights, optimisers, random states, scores and logged numbers are bit-identical."""
    files = sorted(path.name for path in expected.glob("*.pth"))
    assert sorted(path.name for path in out.glob("*.pth")) == files
    assert not list(out.glob(".*"))
    for name in files:
        saved, whole = (torch.load(folder / name, weights_only=True) for folder in (out, expected))
        assert_equal(saved, whole, name)
    assert rows_of(out) == rows_of(expected)
    assert (out / "labelled_names.txt").read_text() == (expected / "labelled_names.txt").read_text()


def assert_equal(value: Any, expected: Any, name: str) -> None:
    assert type(value) is type(expected), name
    if isinstance(value, torch.Tensor):
        assert torch.equal(value, expected), name
    elif isinstance(value, dict):
        assert value.keys() == expected.keys(), name
        for key in value:
            assert_equal(value[key], expected[key], f"{name}: {key}")
    elif isinstance(value, list):
        assert len(value) == len(expected), name
        for number, (part, whole) in enumerate(zip(value, expected, strict=True)):
            assert_equal(part, whole, f"{name}: {number}")
    else:
        assert value == expected, name


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


def half_written(moment: int, then: Callable[[], None]) -> Callable[..., None]:
    """A `torch.save` that at its call of this number writes half a file to the disk, and then something happens."""
    save, calls = torch.save, iter(range(1, 10**6))

    def write(state: Any, file: Any) -> None:
        if next(calls) != moment:
            return save(state, file)
        save(state, buffer := io.BytesIO())
        file.write(buffer.getvalue()[: buffer.tell() // 2])
        file.flush()
        return then()

    return write


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


# --- asked to end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "reason", "workers"),
    [(signal.SIGTERM, 143, "terminated", 0), (signal.SIGINT, 130, "interrupted", 2)],
)
def test_asked_to_end_it_saves_and_goes_on(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys, number, code, reason, workers
):
    argv = argv_of(training_tiles, tmp_path / "run", num_workers=workers)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "after_step", before(TrainingRun.after_step, at_call(5, number)))
        run(argv, code)
    assert f"{reason}: state saved after step 5; the same command with --resume goes on" in capsys.readouterr().out
    assert torch.load(tmp_path / "run" / "last.pth", weights_only=True)["step"] == 5
    run([*argv, "--resume"])
    assert "resuming after step 5" in capsys.readouterr().out
    assert_same_run(tmp_path / "run", uninterrupted)


def test_asked_to_end_with_all_its_workers_and_twice_it_saves_and_goes_on(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path
):
    """As a queue and torchrun do it: SIGTERM goes to the whole group of processes, and comes again."""
    argv = argv_of(training_tiles, tmp_path / "run", num_workers=2)

    def ask() -> None:
        for _ in range(2):  # from another process: torch's workers obey their own at once
            subprocess.run(["kill", "-TERM", "--", f"-{os.getpgid(0)}"], check=False)
            time.sleep(0.1)

    def work() -> int:
        os.setsid()
        calls = iter(range(1, 10**6))
        TrainingRun.after_step = before(TrainingRun.after_step, lambda: ask() if next(calls) == 4 else None)
        return train_s4gan.main(argv)

    assert forked(work) == 143
    assert torch.load(tmp_path / "run" / "last.pth", weights_only=True)["step"] == 4
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


def twice() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_pressed_twice_saves_and_goes_on(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys
):
    argv = argv_of(training_tiles, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "after_step", before(TrainingRun.after_step, twice))
        run(argv, 130)
    assert "interrupted: state saved after step 1;" in capsys.readouterr().out
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(
    ("call", "lost"),
    [
        (1, "the state after step 0 is saved; the same command with --resume goes on"),
        (6, "steps 4 to 5 are lost; the same command with --resume goes on after step 3 ({folder}/last.pth)"),
    ],
)
def test_a_later_ctrl_c_ends_at_once_and_says_what_is_lost(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys, call, lost
):
    argv = argv_of(training_tiles, tmp_path / "run")
    calls = iter(range(1, 10**6))
    with monkeypatch.context() as patch:
        patch.setattr(interrupt, "SAME_KEYPRESS", 0.0)
        impatient = before(TrainingRun.after_step, lambda: twice() if next(calls) == call else None)
        patch.setattr(TrainingRun, "after_step", impatient)
        line = error_line(capsys, 130, train_s4gan.main, argv)
    assert line == f"error: interrupted again, ended at once: {lost.format(folder=tmp_path / 'run')}"
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


def test_asked_to_end_while_it_writes_its_end_it_is_done(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch
):
    monkeypatch.setattr(TrainingRun, "save_state", before(TrainingRun.save_state, at_call(4, signal.SIGTERM)))
    run(argv_of(training_tiles, tmp_path / "run"))
    assert_same_run(tmp_path / "run", uninterrupted)


def test_after_its_hours_it_saves_and_goes_on(training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, capsys):
    argv = argv_of(training_tiles, tmp_path / "run")
    run([*argv, "--max-hours", "1e-9"])  # one step
    assert "the time limit of --max-hours was reached: state saved after step 1" in capsys.readouterr().out
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_finished_run_whose_checkpoints_somebody_removed_resumes_to_its_end(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, capsys
):
    shutil.copytree(uninterrupted, tmp_path / "run")
    for path in (tmp_path / "run").glob("checkpoint*.pth"):
        path.unlink()
    (tmp_path / "run" / "best.pth").unlink(missing_ok=True)
    run([*argv_of(training_tiles, tmp_path / "run"), "--resume"])
    assert "next:" not in capsys.readouterr().out


def test_a_finished_run_resumed_changes_nothing(training_tiles: TinySet, uninterrupted: Path):
    before_it = (uninterrupted / "checkpoint7.pth").stat().st_mtime_ns
    run([*argv_of(training_tiles, uninterrupted), "--resume"])
    assert (uninterrupted / "checkpoint7.pth").stat().st_mtime_ns == before_it
    assert [row["step"] for row in rows_of(uninterrupted)] == list("1234567")


# --- another machine, a full disk -------------------------------------------------------------------------------------


def test_another_number_of_threads_is_said_aloud(training_tiles: TinySet, tmp_path: Path, capsys):
    argv = options(training_tiles, tmp_path / "run")
    run(argv)
    state = torch.load(tmp_path / "run" / "last.pth", weights_only=True)
    assert state["threads"] == torch.get_num_threads()
    torch.save(state | {"threads": 64}, tmp_path / "run" / "last.pth")
    capsys.readouterr()
    run([*argv, "--resume"])
    assert "warning: the run used 64 threads and now has 1: its numbers will differ" in capsys.readouterr().err


@pytest.mark.parametrize(("file", "name"), [(4, "checkpoint2.pth"), (5, "last.pth"), (7, "checkpoint4_D.pth")])
def test_on_a_full_disk_the_last_good_files_remain_and_the_run_goes_on_from_them(
    training_tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys, file, name
):
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    argv = argv_of(training_tiles, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half_written(file, full))
        line = error_line(capsys, 1, train_s4gan.main, argv)
    assert f"{name} could not be written: the disk is full" in line
    assert not list((tmp_path / "run").glob(".*"))
    for path in (tmp_path / "run").glob("*.pth"):
        assert torch.load(path, weights_only=True)
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)
