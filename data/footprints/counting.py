"""Pixels of a scene that lie in several tiles, counted once."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import shapely

from data.footprints.records import TileRecord

_INWARDS = np.array([0.25, 0.25, -0.25, -0.25])  # pixels, so that a tile overlaps none that it touches


class CountedOnce:
    """Which pixels each tile counts, so that each pixel of a scene counts once: for the tile whose centre is nearest.

    Of tiles whose centres are equally near, the first by row and column counts it. The pixels of two scenes are
    different ones, also where both show the same place: they were taken at different times, or in different light.

    Args:
        records: tiles that are counted together, such as those of one list.
    """

    def __init__(self, records: Sequence[TileRecord]) -> None:
        self.records = records
        self._index = {record.name: index for index, record in enumerate(records)}

    @cached_property
    def _neighbours(self) -> dict[int, list[int]]:
        """Positions of the tiles that overlap each tile, of those that some overlap."""
        of_scene = defaultdict(list)
        for index, record in enumerate(self.records):
            of_scene[record.scene].append(index)
        found: dict[int, list[int]] = defaultdict(list)
        for members in of_scene.values():
            tiles = [self.records[index] for index in members]
            sides = np.array([(t.column, t.row, t.column + t.width, t.row + t.height) for t in tiles])
            boxes = shapely.box(*(sides + _INWARDS).T)
            for ours, theirs in shapely.STRtree(boxes).query(boxes).T.tolist():
                if ours != theirs:
                    found[members[ours]].append(members[theirs])
        return found

    @property
    def overlapping(self) -> int:
        """Number of tiles that share pixels with another."""
        return len(self._neighbours)

    def mask(self, name: str) -> np.ndarray | None:
        """The pixels that a tile counts, bool (height, width); None where it counts all: no other tile has
        them, or it is none of the tiles."""
        index = self._index.get(name)
        if index is None or index not in self._neighbours:
            return None
        tile = self.records[index]
        counts = np.ones((tile.height, tile.width), bool)
        own = self._distance(tile, tile)
        for other in self._neighbours[index]:
            neighbour = self.records[other]
            top, left = max(tile.row, neighbour.row) - tile.row, max(tile.column, neighbour.column) - tile.column
            bottom = min(tile.row + tile.height, neighbour.row + neighbour.height) - tile.row
            right = min(tile.column + tile.width, neighbour.column + neighbour.width) - tile.column
            common = np.s_[top:bottom, left:right]
            theirs = self._distance(neighbour, tile)[common]
            is_first = (tile.row, tile.column, index) < (neighbour.row, neighbour.column, other)
            counts[common] &= own[common] <= theirs if is_first else own[common] < theirs
        return counts

    @staticmethod
    def _distance(tile: TileRecord, window: TileRecord) -> np.ndarray:
        """Squared distance of the pixels of a window from a tile's centre, in quarters of pixels, int64 (H, W)."""
        rows = 2 * (window.row + np.arange(window.height, dtype=np.int64)) + 1 - (2 * tile.row + tile.height)
        columns = 2 * (window.column + np.arange(window.width, dtype=np.int64)) + 1 - (2 * tile.column + tile.width)
        return rows[:, None] ** 2 + columns[None] ** 2
