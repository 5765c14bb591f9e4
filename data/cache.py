"""Decode once: tiles as uint8 in memory-mapped files, shared by workers, processes and runs.

A cache file is named after what it was made from (files with their sizes and times, settings), so a changed file is
simply another cache. It is built in a private temporary folder and renamed; of two builders the loser uses the
winner's.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from utils.errors import DataError, OptionError, warn
from utils.paths import private_name
from utils.runs.files import read_json, storage_error, write_json
from utils.runs.space import as_sizes, free_space
from utils.threads import stream_in_threads

_NOTES = "notes.json"  # beside the tiles
_VARIANTS = "variants.json"  # beside them: {name: way}, see `open_array`
_ABANDONED = 24 * 3600  # seconds after which a temporary folder belongs to a builder that was killed


class TileArray(Protocol):
    """N decoded tiles: uint8 arrays of one shape, by position."""

    def __len__(self) -> int:
        """The number of tiles."""
        ...

    def __getitem__(self, index: int, /) -> np.ndarray:
        """Tile `index`; it may be a read-only view."""
        ...


@dataclass(frozen=True)
class CacheSettings:
    """Where decoded tiles are kept.

    Attributes:
        folder: the cache folder; None: `<data-dir>/.cache`, else the user's cache folder, else none.
        data_dir: the data folder.
    """

    data_dir: Path
    folder: Path | None = None

    def writable_folder(self) -> Path | None:
        """The first folder of the choice above that can be written; None (and a warning) if there is none.

        Raises:
            OptionError: `folder` was given and cannot be written.
        """
        if self.folder is not None:
            if not _can_write(self.folder):
                raise OptionError(f"--cache-dir {self.folder} cannot be written; choose another, or --no-cache")
            return self.folder
        user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "als4gan"
        for folder in (self.data_dir / ".cache", user_cache):
            if _can_write(folder):
                return folder
        warn("no cache folder can be written; tiles are decoded at every use (--cache-dir)")
        return None


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


class DecodedTiles:
    """Tiles decoded at every access: the form without a cache."""

    def __init__(self, names: Sequence[str], decode: Callable[[str], np.ndarray]) -> None:
        self.names, self.decode = names, decode

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.decode(self.names[index])


class MappedTiles:
    """Tiles of a cache file, mapped on first use in each process."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self._array: np.ndarray | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        if self._array is None:
            self._array = np.memmap(self.path, np.uint8, mode="r", shape=self.shape)
        return self._array[index]

    def notes(self) -> Any:
        """What was noted while the tiles were decoded, or None where nothing was."""
        try:
            return json.loads((self.path.parent / _NOTES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def __getstate__(self) -> dict[str, Any]:  # a mapping sent to a worker would arrive as a copy of the data
        return self.__dict__ | {"_array": None}


def open_array(
    kind: str,
    names: Sequence[str],
    paths: Sequence[Path],
    decode: Callable[[str], np.ndarray],
    shape: tuple[int, ...],
    settings: Mapping[str, Any],
    folder: Path | None,
    notes: Callable[[], Any] | None = None,
    variant: Callable[[str], str | None] = lambda name: None,
) -> TileArray:
    """Open decoded tiles, from the cache where there is a folder for it.

    Args:
        kind: "images" or "masks"; part of the cache file's name.
        names: the tiles, in order.
        paths: the file of each tile.
        decode: name -> uint8 array of `shape`.
        shape: shape of one tile.
        settings: all else that the decoded bytes depend on.
        folder: the cache folder, as `CacheSettings.writable_folder` finds it; None: no cache.
        notes: called when all tiles were decoded; its plain values are kept beside them, for `MappedTiles.notes`.
        variant: name -> which of several ways a tile is decoded, where that depends on another file than its own;
            None for all other tiles. It is asked again, for the former, whenever the cache is opened.

    Raises:
        DataError: a file cannot be decoded, or the disk is full.
    """
    if folder is None:
        return DecodedTiles(names, decode)
    sources = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, map(_stat, paths), strict=True)]
    first = paths[0].parent.resolve() / paths[0].name  # of two file patterns in one folder each has its own entry
    identity = _digest([kind, str(first), list(names), dict(settings)])
    entry = folder / f"{kind}-{identity}-{_digest(sources)}"
    data = entry / "tiles.u8"
    full_shape = (len(names), *shape)
    if _is_whole(data, full_shape) and not _is_current(entry, variant):
        shutil.rmtree(entry, ignore_errors=True)
    if not _is_whole(data, full_shape):
        _build(entry, kind, names, decode, full_shape, notes, variant)
        _remove_outdated(folder, kind, identity, keep=entry)
    return MappedTiles(data, full_shape)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise DataError(f"{path} is missing or cannot be read; check --data-dir and the list") from error


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _is_whole(data: Path, shape: tuple[int, ...]) -> bool:
    return data.is_file() and data.stat().st_size == int(np.prod(shape, dtype=np.int64))


def _is_current(entry: Path, variant: Callable[[str], str | None]) -> bool:
    """Whether the tiles that depend on another file than their own are still decoded the same way."""
    record = entry / _VARIANTS
    return not record.is_file() or all(variant(name) == was for name, was in read_json(record).items())


def _build(
    entry: Path,
    kind: str,
    names: Sequence[str],
    decode: Callable[[str], np.ndarray],
    shape: tuple[int, ...],
    notes: Callable[[], Any] | None,
    variant: Callable[[str], str | None],
) -> None:
    """Decode all tiles into a private folder and rename it; a builder that was faster wins."""
    needed = int(np.prod(shape, dtype=np.int64))
    free = free_space(entry.parent)
    if needed > free:
        texts = as_sizes(needed, free)
        raise DataError(
            f"the cache of decoded {kind} needs {texts[0]}, {texts[1]} are free at {entry.parent}; "
            "give --cache-dir on another disk, or --no-cache"
        )
    private = private_name(entry)
    try:
        private.mkdir()
        variants: dict[str, str] = {}
        decoded = stream_in_threads(lambda name: (decode(name), variant(name)), names, f"decoding {kind}", "tile")
        with closing(decoded) as tiles, (private / "tiles.u8").open("wb") as file:
            for name, (tile, way) in zip(names, tiles, strict=True):
                if way is not None:
                    variants[name] = way
                if tile.shape != shape[1:] or tile.dtype != np.uint8:
                    raise AssertionError(f"{name}: decoded to {tile.dtype} {tile.shape}, expected {shape[1:]}")
                file.write(np.ascontiguousarray(tile).data)  # a real write: a full disk is an error, not a SIGBUS
            file.flush()
            os.fsync(file.fileno())
        if notes is not None:
            (private / _NOTES).write_text(json.dumps(notes()), encoding="utf-8")
        if variants:
            write_json(private / _VARIANTS, variants)
        _put_in_place(private, entry, shape)
    except OSError as error:
        raise storage_error(entry.parent, error) from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _put_in_place(private: Path, entry: Path, shape: tuple[int, ...]) -> None:
    if entry.exists() and not _is_whole(entry / "tiles.u8", shape):
        shutil.rmtree(entry, ignore_errors=True)
    try:
        private.rename(entry)
    except OSError:
        if not _is_whole(entry / "tiles.u8", shape):  # not a faster builder's: a real failure
            raise


def _remove_outdated(folder: Path, kind: str, identity: str, keep: Path) -> None:
    """Remove what the same tiles were before their files changed, and what killed builders left behind."""
    for entry in folder.glob(f"{kind}-{identity}-*"):
        if entry != keep:
            shutil.rmtree(entry, ignore_errors=True)
    for private in folder.glob(f".{kind}-*"):
        with suppress(OSError):  # another process was faster
            if time.time() - private.stat().st_mtime > _ABANDONED:
                shutil.rmtree(private, ignore_errors=True)
