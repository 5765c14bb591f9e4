"""A job's commands: done once, gone on with, kept apart, ended in time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.studies import run_job
from tools.studies.run_job import (
    DONE,
    FAILED,
    NOT_YET,
    Conditions,
    JobRun,
    chosen_step,
    how_to_go_on,
    keep_checkpoints,
    read_state,
)
from utils.runs.lock import FolderLock, FolderTakenError

# Notes its words, fails where it is told to, and else writes its result; SIGTERM ends it.
FAKE = """
import sys, time
from pathlib import Path
folder, kind, *words = sys.argv[1:]
with (Path(folder) / "ran.txt").open("a") as file:
    print(kind, *words, file=file)
if kind == "fails":
    sys.exit("error: it cannot be done")
if kind == "long":
    time.sleep(60)
(Path(folder) / f"{kind}.done").touch()
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Makes a job of fake commands; the process's signals are its own again afterwards."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "fake.py").write_text(FAKE)
    monkeypatch.setattr(run_job, "ROOT", tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def make(*kinds: str) -> Path:
        folder = tmp_path / "job"
        folder.mkdir(exist_ok=True)
        steps = [
            {
                "title": kind, "script": "fake.py", "words": [str(folder), kind], "folder": str(folder),
                "result": str(folder / f"{kind}.done"),
            }
            for kind in kinds
        ]  # fmt: skip
        (folder / "job.json").write_text(json.dumps({"steps": steps}))
        return folder / "job.json"

    yield make
    for number, handler in before.items():
        signal.signal(number, handler)


def ran(file: Path) -> list[str]:
    """Commands that have come as far as to write their name; on a slow machine, none by an early deadline."""
    path = file.parent / "ran.txt"
    return path.read_text().splitlines() if path.is_file() else []


def test_commands_run_in_order_and_once(job):
    file = job("first", "second")
    assert JobRun(file, Conditions()).run() == DONE
    assert JobRun(file, Conditions()).run() == DONE
    assert ran(file) == ["first", "second"]
    state = read_state(file.parent)
    assert state["second"]["done"]
    assert state["second"]["attempts"] == 1
    assert not (file.parent / ".lock").exists()


def test_a_failure_ends_the_job_and_the_next_attempt_begins_there(job):
    file = job("first", "fails", "third")
    assert JobRun(file, Conditions()).run() == FAILED
    assert JobRun(file, Conditions()).run() == FAILED
    assert ran(file) == ["first", "fails", "fails"]
    assert (file.parent / "log.txt").read_text().splitlines()[-1] == "error: it cannot be done"
    assert read_state(file.parent)["fails"]["attempts"] == 2


def test_at_its_deadline_a_command_is_asked_to_end_and_no_other_begins(job, monkeypatch):
    monkeypatch.setattr(run_job, "_POLL", 0.05)
    file = job("long", "second")
    started = time.time()
    assert JobRun(file, Conditions(deadline=started + 0.3)).run() == NOT_YET
    assert time.time() - started < 20
    assert not read_state(file.parent)["long"]["done"]
    assert JobRun(file, Conditions(deadline=started)).run() == NOT_YET
    assert ran(file) in ([], ["long"])


def test_without_its_study_it_ends(job, monkeypatch):
    monkeypatch.setattr(run_job, "_POLL", 0.05)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert JobRun(job("long"), Conditions(study_process=ended.pid)).run() == NOT_YET


def test_it_waits_for_whoever_writes_there(job, monkeypatch):
    monkeypatch.setattr(run_job, "_POLL", 0.05)
    file = job("first")
    other = FolderLock(file.parent)
    other.acquire("")
    threading.Timer(0.4, other.release).start()
    started = time.time()
    assert JobRun(file, Conditions()).run() == DONE
    assert time.time() - started >= 0.4


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are inherited on Unix")
def test_a_command_whose_job_was_killed_still_keeps_others_out(job, tmp_path):
    file = job("long")
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from pathlib import Path
from tools.studies import run_job
run_job.ROOT = Path({str(tmp_path)!r})
run_job.JobRun(Path({str(file)!r}), run_job.Conditions()).run()
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    while not (file.parent / "ran.txt").exists():
        time.sleep(0.05)
    process.kill()
    process.wait()
    with pytest.raises(FolderTakenError):
        FolderLock(file.parent).acquire("")
    (command,) = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if str(file.parent) in _words_of(folder) and "long" in _words_of(folder)
    ]
    os.kill(command, signal.SIGTERM)
    lock = FolderLock(file.parent)
    for _ in range(200):
        try:
            lock.acquire("")
            break
        except FolderTakenError:
            time.sleep(0.05)
    lock.release()


def _words_of(folder: Path) -> list[str]:
    try:
        return (folder / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def test_how_commands_go_on_with_what_is_there(tmp_path):
    assert how_to_go_on("train", tmp_path) == []
    (tmp_path / "options.json").touch()
    assert how_to_go_on("train", tmp_path) == ["--resume"]
    assert how_to_go_on("select", tmp_path) == how_to_go_on("best", tmp_path) == ["--overwrite"]
    (tmp_path / "checkpoint5.pth").touch()
    assert how_to_go_on("train", tmp_path) == ["--overwrite"]  # killed before its first state
    (tmp_path / "last.pth").touch()
    (tmp_path / "state.pth").touch()
    assert how_to_go_on("train", tmp_path) == how_to_go_on("select", tmp_path) == ["--resume"]


@pytest.mark.parametrize(
    ("keep", "has_best", "chosen", "kept"),
    [
        ("best", True, 20, ["best.pth"]),
        ("best", False, 20, ["checkpoint20.pth", "checkpoint20_D.pth"]),
        ("best", False, None, ["checkpoint100.pth", "checkpoint100_D.pth"]),
        ("last", True, 20, ["checkpoint100.pth", "checkpoint100_D.pth"]),
        ("none", True, 20, []),
    ],
)
def test_checkpoints_that_stay(tmp_path, keep, has_best, chosen, kept):
    names = ["checkpoint20.pth", "checkpoint20_D.pth", "checkpoint100.pth", "checkpoint100_D.pth", "last.pth"]
    for name in [*names, *(["best.pth"] if has_best else [])]:
        (tmp_path / name).touch()
    keep_checkpoints(tmp_path, keep, chosen)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_the_chosen_checkpoint_is_read_from_the_evaluation(tmp_path):
    assert chosen_step(tmp_path) is None
    (tmp_path / "summary.json").write_text('{"chosen": {"step": 40}}')
    assert chosen_step(tmp_path) == 40
