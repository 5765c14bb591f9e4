"""Slabs: decoded tiles of one kind and shape in one file, with an index; written once and never changed.

A slab is a folder `<kind>-<shape>-<digest>` that holds `tiles.u8` and `index.json`. It is written under a private name
and renamed, so that a slab is whole or not there. Its digest is that of what it holds: of two processes that write the
same tiles at once, the later one finds the other's slab in its place and takes that one.
"""

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.paths import private_name
from utils.runs.files import storage_error

KINDS = ("images", "masks", "file-masks")
SLAB_BYTES = 64_000_000  # of a slab at most, but for a single larger tile; what is removed at a time
PLACE = 32  # characters of a key that tell of which file it is and how it is read; the others, its size and time
TILES, INDEX = "tiles.u8", "index.json"
_NAME = re.compile(rf"({'|'.join(KINDS)})-(\d+(?:x\d+)+)-[0-9a-f]{{32}}")
_FORMAT = 1


class Decoded(NamedTuple):
    """A decoded tile.

    Attributes:
        pixels: uint8.
        note: plain values to be kept beside them.
        way: which of several ways it was decoded, where that depends on more than its own file; else None.
    """

    pixels: np.ndarray
    note: Any = None
    way: str | None = None


@dataclass(frozen=True)
class Slab:
    """A slab as its index describes it.

    Attributes:
        folder: where it lies.
        shape: of one tile.
        keys: of its tiles, in order.
        ways: by row, of the tiles that have one.
        notes: of its tiles, as JSON; empty where none has any.
    """

    folder: Path
    shape: tuple[int, ...]
    keys: Sequence[str]
    ways: Mapping[int, str]
    notes: Sequence[str]


def kind_and_shape(name: str) -> tuple[str, tuple[int, ...]] | None:
    """What the name of a slab says; None where it is not one of a slab."""
    match = _NAME.fullmatch(name)
    return (match[1], tuple(map(int, match[2].split("x")))) if match else None


def slab_names(cache: Path, kind: str, shape: tuple[int, ...]) -> list[str]:
    """Names of all slabs of one kind and shape."""
    with os.scandir(cache) as found:
        return sorted(entry.name for entry in found if kind_and_shape(entry.name) == (kind, shape))


def read_slab(folder: Path) -> Slab | None:
    """A slab, or None where it is missing or damaged: by the checksum of its index and the size of its tiles."""
    described = kind_and_shape(folder.name)
    try:
        checksum, _, text = (folder / INDEX).read_bytes().partition(b"\n")
        if described is None or checksum.decode() != hashlib.sha256(text).hexdigest():
            return None
        index = json.loads(text)
        size = (folder / TILES).stat().st_size
    except (OSError, ValueError):
        return None
    shape = described[1]
    if index["format"] != _FORMAT or size != len(index["keys"]) * math.prod(shape):
        return None
    return Slab(folder, shape, index["keys"], {int(row): way for row, way in index["ways"].items()}, index["notes"])


def write_slab(
    cache: Path,
    kind: str,
    shape: tuple[int, ...],
    keys: Sequence[str],
    tiles: Iterable[Decoded],
    claim: Callable[[str], None],
) -> Slab:
    """Write tiles as a slab.

    Args:
        cache: the cache folder.
        kind, shape: of the tiles.
        keys: of the tiles, in order.
        tiles: as many; taken one by one.
        claim: called with the slab's private name, and with its own just before it is there for all.

    Raises:
        DataError: the disk is full.
        OptionError: the folder cannot be written.
    """
    beginning = f"{kind}-{'x'.join(map(str, shape))}"
    private = private_name(cache / beginning)
    try:
        claim(private.name)
        private.mkdir()
        ways, notes = _write_tiles(private / TILES, shape, tiles)
        index = {"format": _FORMAT, "keys": list(keys), "ways": ways, "notes": notes if any(notes) else []}
        text = json.dumps(index).encode()
        _write(private / INDEX, [hashlib.sha256(text).hexdigest().encode(), b"\n", text])
        folder = cache / f"{beginning}-{hashlib.sha256(text).hexdigest()[:32]}"
        claim(folder.name)
        return _put_in_place(private, folder)
    except OSError as error:
        raise storage_error(cache, error) from error
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _write_tiles(path: Path, shape: tuple[int, ...], tiles: Iterable[Decoded]) -> tuple[dict[int, str], list[str]]:
    """Write the pixels; returns the ways by row and the notes."""
    ways: dict[int, str] = {}
    notes: list[str] = []

    def contents() -> Iterable[memoryview]:
        for row, (pixels, note, way) in enumerate(tiles):
            if pixels.shape != shape or pixels.dtype != np.uint8:
                raise AssertionError(f"a tile was decoded to {pixels.dtype} {pixels.shape}, expected uint8 {shape}")
            notes.append("" if note is None else json.dumps(note))
            if way is not None:
                ways[row] = way
            yield np.ascontiguousarray(pixels).data

    _write(path, contents())
    return ways, notes


def _write(path: Path, contents: Iterable[bytes | memoryview]) -> None:
    with path.open("wb") as file:
        for content in contents:
            file.write(content)  # a real write: a full disk is an error, not a SIGBUS
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(private: Path, folder: Path) -> Slab:
    """Rename a slab, or take another process's that holds the same."""
    if folder.exists() and read_slab(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        private.rename(folder)
    except OSError:
        if (slab := read_slab(folder)) is not None:
            return slab
        raise
    slab = read_slab(folder)
    if slab is None:
        raise OSError(f"{folder} is not what was written")
    return slab
