"""s4GAN's trainer asked to end, or out of disk: resumed, it does what it would have done."""

import errno
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from model.training import TrainingRun
from tests.conftest import TinySet, error_line
from tests.tools.train_AL.interruptions import before, forked
from tests.tools.train_s4gan.conftest import argv_of, assert_same_run, at_call, half_written, options, rows_of, run
from tools import train_s4gan
from utils.runs import interrupt

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
