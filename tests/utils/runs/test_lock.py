"""The lock of a folder: one process at a time, until it ends, with the operating system's locks and without."""

import errno
import importlib.util
import json
import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from utils.errors import OptionError
from utils.runs import lock as module
from utils.runs.lock import LOCK, FolderLock

ADVICE = "give another --out"


@pytest.fixture(params=["locks", "no locks"])
def file_system(request, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no locks":

        def refuse(_: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(module, "_lock", refuse)
    return request.param


def held_elsewhere(folder: Path, then) -> multiprocessing.Process:
    """Another process that holds the lock, until `then` returns; it does not tidy up."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()

    def work() -> None:
        FolderLock(folder).acquire(ADVICE)
        ready.set()
        then()
        os._exit(0)

    process = context.Process(target=work)
    process.start()
    assert ready.wait(20)
    return process


def test_a_second_process_is_told_who_writes(tmp_path, file_system):
    process = held_elsewhere(tmp_path, lambda: time.sleep(60))
    with pytest.raises(OptionError) as caught:
        FolderLock(tmp_path).acquire(ADVICE)
    words = f"is being written by process {process.pid} on {socket.gethostname()} since 20"
    assert words in str(caught.value)
    assert ADVICE in str(caught.value)
    process.kill()
    process.join()
    assert (tmp_path / LOCK).exists()
    lock = FolderLock(tmp_path)
    lock.acquire(ADVICE)  # the killed one's lock ended with it
    assert lock.was_left
    lock.release()
    assert not list(tmp_path.iterdir())


def test_it_is_given_back(tmp_path, file_system):
    for _ in range(2):
        lock = FolderLock(tmp_path)
        lock.acquire(ADVICE)
        assert not lock.was_left
        with pytest.raises(OptionError, match="being written"):
            FolderLock(tmp_path).acquire(ADVICE)
        lock.release()
        assert not list(tmp_path.iterdir())


def test_a_loader_process_that_lives_on_does_not_hold_it(tmp_path):
    def leave_a_child() -> None:
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)

    held_elsewhere(tmp_path, leave_a_child).join()
    lock = FolderLock(tmp_path)
    lock.acquire(ADVICE)
    lock.release()


@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (10_000, False)])
def test_without_locks_another_host_shows_that_it_lives_by_the_files_time(tmp_path, monkeypatch, age, is_taken):
    monkeypatch.setattr(module, "_lock", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSYS, "no")))
    (tmp_path / LOCK).write_text(json.dumps({"process": 1, "host": "elsewhere", "since": "2026"}))
    os.utime(tmp_path / LOCK, (time.time() - age,) * 2)
    lock = FolderLock(tmp_path)
    if is_taken:
        with pytest.raises(OptionError, match="process 1 on elsewhere"):
            lock.acquire(ADVICE)
    else:
        lock.acquire(ADVICE)
        lock.release()


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}"])
def test_a_file_that_says_nothing_is_no_obstacle(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    lock = FolderLock(tmp_path)
    lock.acquire(ADVICE)
    lock.release()


def test_on_windows_a_byte_behind_the_text_is_locked(tmp_path, monkeypatch):
    """Its own locks, which are not at hand here, are played by a table of locked bytes."""
    locked: set[tuple[int, int]] = set()

    def locking(descriptor: int, mode: int, count: int) -> None:
        byte = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        if byte in locked:
            raise OSError(errno.EACCES, "permission denied")
        locked.add(byte)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    spec = importlib.util.spec_from_file_location("lock_on_windows", module.__file__)
    on_windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(on_windows)
    lock = on_windows.FolderLock(tmp_path)
    lock.acquire(ADVICE)
    ((_, place),) = locked
    assert place > (tmp_path / LOCK).stat().st_size
    with pytest.raises(OptionError, match=f"process {os.getpid()} on"):
        on_windows.FolderLock(tmp_path).acquire(ADVICE)
    lock.release()
    assert not list(tmp_path.iterdir())
