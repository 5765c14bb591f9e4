import errno
import io
import multiprocessing
import os
import pickle
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import data.cache
import data.caching.filling
import data.caching.users
from data.cache import CacheSettings, DecodedTiles, MappedTiles, TileSource, open_array
from data.caching.slabs import Decoded, read_slab
from data.caching.users import USER, names_in_use
from data.descriptions import UCM
from data.tiles import open_tiles
from tests.conftest import TinySet, picture, write_image, write_ucm
from utils.errors import DataError, OptionError

SHAPE = (4, 6, 3)
EARLIER = "images-0123456789abcdef-0123456789abcdef"
NAMES = [f"tile{number}" for number in range(5)]


def tile(name: str) -> np.ndarray:
    """The tile's number everywhere, and one brighter pixel."""
    pixels = np.full(SHAPE, int(name[-1]), np.uint8)
    pixels[1, 2, 0] = 200
    return pixels


class Files:
    """Five source files, and a decoder that counts what it decodes."""

    def __init__(self, folder: Path) -> None:
        self.paths = [folder / "files" / f"{name}.tif" for name in NAMES]
        for number, path in enumerate(self.paths):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(number + 1))
        self.cache = folder / "cache"
        self.cache.mkdir(exist_ok=True)
        self.decoded: Counter[str] = Counter()

    def decode(self, name: str) -> np.ndarray:
        self.decoded[name] += 1
        return tile(name)

    def source(self, decode: Callable[[str], np.ndarray] | None = None, **changes: Any) -> TileSource:
        paths = [str(path) for path in changes.pop("paths", self.paths)]
        return replace(TileSource("images", NAMES, paths, SHAPE, {}, decode or self.decode), **changes)

    def open(self, decode: Callable[[str], np.ndarray] | None = None, **settings: Any) -> Sequence[np.ndarray]:
        tiles = open_array(self.source(decode, settings=settings), self.cache)
        return [np.array(tiles[index]) for index in range(len(tiles))]

    def entries(self) -> list[str]:
        """All that lies in the cache but the folders of its users."""
        return sorted(path.name for path in self.cache.iterdir() if not path.name.startswith(USER))

    def touch(self, number: int, content: int | None = None) -> None:
        """Give a file another time, and content of some bytes where they are given."""
        stat = self.paths[number].stat()
        self.paths[number].write_bytes(bytes(stat.st_size if content is None else content))
        os.utime(self.paths[number], ns=(stat.st_atime_ns, stat.st_mtime_ns + (content is None)))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def assert_tiles(tiles: Sequence[np.ndarray]) -> None:
    assert len(tiles) == len(NAMES)
    for name, pixels in zip(NAMES, tiles, strict=True):
        assert (pixels == tile(name)).all()


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_cached_tiles_equal_decoded_ones(ucm_set: TinySet):
    labelled = ["river00", "forest01"]
    plain = open_tiles(UCM, ucm_set.folder, ucm_set.names, labelled)
    cached = open_tiles(UCM, ucm_set.folder, ucm_set.names, labelled, CacheSettings(ucm_set.folder))
    assert isinstance(plain.images, DecodedTiles)
    assert isinstance(cached.images, MappedTiles)
    assert isinstance(cached.masks, MappedTiles)
    for index in range(4):
        assert (cached.image(index) == plain.image(index)).all()
        assert (cached.mask(index) == plain.mask(index)).all()
    assert len(cached.images) == len(plain.images) == 4
    assert len(cached.masks) == 2


def test_each_file_is_decoded_once_and_a_second_opening_decodes_nothing(files: Files):
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES)
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES)
    assert len(files.entries()) == 1


@pytest.mark.parametrize("content", [99, None], ids=["size", "time"])
def test_a_changed_file_alone_is_decoded_anew(files: Files, content: int | None):
    files.open()
    files.touch(2, content)
    assert_tiles(files.open())
    assert files.decoded == Counter([*NAMES, NAMES[2]])
    assert_tiles(files.open())
    assert files.decoded == Counter([*NAMES, NAMES[2]])


def test_outdated_tiles_go_when_they_are_replaced(files: Files):
    files.open()
    for number in range(3):  # more than half of the slab
        files.touch(number)
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES + NAMES[:3])
    assert len(files.entries()) == 1
    held = read_slab(files.cache / files.entries()[0])
    assert held is not None
    assert len(held.keys) == len(NAMES)


def test_lists_share_their_tiles(files: Files):
    open_array(files.source(names=NAMES[:3], paths=files.paths[:3]), files.cache)
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES)
    backwards = open_array(files.source(names=NAMES[::-1], paths=files.paths[::-1]), files.cache)
    assert_tiles([backwards[index] for index in range(5)][::-1])
    assert files.decoded == Counter(NAMES)


def test_other_settings_kinds_and_shapes_are_other_tiles(files: Files):
    files.open(tile_size=[4, 6])
    files.open(tile_size=[8, 8])
    open_array(files.source(kind="masks", settings={"tile_size": [4, 6]}), files.cache)
    wide = files.source(lambda name: np.zeros((4, 7, 5), np.uint8), shape=(4, 7, 5), settings={"tile_size": [4, 6]})
    assert open_array(wide, files.cache)[3].shape == (4, 7, 5)
    assert files.decoded == Counter(NAMES * 3)
    assert len(files.entries()) == 4


def test_two_file_patterns_in_one_folder_are_told_apart_though_sizes_and_times_agree(files: Files):
    files.open()
    later = [path.with_name(f"{path.stem}_later.tif") for path in files.paths]
    for path, other in zip(files.paths, later, strict=True):
        shutil.copy2(path, other)
    open_array(files.source(paths=later), files.cache)
    assert files.decoded == Counter(NAMES * 2)
    assert len(files.entries()) == 2


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("tiles.u8", cut),
        ("index.json", cut),
        ("index.json", garble),
        ("tiles.u8", Path.unlink),
        ("index.json", Path.unlink),
    ],
)
def test_a_damaged_slab_is_built_again(files: Files, file: str, damage: Callable[[Path], object]):
    files.open()
    damage(files.cache / files.entries()[0] / file)
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES * 2)
    assert len(files.entries()) == 1
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES * 2)


def test_what_a_killed_writer_left_is_not_taken_but_removed(files: Files):
    left = files.cache / ".images-4x6x3.77-ab"  # of a process that is not there any more
    old, young = files.cache / f".{EARLIER}.77-ab", files.cache / f".{EARLIER}.78-cd"  # of earlier versions
    for folder in (left, old, young):
        folder.mkdir()
        (folder / "tiles.u8").write_bytes(bytes(1000))
    os.utime(old, (0, 0))
    assert_tiles(files.open())
    assert not left.exists()
    assert not old.exists()  # after a day
    assert young.exists()


def test_what_is_being_written_stays_while_another_makes_room(files: Files):
    def decode(name: str) -> np.ndarray:
        other = open_array(files.source(tile, kind="masks", names=["tile9"], paths=files.paths[:1]), files.cache)
        assert other[0][0, 0, 0] == 9
        return files.decode(name)

    assert_tiles(files.open(decode))
    assert files.decoded == Counter(NAMES)


def test_a_cache_on_a_full_disk_can_still_be_read(files: Files, monkeypatch: pytest.MonkeyPatch):
    files.open()

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(data.caching.users._User, "say", full)
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES)
    files.touch(0)
    with pytest.raises(DataError, match="the disk is full"):
        files.open()
    monkeypatch.undo()
    assert_tiles(files.open())
    assert names_in_use(files.cache) == set()


def test_a_list_of_several_slabs(files: Files, monkeypatch: pytest.MonkeyPatch):
    for module in (data.cache, data.caching.filling):
        monkeypatch.setattr(module, "SLAB_BYTES", 2 * tile(NAMES[0]).nbytes)
    assert_tiles(files.open())
    assert len(files.entries()) == 3
    assert_tiles(files.open())
    assert files.decoded == Counter(NAMES)


def test_many_small_slabs_are_put_together(files: Files):
    kept = [
        open_array(files.source(names=[name], paths=[path]), files.cache)
        for name, path in zip(NAMES, files.paths, strict=True)
    ]
    assert len(files.entries()) == 5
    more = [path.with_name(f"{path.stem}_more.tif") for path in files.paths]
    for path, other in zip(files.paths, more, strict=True):
        shutil.copy2(path, other)
        open_array(files.source(names=["tile7"], paths=[other]), files.cache)
    assert len(files.entries()) == 7  # eight became one, but for those in use; and one more
    assert all((tiles[0] == tile(name)).all() for tiles, name in zip(kept, NAMES, strict=True))
    del kept
    files.touch(0)
    assert_tiles(files.open())
    assert len(files.entries()) == 3
    assert files.decoded == Counter([*NAMES, NAMES[0], *["tile7"] * 5])


def test_a_tile_that_is_decoded_in_several_ways_keeps_each(files: Files):
    way = "turned"

    def decode(name: str) -> Decoded:
        pixels = files.decode(name)
        return Decoded(pixels + (way == "as stored"), None, way) if name == NAMES[1] else Decoded(pixels)

    def opened() -> int:
        source = replace(files.source(tile), decode=decode, way=lambda name: way)
        return int(open_array(source, files.cache)[1][0, 0, 0])

    assert opened() == 1
    way = "as stored"
    assert opened() == 2
    way = "turned"
    assert opened() == 1
    assert files.decoded == Counter([*NAMES, NAMES[1]])


def test_notes_are_kept_for_each_tile(files: Files):
    def decode(name: str) -> Decoded:
        return Decoded(files.decode(name), {"number": int(name[-1])})

    def notes(rows: list[int]) -> Any:
        listed = {"names": [NAMES[row] for row in rows], "paths": [files.paths[row] for row in rows]}
        source = replace(files.source(tile, kind="masks", **listed), decode=decode)
        tiles = open_array(source, files.cache)
        assert isinstance(tiles, MappedTiles)
        return tiles.notes()

    assert notes([3, 1]) == [{"number": 3}, {"number": 1}]
    assert notes([0, 1, 2, 3, 4]) == [{"number": number} for number in range(5)]
    assert files.decoded == Counter(NAMES)
    plain = open_array(files.source(), files.cache)
    assert isinstance(plain, MappedTiles)
    assert plain.notes() is None


def test_a_pickle_of_mapped_tiles_carries_no_pixels(files: Files):
    source = files.source(tile, names=NAMES * 50, paths=files.paths * 50)
    tiles = open_array(source, files.cache)
    assert (tiles[152] == tile(NAMES[2])).all()
    content = pickle.dumps(tiles)
    assert len(content) < 5000 < len(tiles) * tile(NAMES[0]).nbytes
    assert (pickle.loads(content)[152] == tile(NAMES[2])).all()


def test_tiles_of_a_cache_that_is_removed_during_use_are_decoded(files: Files, capsys: pytest.CaptureFixture[str]):
    tiles = open_array(files.source(), files.cache)
    shutil.rmtree(files.cache)
    assert_tiles([tiles[index] for index in range(5)])
    assert files.decoded == Counter(NAMES * 2)
    assert capsys.readouterr().err.count("warning: ") == 1
    files.cache.mkdir()
    assert_tiles(files.open())
    assert_tiles([tiles[index] for index in range(5)])
    assert files.decoded == Counter(NAMES * 3)


def test_mapped_tiles_cannot_be_written_to(files: Files):
    tiles = open_array(files.source(), files.cache)
    with pytest.raises(ValueError, match="read-only"):
        tiles[0][:] = 1


# --- builders at once ------------------------------------------------------------------------------------------------


def test_two_threads_that_build_at_once_leave_one_entry(files: Files):
    barrier = threading.Barrier(2, timeout=20)

    def decode_together(name: str) -> np.ndarray:
        if name == NAMES[0]:
            barrier.wait()  # both builders have begun
        return tile(name)

    opened: list[Sequence[np.ndarray]] = []
    builders = [threading.Thread(target=lambda: opened.append(files.open(decode_together))) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(opened) == 2
    for tiles in opened:
        assert_tiles(tiles)
    assert len(files.entries()) == 1


def _build_in_a_process(folder: Path, barrier: Any, results: Any) -> None:
    files = Files.__new__(Files)
    files.paths = [folder / "files" / f"{name}.tif" for name in NAMES]
    files.cache = folder / "cache"

    def decode_together(name: str) -> np.ndarray:
        if name == NAMES[-1]:
            barrier.wait(20)  # both builders are about to finish
        return tile(name)

    results.put([int(pixels.sum()) for pixels in files.open(decode_together)])


def test_two_processes_that_build_at_once_leave_one_entry(files: Files, tmp_path: Path):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.SimpleQueue()
    builders = [context.Process(target=_build_in_a_process, args=(tmp_path, barrier, results)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(30)
    assert [builder.exitcode for builder in builders] == [0, 0]
    expected = [int(tile(name).sum()) for name in NAMES]
    assert [results.get(), results.get()] == [expected, expected]
    assert len(files.entries()) == 1
    assert_tiles(files.open())
    assert files.decoded == Counter()


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_decoding_error_leaves_nothing_behind(files: Files):
    def fail(name: str) -> np.ndarray:
        if name == NAMES[3]:
            raise DataError("tile3.tif is damaged; replace the file")
        return tile(name)

    with pytest.raises(DataError, match=r"tile3\.tif is damaged"):
        files.open(fail)
    assert files.entries() == []
    assert_tiles(files.open())


def test_a_missing_file_is_named(files: Files):
    files.paths[1].unlink()
    with pytest.raises(DataError, match=r"1 of 5 images are missing, the first is .*tile1\.tif"):
        files.open()


class FullDisk(io.FileIO):
    """A file on a disk that has room for two tiles."""

    def write(self, content: Any) -> int:
        if self.tell() + len(memoryview(content).cast("B")) > 2 * tile(NAMES[0]).nbytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing_behind(files: Files, monkeypatch: pytest.MonkeyPatch):
    unlimited = Path.open

    def limited(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        return FullDisk(path, mode) if {*mode} & {*"wxa+"} else unlimited(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", limited)
    with pytest.raises(DataError, match="the disk is full") as caught:
        files.open()
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert files.entries() == []


def test_too_little_room_is_said_before_anything_is_decoded(files: Files, monkeypatch: pytest.MonkeyPatch):
    needed = len(NAMES) * tile(NAMES[0]).nbytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(DataError, match=r"images needs \d+ bytes, .*cache_dir.*no_cache"):
        files.open()
    assert files.decoded == Counter()
    assert files.entries() == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    assert_tiles(files.open())


# --- where it is kept ------------------------------------------------------------------------------------------------


def refuse_below(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    can_write = data.cache._can_write
    monkeypatch.setattr(
        data.cache, "_can_write", lambda f: not any(f.is_relative_to(folder) for folder in folders) and can_write(f)
    )


def test_the_cache_lies_beside_the_data(tmp_path: Path):
    assert CacheSettings(tmp_path).writable_folder() == tmp_path / ".cache"
    assert list((tmp_path / ".cache").iterdir()) == []


def test_a_folder_that_was_asked_for_is_taken_or_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert CacheSettings(tmp_path, tmp_path / "fast" / "disk").writable_folder() == tmp_path / "fast" / "disk"
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"cache_dir .*file.* cannot be written.*no_cache"):
        CacheSettings(tmp_path, tmp_path / "file").writable_folder()


def test_data_that_may_not_be_written_to_are_cached_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ucm = write_ucm(tmp_path / "ucm", classes=["beach"], per_class=1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    refuse_below(monkeypatch, ucm.folder)
    tiles = open_tiles(UCM, ucm.folder, ucm.names, cache=CacheSettings(ucm.folder))
    assert isinstance(tiles.images, MappedTiles)
    assert tiles.images.slabs[0].is_relative_to(tmp_path / "home" / "als4gan")
    assert tiles.image(0).shape == (256, 256, 3)


def test_where_nothing_can_be_written_there_is_no_cache_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ucm = write_ucm(tmp_path / "ucm", classes=["beach"], per_class=1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    refuse_below(monkeypatch, tmp_path)
    tiles = open_tiles(UCM, ucm.folder, ucm.names, ucm.names, CacheSettings(ucm.folder))
    assert isinstance(tiles.images, DecodedTiles)
    assert (tiles.image(0) == picture(0, (256, 256))).all()
    warning = capsys.readouterr().err
    assert warning.count("warning: no cache folder can be written") == 1
    assert "cache_dir" in warning


def test_a_file_in_the_place_of_the_folder_cannot_be_written_to(tmp_path: Path):
    (tmp_path / ".cache").touch()
    assert not data.cache._can_write(tmp_path / ".cache")
    assert data.cache._can_write(tmp_path / "other")


def test_a_changed_image_reaches_the_tiles(ucm_set: TinySet):
    cache = CacheSettings(ucm_set.folder)
    open_tiles(UCM, ucm_set.folder, ucm_set.names, cache=cache)
    path = write_image(ucm_set.folder / "UCMerced_Images" / "river00.tif", picture(9, (256, 256)))
    os.utime(path, ns=(0, 0))
    tiles = open_tiles(UCM, ucm_set.folder, ucm_set.names, cache=cache)
    assert (tiles.image(2) == picture(9, (256, 256))).all()
