"""Decode once: tiles as uint8 in memory-mapped files, shared by workers, processes, lists and runs.

A tile's key is made of what its pixels depend on (its file with size and time, settings), so a changed file is simply
another tile, and a list finds what any other list has decoded. What is missing is written into new slabs (see
`data/caching/slabs.py`); where they take too much room, those go that were not used for the longest time.
"""

import json
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.caching.filling import fill, map_slab, remainder
from data.caching.finding import find, tile_keys
from data.caching.room import remove
from data.caching.slabs import INDEX, SLAB_BYTES, Decoded, Slab, read_slab, slab_names
from data.caching.users import Hold
from data.file_states import file_states
from utils.errors import warn
from utils.settings import SettingsError
from utils.wording import worded


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
        limit: bytes that the folder may take; None: 20 GB, or a fifth of what would be free without the cache if that
            is less.
    """

    data_dir: Path
    folder: Path | None = None
    limit: int | None = None

    def folders(self) -> tuple[Path, ...]:
        """The choice above."""
        if self.folder is not None:
            return (self.folder,)
        user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "als4gan"
        return self.data_dir / ".cache", user_cache

    def writable_folder(self) -> Path | None:
        """The first folder of the choice that can be written; None (and a warning) if there is none.

        Raises:
            OptionError: `folder` was given and cannot be written.
        """
        if self.folder is not None:
            if not _can_write(self.folder):
                raise SettingsError("{cache_dir} {} cannot be written; choose another, or {no_cache}", self.folder)
            return self.folder
        for folder in self.folders():
            if _can_write(folder):
                return folder
        warn(worded("no cache folder can be written; tiles are decoded at every use ({cache_dir})"))
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


@dataclass(frozen=True)
class TileSource:
    """Tiles of one kind and shape, and how they are decoded.

    Attributes:
        kind: `images`, `masks` or `file-masks`.
        names: the tiles, in order.
        paths: the file of each; as text, which is quicker for 100,000 of them.
        shape: of one tile.
        settings: all that the pixels depend on beside the files, plain values.
        read: name -> the pixels of a tile, uint8; loader processes get a copy of it.
        decode: name -> the same with what is to be kept beside them; None: `read`, and nothing.
        way: name -> which of several ways a tile is decoded, as `decode` says it, where that depends on more than its
            own file. When the cache is opened, it is asked again for the tiles for which `decode` said one.
        states: size and time of each file, as `file_states` says them; None: they are looked at when the cache is
            opened.
    """

    kind: str
    names: Sequence[str]
    paths: Sequence[str]
    shape: tuple[int, ...]
    settings: Mapping[str, Any]
    read: Callable[[str], np.ndarray]
    decode: Callable[[str], Decoded] | None = None
    way: Callable[[str], str | None] = lambda name: None
    states: Sequence[str] | None = None

    def decoded(self, name: str) -> Decoded:
        """A tile with what is to be kept beside it."""
        return self.decode(name) if self.decode else Decoded(self.read(name))


class DecodedTiles:
    """Tiles decoded at every access: the form without a cache."""

    def __init__(self, names: Sequence[str], read: Callable[[str], np.ndarray]) -> None:
        self.names, self.read = names, read

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.read(self.names[index])


class MappedTiles:
    """Tiles in slabs, each of which is mapped on first use in each process.

    A tile whose slab is gone, as when somebody removes the cache of a run that goes on, is decoded at every access.

    Args:
        names, read: as of `TileSource`.
        slabs: folder of each slab.
        shape: of one tile.
        slab_of, row_of: where each tile lies: its slab's position and its row there, shape (N,).
        notes: of each tile, as JSON; empty where there are none.
    """

    def __init__(
        self,
        names: Sequence[str],
        read: Callable[[str], np.ndarray],
        slabs: Sequence[Path],
        shape: tuple[int, ...],
        slab_of: np.ndarray,
        row_of: np.ndarray,
        notes: Sequence[str] = (),
    ) -> None:
        self.names, self.read, self.slabs, self.shape = names, read, slabs, shape
        self.slab_of, self.row_of = slab_of, row_of
        self._mapped: list[np.ndarray | None] = [None] * len(slabs)
        self._notes = notes
        self._has_warned = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        number = self.slab_of[index]
        pixels = self._mapped[number]
        if pixels is None:
            pixels = self._map(number)
        return self.read(self.names[index]) if pixels is None else pixels[self.row_of[index]]

    def _map(self, number: int) -> np.ndarray | None:
        try:
            self._mapped[number] = map_slab(self.slabs[number], self.shape)
        except (OSError, ValueError):
            if not self._has_warned:
                warn(f"{self.slabs[number]} was removed or damaged during use; its tiles are decoded at every use")
            self._has_warned = True
        return self._mapped[number]

    def notes(self) -> list[Any] | None:
        """What was noted when each tile was decoded; None where that is not known of every tile."""
        return [json.loads(note) for note in self._notes] if self._notes and all(self._notes) else None

    def notes_that_name(self, key: str) -> Iterator[tuple[str, Any]]:
        """Name and note of the tiles whose note has a key, where few do."""
        for name, note in zip(self.names, self._notes, strict=False):
            if f'"{key}"' in note and key in (found := json.loads(note)):
                yield name, found

    def __getstate__(self) -> dict[str, Any]:  # a mapping sent to a worker would arrive as a copy of the data
        return self.__dict__ | {"_mapped": [None] * len(self.slabs), "_notes": ()}


def open_array(source: TileSource, folder: Path | None, limit: int | None = None) -> TileArray:
    """Open decoded tiles, from the cache where there is a folder for it.

    Args:
        source: the tiles.
        folder: the cache folder, as `CacheSettings.writable_folder` finds it; None: no cache.
        limit: bytes that it may take; None: the default.

    Raises:
        DataError: a file cannot be decoded, or the disk is full.
        OptionError: the folder cannot be written, or the limit is too small.
    """
    if folder is None:
        return DecodedTiles(source.names, source.read)
    folder = folder.absolute()
    states = file_states(source.kind, source.paths) if source.states is None else source.states
    keys = tile_keys(source.kind, source.shape, source.settings, source.paths, states)
    hold = Hold(folder)
    try:
        there = slab_names(folder, source.kind, source.shape)
        hold.change_to(there)  # before they are read: what is read then stays
        found = {name: read_slab(folder / name) for name in there}
        slabs = sorted(filter(None, found.values()), key=lambda slab: (-len(slab.keys), slab.folder.name))
        useless = [folder / name for name, slab in found.items() if slab is None]  # damaged
        slab_of, row_of = find(keys, slabs, lambda position: source.way(source.names[position]))
        if (slab_of < 0).any():
            useless += _fill(source, keys, slabs, slab_of, row_of, hold, limit)
        notes = _notes(slabs, slab_of, row_of)
        used, slab_of = np.unique(slab_of, return_inverse=True)
        folders = [slabs[number].folder for number in used]
        hold.change_to(path.name for path in folders)
        remove(folder, useless)
    except BaseException:
        hold.release()
        raise
    _mark_used(folders)
    tiles = MappedTiles(source.names, source.read, folders, source.shape, slab_of, row_of, notes)
    weakref.finalize(tiles, hold.release).atexit = False
    return tiles


def _fill(
    source: TileSource,
    keys: Sequence[str],
    slabs: list[Slab],
    slab_of: np.ndarray,
    row_of: np.ndarray,
    hold: Hold,
    limit: int | None,
) -> list[Path]:
    """Decode what is missing: its slabs are appended, its places filled in; returns slabs of no use any more."""
    names = {keys[position]: source.names[position] for position in np.flatnonzero(slab_of < 0).tolist()}
    rest = remainder(slabs, keys, prod(source.shape))
    taken_of = {slabs[number].folder.name for number, _ in rest.taken}
    hold.change_to({slabs[number].folder.name for number in set(slab_of[slab_of >= 0].tolist())} | taken_of)
    args = hold, source.kind, source.shape, list(names), list(names.values()), source.decoded, slabs, rest, limit
    new, rest = fill(*args)
    full = max(1, SLAB_BYTES // prod(source.shape))
    row_by_key = {key: len(rest.taken) + row for row, key in enumerate(names)}
    row_by_place = {place: row for row, place in enumerate(rest.taken)}
    for position, place in enumerate(zip(slab_of.tolist(), row_of.tolist(), strict=True)):
        row = row_by_key[keys[position]] if place[0] < 0 else row_by_place.get(place)
        if row is not None:
            slab_of[position], row_of[position] = len(slabs) + row // full, row % full
    slabs.extend(new)
    in_use = {slabs[number].folder for number in set(slab_of.tolist())}
    return [slabs[number].folder for number in rest.done if slabs[number].folder not in in_use]


def _notes(slabs: Sequence[Slab], slab_of: np.ndarray, row_of: np.ndarray) -> list[str]:
    if not any(slab.notes for slab in slabs):
        return []
    places = zip(slab_of.tolist(), row_of.tolist(), strict=True)
    return [slabs[number].notes[row] if slabs[number].notes else "" for number, row in places]


def _mark_used(slabs: Sequence[Path]) -> None:
    for slab in slabs:
        with suppress(OSError):
            os.utime(slab / INDEX)
