"""Which tile of a list lies where in the slabs: keys, and a look into the slabs' indices."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from data.caching.slabs import PLACE, Slab

_ANY_NAME = "surrogatepass"  # also of bytes that are not UTF-8


def tile_keys(
    kind: str, shape: tuple[int, ...], settings: Mapping[str, Any], paths: Sequence[str], states: Sequence[str]
) -> list[str]:
    """The identity of each tile: its file's path, size and time, and all else that its pixels depend on.

    The first `PLACE` characters say which file it is and how it is decoded, the others which state of the file.

    Args:
        kind, shape: of the tiles.
        settings: what the pixels depend on beside the files; plain values.
        paths: the tiles' files.
        states: size and time of each, as `file_states` says them.
    """
    common = blake2b(json.dumps([kind, list(shape), dict(settings)]).encode(), digest_size=PLACE // 2)
    folders: dict[str, Any] = {}  # by folder, what is the same for all files there
    keys = []
    for path, state in zip(paths, states, strict=True):
        parent, _, name = path.rpartition(os.sep)
        if parent not in folders:
            folders[parent] = common.copy()
            folders[parent].update(f"{Path(path).parent.resolve()}/".encode(errors=_ANY_NAME))
        place = folders[parent].copy()
        place.update(name.encode(errors=_ANY_NAME))
        keys.append(f"{place.hexdigest()} {state}")
    return keys


def find(keys: Sequence[str], slabs: Sequence[Slab], way_of: Callable[[int], str | None]) -> tuple[np.ndarray, ...]:
    """Look for tiles in slabs.

    Args:
        keys: of the tiles.
        slabs: where they may be; of two that hold a tile, the earlier one is taken.
        way_of: position -> which way a tile is decoded; asked for those that lie there with one.

    Returns:
        For each tile its slab's position and its row there, int32, shape (N,) each; -1 where it is in none.
    """
    starts = np.cumsum([0, *(len(slab.keys) for slab in slabs)])
    places: dict[str, int] = {}
    with_ways: dict[str, dict[str, int]] = {}
    for start, slab in reversed(list(zip(starts.tolist(), slabs, strict=False))):
        if not slab.ways:
            places.update(zip(slab.keys, range(start, start + len(slab.keys)), strict=True))
            continue
        for row, key in enumerate(slab.keys):
            if (way := slab.ways.get(row)) is None:
                places[key] = start + row
            else:
                with_ways.setdefault(key, {})[way] = start + row
    at = np.empty(len(keys), np.int64)
    for position, key in enumerate(keys):
        place = places.get(key, -1)
        if place < 0 and (ways := with_ways.get(key)) is not None:
            place = ways.get(way_of(position) or "", -1)
        at[position] = place
    slab_of = np.searchsorted(starts, at, side="right") - 1
    row_of = np.where(at < 0, -1, at - starts[slab_of])
    return slab_of.astype(np.int32), row_of.astype(np.int32)


def live_rows(slabs: Sequence[Slab], keys: Sequence[str]) -> list[list[int]]:
    """Rows of each slab that are still good for something.

    The others are of a file of the list that has changed, or lie in an earlier one of the slabs as well.

    Args:
        slabs: in the order in which they are to be kept.
        keys: of a list's tiles.
    """
    wanted, places = set(keys), {key[:PLACE] for key in keys}
    seen: set[tuple[str, str | None]] = set()
    live = []
    for slab in slabs:
        rows = []
        for row, key in enumerate(slab.keys):
            identity = key, slab.ways.get(row)
            if identity not in seen and (key in wanted or key[:PLACE] not in places):
                rows.append(row)
                seen.add(identity)
        live.append(rows)
    return live
