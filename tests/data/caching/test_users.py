import json
import multiprocessing
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from data.caching import users
from data.caching.users import Hold, hold, let_go, names_in_use
from utils.runs import lock


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path


def test_what_is_held_is_in_use_until_it_was_let_go_as_often(cache: Path):
    hold(cache, ["a", "b"])
    hold(cache, ["b"])
    assert names_in_use(cache) == {"a", "b"}
    let_go(cache, ["a", "b"])
    assert names_in_use(cache) == {"b"}
    let_go(cache, ["b"])
    assert names_in_use(cache) == set()


def test_a_hold_changes_and_ends(cache: Path):
    one, other = Hold(cache), Hold(cache)
    one.change_to(["a", "b"])
    other.add("b")
    one.change_to(["c"])
    assert names_in_use(cache) == {"b", "c"}
    one.release()
    other.release()
    assert names_in_use(cache) == set()


def test_holding_nothing_leaves_no_trace(cache: Path):
    Hold(cache).release()
    assert list(cache.iterdir()) == []


def _hold_in_a_process(cache: Path, ready: Any, over: Any) -> None:
    hold(cache, ["theirs"])
    ready.set()
    over.wait(30)
    users._leave_all()  # as at the end of a process of its own


@pytest.mark.parametrize("has_locks", [True, False])
@pytest.mark.parametrize("end", ["leaves", "is killed"])
def test_what_another_process_uses_is_in_use_as_long_as_it_lives(
    cache: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool, end: str
):
    if not has_locks:

        def no_lock(_: int) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(lock, "_lock", no_lock)
    context = multiprocessing.get_context("fork")
    ready, over = context.Event(), context.Event()
    process = context.Process(target=_hold_in_a_process, args=(cache, ready, over))
    process.start()
    assert ready.wait(30)
    hold(cache, ["own"])
    assert names_in_use(cache) == {"own", "theirs"}
    if end == "leaves":
        over.set()
    else:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert names_in_use(cache) == {"own"}
    assert len(list(cache.iterdir())) == 1
    let_go(cache, ["own"])


def test_a_folder_of_a_user_that_says_nothing_readable_holds_nothing(cache: Path):
    (cache / "user-1-ab").mkdir()
    (cache / "user-1-ab" / "slabs.json").write_text("[")
    assert names_in_use(cache) == set()
    assert list(cache.iterdir()) == []


def test_a_cache_that_was_removed_is_begun_anew(cache: Path):
    hold(cache, ["a"])
    for folder in cache.iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    hold(cache, ["b"])
    (folder,) = cache.iterdir()
    assert json.loads((folder / "slabs.json").read_text()) == ["a", "b"]
    let_go(cache, ["a", "b"])


def _release_in_a_process(held: Hold, results: Any) -> None:
    hold(held.cache, held.names)
    held.release()
    results.put(sorted(names_in_use(held.cache)))
    users._leave_all()


def test_a_copy_of_a_hold_in_a_forked_process_ends_nothing(cache: Path):
    held = Hold(cache)
    held.change_to(["a"])
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=_release_in_a_process, args=(held, results))
    process.start()
    process.join(30)
    assert results.get() == ["a"]
    assert names_in_use(cache) == {"a"}
    assert pickle.loads(pickle.dumps(held)).names == {"a"}
    held.release()
