"""Blocks: tiles that stay on one side of a split, because they are neighbours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.footprints.planes import around, centre_of, plane_of, to_degrees
from data.footprints.records import TileRecord, in_degrees
from data.rasters.places.crs import crs_way
from data.rasters.places.grids import Grid

_OVERLAP = 1e-4  # share of the smaller scene's area: less is an edge that two scenes share
_SIDES = (("column", "width"), ("row", "height"))  # along x and along y
_ROUNDING = 1e-9  # of a block's side, by which a centre may fall short of the border that it lies on


def blocks(scenes: Mapping[str, Grid], records: Sequence[TileRecord], block_size: float | None = None) -> list[str]:
    """The block of each tile: by the place of its centre in a grid of squares.

    Scenes whose footprints overlap, also in different CRS, share one grid of blocks, which begins in the upper left
    corner of them all. Without a block size, such scenes are one block, and any other scene is one.

    Args:
        scenes: where the scenes lie, by name.
        records: tiles.
        block_size: side of a block in metres on the ground, or in pixels where a scene has no place.

    Returns:
        Names of blocks: that of the first scene of those that overlap, and the block's row and column.
    """
    found = [""] * len(records)
    of_scene = defaultdict(list)
    for index, record in enumerate(records):
        of_scene[record.scene].append(index)
    for cluster in overlapping_scenes(scenes):
        members = [index for name in cluster for index in of_scene[name]]
        if block_size is None or not members:
            places = [""] * len(members)
        else:
            points, origin = _in_plane({name: scenes[name] for name in cluster}, [records[index] for index in members])
            steps = np.abs(points - origin) / block_size
            rows_and_columns = np.floor(steps[:, ::-1] + _ROUNDING).astype(int).tolist()
            places = [f"/{row}_{column}" for row, column in rows_and_columns]
        for index, place in zip(members, places, strict=True):
            found[index] = f"{cluster[0]}{place}"
    return found


def overlapping_scenes(scenes: Mapping[str, Grid]) -> list[list[str]]:
    """Names of scenes, those together whose footprints overlap, directly or through others; sorted by name."""
    names = sorted(scenes)
    placed = [name for name in names if scenes[name].crs and scenes[name].transform]
    outlines = [to_degrees(str(scenes[name].crs), scenes[name].outline(8)) for name in placed]
    polygons = in_degrees(np.array(outlines)) if outlines else np.array([], object)
    left, right = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    area = shapely.area(shapely.intersection(polygons[left], polygons[right]))
    real = area > _OVERLAP * np.minimum(shapely.area(polygons[left]), shapely.area(polygons[right]))
    count = len(placed)
    graph = coo_array((real[real], (left[real], right[real])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1].tolist() if count else []
    clusters: dict[object, list[str]] = defaultdict(list)
    for name, label in zip(placed, labels, strict=True):
        clusters[label].append(name)
    alone = [[name] for name in names if name not in set(placed)]
    return sorted([*clusters.values(), *alone])


def _in_plane(scenes: Mapping[str, Grid], records: Sequence[TileRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Centres of tiles (x, y), float (N, 2), and the upper left corner of the scenes, in metres, or else in pixels."""
    if not all(grid.crs and grid.transform for grid in scenes.values()):
        return np.array([(r.column + r.width / 2, r.row + r.height / 2) for r in records]), np.zeros(2)
    degrees = {name: to_degrees(str(grid.crs), grid.outline(8)) for name, grid in scenes.items()}
    points = np.concatenate(list(degrees.values()))
    crs, metres = plane_of({str(grid.crs) for grid in scenes.values()}, points)
    crs = crs or around(*centre_of(points))
    of_scene = defaultdict(list)
    for index, record in enumerate(records):
        of_scene[record.scene].append(index)
    corners, centres = [], np.zeros((len(records), 2))
    for name, grid in scenes.items():
        way = crs_way(str(grid.crs), crs)
        corners.append(np.stack(way(*grid.outline(8).T), axis=-1))
        mine = of_scene[name]
        tiles = [records[index] for index in mine]
        x, y = (np.array([getattr(t, at) + getattr(t, side) / 2 for t in tiles]) for at, side in _SIDES)
        affine = grid.affine
        on_map = affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f
        centres[mine] = np.stack(way(*on_map), axis=-1)
    around_all = np.concatenate(corners)
    origin = np.array([around_all[:, 0].min(), around_all[:, 1].max()])
    return centres * metres, origin * metres
