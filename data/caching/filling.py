"""Decoding what a cache lacks into new slabs, which also take over what is left of small and outdated ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from json import loads
from math import prod
from pathlib import Path

import numpy as np

from data.caching.finding import live_rows
from data.caching.room import fits, make_room
from data.caching.slabs import SLAB_BYTES, TILES, Decoded, Slab, write_slab
from data.caching.users import Hold
from utils.compute.threads import stream_in_threads

_MANY = 8  # small slabs that are worth being put together
_SMALL = 4  # a slab is small that is less than one part in so many of a full one


@dataclass(frozen=True)
class Remainder:
    """What new slabs take over, and which old ones then have nothing left.

    Attributes:
        taken: slab and row of each tile that is copied.
        done: positions of the slabs that can go.
    """

    taken: Sequence[tuple[int, int]]
    done: Sequence[int]


def remainder(slabs: Sequence[Slab], keys: Sequence[str], tile_bytes: int) -> Remainder:
    """What is worth being copied: tiles of slabs that are outdated by half, and of small slabs if there are many."""
    full = max(1, SLAB_BYTES // tile_bytes)
    rows = live_rows(slabs, keys)
    outdated = [n for n, slab in enumerate(slabs) if 2 * len(rows[n]) <= len(slab.keys)]
    small = [n for n, slab in enumerate(slabs) if n not in outdated and len(slab.keys) * _SMALL < full]
    done = outdated + (small if len(small) >= _MANY else [])
    return Remainder([(number, row) for number in done for row in rows[number]], done)


def fill(
    hold: Hold,
    kind: str,
    shape: tuple[int, ...],
    keys: Sequence[str],
    names: Sequence[str],
    decode: Callable[[str], Decoded],
    old: Sequence[Slab],
    rest: Remainder,
    limit: int | None,
) -> tuple[list[Slab], Remainder]:
    """Write new slabs.

    Args:
        hold: gets the new slabs' names.
        kind, shape: of the tiles.
        keys, names: of those to be decoded.
        decode: called with each name.
        old, rest: slabs that there are, and what to copy of them, if there is room.
        limit: as of `make_room`.

    Returns:
        The new slabs, and what was copied: these tiles come first in them, the decoded ones follow.

    Raises:
        DataError: a file cannot be decoded, or the disk is full.
        OptionError: the limit is too small.
    """
    tile_bytes = prod(shape)
    if not fits(hold.cache, (len(names) + len(rest.taken)) * tile_bytes, limit):
        rest = Remainder([], [n for n in rest.done if not any(n == number for number, _ in rest.taken)])
    make_room(hold.cache, (len(names) + len(rest.taken)) * tile_bytes, kind, limit)
    all_keys = [*(old[number].keys[row] for number, row in rest.taken), *keys]
    full = max(1, SLAB_BYTES // tile_bytes)
    new = []
    with closing(stream_in_threads(decode, names, f"decoding {kind}", "tile")) as decoded:
        tiles = chain(_copies(old, rest.taken), decoded)
        for start in range(0, len(all_keys), full):
            part = all_keys[start : start + full]
            new.append(write_slab(hold.cache, kind, shape, part, islice(tiles, len(part)), hold.add))
    return new, rest


def _copies(slabs: Sequence[Slab], taken: Sequence[tuple[int, int]]) -> Iterator[Decoded]:
    number_now, pixels = -1, np.empty(0, np.uint8)
    for number, row in taken:
        slab = slabs[number]
        if number != number_now:
            number_now, pixels = number, map_slab(slab.folder, slab.shape)
        note = slab.notes[row] if slab.notes else ""
        yield Decoded(pixels[row], loads(note) if note else None, slab.ways.get(row))


def map_slab(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The tiles of a slab, mapped read-only; uint8, shape (N, *shape).

    Raises:
        OSError: it is not there any more.
        ValueError: it is damaged.
    """
    flat = np.memmap(folder / TILES, np.uint8, mode="r")
    return np.asarray(flat).reshape(-1, *shape)
