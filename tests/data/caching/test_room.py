import gc
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.cache import CacheSettings, MappedTiles, TileArray, TileSource, open_array
from data.caching import room
from data.caching.report import cache_report, clear_cache
from data.caching.room import default_limit, entries
from data.caching.slabs import INDEX
from utils.errors import OptionError

SHAPE = (100, 100)
BYTES = 10_000
INDEX_BYTES = 300  # an index takes less


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "_PAUSE", 0.0)


class Lists:
    """Lists of one tile each; the n-th one's tile is n everywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / ".cache"
        self.cache.mkdir()
        self.decoded: list[int] = []

    def open(self, number: int, limit: int | None = None) -> TileArray:
        path = self.folder / f"{number}.png"
        if not path.exists():
            path.write_bytes(b"")

        def read(name: str) -> np.ndarray:
            self.decoded.append(number)
            return np.full(SHAPE, number, np.uint8)

        return open_array(TileSource("masks", [str(number)], [str(path)], SHAPE, {}, read), self.cache, limit)

    def open_at(self, number: int, time: int, limit: int | None = None) -> Path:
        """Open and forget a list as if at some time; returns where its tile lies."""
        tiles = self.open(number, limit)
        assert isinstance(tiles, MappedTiles)
        (slab,) = tiles.slabs
        os.utime(slab / INDEX, (time, time))
        return slab


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


def room_for(tiles: int) -> int:
    return tiles * (BYTES + INDEX_BYTES)


def test_what_was_not_used_for_longest_goes_first(lists: Lists):
    slabs = [lists.open_at(number, time) for number, time in enumerate([300, 100, 400, 200])]
    lists.open(4, room_for(3))
    assert [slab.exists() for slab in slabs] == [True, False, True, False]


def test_opening_a_list_counts_as_use(lists: Lists):
    slabs = [lists.open_at(number, 100 + number) for number in range(3)]
    lists.open(0)
    lists.open(3, room_for(2))
    assert [slab.exists() for slab in slabs] == [True, False, False]
    assert lists.decoded == [0, 1, 2, 3]


def test_what_is_open_stays_and_a_limit_that_was_given_holds(lists: Lists):
    opened = [lists.open(number) for number in range(3)]
    with pytest.raises(OptionError, match=r"masks needs 10.0 kB, beside 30.* kB in use there, .*cache_limit.*no_cache"):
        lists.open(3, room_for(3))
    assert [int(tiles[0][0, 0]) for tiles in opened] == [0, 1, 2]
    assert len(entries(lists.cache)) == 3
    del opened
    gc.collect()
    assert int(lists.open(3, room_for(3))[0][0, 0]) == 3
    assert len(entries(lists.cache)) == 3


def test_a_limit_below_one_list_is_an_error_that_removes_nothing(lists: Lists):
    slab = lists.open_at(0, 100)
    with pytest.raises(OptionError, match=r"needs 10.0 kB, and its limit is 9.0 kB"):
        lists.open(1, 9000)
    assert slab.exists()
    assert lists.decoded == [0]


def test_what_is_used_may_take_more_than_the_default_which_is_said(
    lists: Lists, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(room, "MAX_LIMIT", room_for(2))
    slab = lists.open_at(0, 100)
    opened = [lists.open(number) for number in (1, 2)]
    assert not slab.exists()
    assert capsys.readouterr().err == ""
    opened.append(lists.open(3))
    assert capsys.readouterr().err.count("warning: the decoded tiles in use take") == 1
    assert [int(tiles[0][0, 0]) for tiles in opened] == [1, 2, 3]


def test_a_full_disk_is_relieved_of_what_nobody_uses(lists: Lists, monkeypatch: pytest.MonkeyPatch):
    slabs = [lists.open_at(number, 100 + number) for number in range(3)]

    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=2 * BYTES - sum(slab.exists() for slab in slabs) * BYTES // 2)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    lists.open(3, room_for(100))
    assert [slab.exists() for slab in slabs] == [False, True, True]


def test_the_default_is_a_fifth_of_the_space_or_20_gb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40_000_000_000))
    assert default_limit(tmp_path, 10_000_000_000) == 10_000_000_000
    assert default_limit(tmp_path, 70_000_000_000) == 20_000_000_000


def _open_in_a_process(lists: Lists, ready: Any) -> None:
    tiles = lists.open(0)
    ready.set()
    signal.pause()
    del tiles


def test_what_another_process_has_open_stays_until_it_is_killed(lists: Lists):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=_open_in_a_process, args=(lists, ready))
    process.start()
    assert ready.wait(30)
    with pytest.raises(OptionError, match="in use"):
        lists.open(1, room_for(1))
    (cleared,) = clear_cache(lists.folder, lists.cache)
    assert len(cleared.kept) == 1
    assert lists.open(0)[0].any() == 0
    assert lists.decoded == []  # here
    process.kill()
    process.join(30)
    gc.collect()
    assert int(lists.open(1, room_for(1))[0][0, 0]) == 1
    assert len(entries(lists.cache)) == 1


# --- what earlier versions left, and what is not ours -----------------------------------------------------------------

EARLIER = "images-0123456789abcdef-0123456789abcdef"


def earlier(cache: Path) -> Path:
    folder = cache / EARLIER
    folder.mkdir()
    (folder / "tiles.u8").write_bytes(bytes(BYTES))
    (folder / "variants.json").write_text("{}")
    os.utime(folder / "tiles.u8", (50, 50))
    return folder


def strangers(cache: Path) -> list[Path]:
    paths = [cache / "images", cache / "images-of-mine", cache / f"x{EARLIER}", cache / EARLIER.replace("0", "a")]
    for path in paths:
        path.mkdir()
        (path / "tiles.u8").touch()
    (paths[-1] / "notes.txt").write_text("not of the cache")
    (cache / "masks-1x1-0123456789abcdef0123456789abcdef").write_text("a file")
    return [*paths, cache / "masks-1x1-0123456789abcdef0123456789abcdef"]


def test_entries_of_the_earlier_layout_go_when_room_is_needed(lists: Lists):
    others = strangers(lists.cache)
    old = earlier(lists.cache)
    slab = lists.open_at(0, 100)
    assert old.exists()
    lists.open(1, room_for(2))
    assert not old.exists()
    assert slab.exists()
    assert all(path.exists() for path in others)


def test_report_and_clearing(lists: Lists):
    lists.open_at(0, 100)
    opened = lists.open_at(1, 200), lists.open(1)
    os.utime(opened[0] / INDEX, (300, 300))
    others = strangers(lists.cache)
    old = earlier(lists.cache)
    (lists.cache / ".masks-100x100.1-ab").mkdir()
    os.utime(lists.cache / ".masks-100x100.1-ab", (0, 0))
    (report,) = cache_report(lists.folder, limit=77)
    assert report.folder == lists.folder / ".cache"
    assert report.tiles == 2
    assert [entry.path for entry in report.entries if entry.tiles is None] == [old]
    assert 3 * BYTES < report.bytes < room_for(3)
    assert (report.limit, report.last_use) == (77, 300.0)
    assert report.in_use == {opened[0].name}
    (cleared,) = clear_cache(lists.folder)
    assert [entry.path for entry in cleared.kept] == [opened[0]]
    assert len(cleared.removed) == 2
    assert 2 * BYTES < cleared.bytes < room_for(2)
    assert int(opened[1][0][0, 0]) == 1
    left = {path for path in lists.cache.iterdir() if not path.name.startswith("user-")}
    assert left == {opened[0], *others}


def test_where_there_is_no_cache_there_is_nothing_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_report(tmp_path) == clear_cache(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    CacheSettings(tmp_path).writable_folder()
    (report,) = cache_report(tmp_path)
    assert (report.tiles, report.bytes, report.last_use) == (0, 0, None)
    assert report.limit > 0
