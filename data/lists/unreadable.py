"""Tiles of which some cannot be read: found before a run begins, marked when one turns unreadable later."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from data.batches.samplers import Draw
from data.batches.samples import ClassificationSample, ClassificationTiles
from data.cache import CacheSettings, MappedTiles, TileArray
from data.checking.survey import lenient_reader
from data.descriptions import Description
from data.reader import TileReader
from data.tiles import Tiles, open_tiles
from utils.compute.threads import in_threads
from utils.errors import DataError
from utils.imagery.labels import UNREADABLE
from utils.wording import worded


def open_readable(
    description: Description, data_dir: Path, names: Sequence[str], cache: CacheSettings | None, skip: bool
) -> tuple[Tiles, list[int]]:
    """Open the tiles of a list after each image was decoded once.

    Args:
        description, data_dir, names, cache: as for `open_tiles`.
        skip: leave unreadable tiles out instead of ending with an error.

    Returns:
        All tiles, and the positions of those that cannot be read and must not be asked for.

    Raises:
        DataError: a tile cannot be read and `skip` is False, or none can.
    """
    try:
        tiles = open_tiles(description, data_dir, names, cache=cache)
    except DataError:
        if not skip:
            raise
        return _open_the_rest(description, data_dir, names, cache)
    if isinstance(tiles.images, MappedTiles):  # decoded when they were cached
        return tiles, []
    unreadable = _find_unreadable(tiles.reader, names)
    if unreadable and not skip:
        tiles.image(unreadable[0])  # says what is wrong
    return tiles, unreadable


def _open_the_rest(
    description: Description, data_dir: Path, names: Sequence[str], cache: CacheSettings | None
) -> tuple[Tiles, list[int]]:
    unreadable = _find_unreadable(lenient_reader(description, data_dir, names), names)
    rows = np.setdiff1d(np.arange(len(names)), unreadable)
    if len(rows) == 0:
        raise DataError(worded("none of the {} images can be read; check {data_dir} and the list", len(names)))
    readable = open_tiles(description, data_dir, [names[row] for row in rows], cache=cache)
    return replace(readable, names=names, images=_SomeTiles(readable.images, rows, len(names))), unreadable


def _find_unreadable(reader: TileReader, names: Sequence[str]) -> list[int]:
    def is_readable(name: str) -> bool:
        try:
            reader.image(name)
        except DataError:
            return False
        return True

    found = in_threads(is_readable, names, "checking images", "tile")
    return [index for index, readable in enumerate(found) if not readable]


class _SomeTiles:
    """Decoded tiles of a list in which some are missing."""

    def __init__(self, tiles: TileArray, rows: np.ndarray, total: int) -> None:
        self.tiles, self.rows, self.total = tiles, rows, total

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, index: int) -> np.ndarray:
        place = int(np.searchsorted(self.rows, index))
        if place == len(self.rows) or self.rows[place] != index:
            raise DataError(f"tile {index} of the list could not be read when the run began")
        return self.tiles[place]


class MarkedTiles(Dataset[ClassificationSample]):
    """Tiles of which one that cannot be read comes blank, with `UNREADABLE` for its label."""

    def __init__(self, tiles: ClassificationTiles) -> None:
        self.tiles = tiles

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> ClassificationSample:
        try:
            return self.tiles[draw]
        except DataError:
            window = self.tiles.transform.window
            assert window is not None
            blank = torch.zeros(3, *window, dtype=torch.uint8)
            return ClassificationSample(blank, UNREADABLE, torch.tensor(window), Draw.of(draw).tile)
