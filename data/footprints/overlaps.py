"""Pairs of tiles that show the same ground, by the places in their scene that `tiles.csv` tells."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import shapely

from data.footprints.records import TileRecord


def overlapping_pairs(records: Sequence[TileRecord], least: float = 0.5) -> Iterator[tuple[str, str]]:
    """Names of tiles of one scene of which the smaller shares this part of its pixels, or more, with the other.

    Args:
        records: of the tiles.
        least: the part, above 0.

    Yields:
        Each pair once.
    """
    of_scene = defaultdict(list)
    for record in records:
        of_scene[record.scene].append(record)
    for tiles in of_scene.values():
        boxes = shapely.box(*np.array([(t.column, t.row, t.column + t.width, t.row + t.height) for t in tiles]).T)
        ours, theirs = shapely.STRtree(boxes).query(boxes)
        ours, theirs = ours[ours < theirs], theirs[ours < theirs]
        shared = shapely.area(shapely.intersection(boxes[ours], boxes[theirs]))
        smaller = np.minimum(shapely.area(boxes[ours]), shapely.area(boxes[theirs]))
        for pair in np.flatnonzero(shared >= least * smaller):
            yield tiles[ours[pair]].name, tiles[theirs[pair]].name
