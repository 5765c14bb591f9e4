"""How near the tiles of one list lie to those of another, and how much they overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import shapely

from data.footprints.planes import Plane, planes
from data.footprints.records import TileRecord

TRAIN = "train"
_SLIVER = 1e-6  # share of a tile's area: less is no overlap, but an edge that two tiles share
_ROUNDING = 1e-9  # by which a distance may fall short of the gap that it equals


@dataclass(frozen=True)
class Nearness:
    """Two lists.

    Attributes:
        first, second: their names.
        metres: smallest distance between a tile of one and a tile of the other, 0 where they touch or overlap; None
            where no two have a place, or lie within some 200 km of each other in different CRS.
        pixels: the same between tiles of one scene that have no place.
        overlap: pixels of the second list's tiles that also lie in a tile of the first.
        share: of that list's pixels.
        tiles: tiles of the second list that overlap.
    """

    first: str
    second: str
    metres: float | None
    pixels: float | None
    overlap: int
    share: float
    tiles: int


def too_near(records: Sequence[TileRecord], gap: float) -> list[str]:
    """Names of the training tiles that lie nearer than `gap` to a tile of another list, in their order.

    Args:
        records: all tiles.
        gap: metres on the ground, or pixels of the scene where tiles have no place.
    """
    if gap <= 0:
        return []
    lists = np.array([record.list for record in records], object)
    found: list[int] = []
    for plane in planes(records, max(gap, 2e5)):
        members = plane.members
        training = np.flatnonzero((lists[members] == TRAIN) & np.isin(members, plane.home))
        others = np.flatnonzero((lists[members] != TRAIN) & (lists[members] != ""))
        if len(training) and len(others):
            tree = shapely.STRtree(plane.polygons[others])
            which, distance = tree.query_nearest(
                plane.polygons[training], max_distance=gap, return_distance=True, all_matches=False
            )
            near = distance < gap * (1 - _ROUNDING)
            found += members[training[which[0][near]]].tolist()
    return [records[index].name for index in sorted(found)]


def nearness(records: Sequence[TileRecord]) -> list[Nearness]:
    """Smallest distance and overlap of each two lists, `train` first."""
    names = sorted({record.list for record in records if record.list}, key=lambda name: (name != TRAIN, name))
    lists = np.array([record.list for record in records], object)
    pixels = np.array([record.height * record.width for record in records], np.int64)
    pairs = list(combinations(names, 2))
    distances: dict[tuple[str, str], dict[str, float]] = {pair: {} for pair in pairs}
    overlaps = {pair: np.zeros(len(records), np.int64) for pair in pairs}
    for plane in planes(records):
        for pair in pairs:
            _compare(plane, lists, pixels, pair, distances[pair], overlaps[pair])
    found = []
    for first, second in pairs:
        overlap = overlaps[first, second]
        total = int(pixels[lists == second].sum())
        by_unit = distances[first, second]
        found.append(
            Nearness(
                first, second, by_unit.get("m"), by_unit.get("px"), int(overlap.sum()), float(overlap.sum() / total),
                int(np.count_nonzero(overlap)),
            )
        )  # fmt: skip
    return found


def _compare(
    plane: Plane,
    lists: np.ndarray,
    pixels: np.ndarray,
    pair: tuple[str, str],
    distances: dict[str, float],
    overlaps: np.ndarray,
) -> None:
    """Add what a plane says of two lists: smallest distance by unit, and overlapping pixels by tile."""
    of_member = lists[plane.members]
    first = np.flatnonzero(of_member == pair[0])
    second = np.flatnonzero((of_member == pair[1]) & np.isin(plane.members, plane.home))
    if not len(first) or not len(second):
        return
    tree, polygons = shapely.STRtree(plane.polygons[first]), plane.polygons[second]
    _, distance = tree.query_nearest(polygons, return_distance=True, all_matches=False)
    distances[plane.unit] = min(float(distance.min()), distances.get(plane.unit, np.inf))
    ours, theirs = tree.query(polygons, predicate="intersects")
    common = shapely.intersection(polygons[ours], plane.polygons[first][theirs])
    real = shapely.area(common) > _SLIVER * shapely.area(polygons[ours])
    ours, common = ours[real], common[real]
    if not len(ours):
        return
    order = np.argsort(ours, kind="stable")
    tiles, starts = np.unique(ours[order], return_index=True)
    for index, parts in zip(tiles.tolist(), np.split(common[order], starts[1:]), strict=True):
        area = shapely.union_all(parts).area  # a pixel in two tiles of the first list counts once
        tile = plane.members[second[index]]
        overlaps[tile] = max(1, round(area / polygons[index].area * pixels[tile]))
