"""Planes in which the distances between tiles are metres on the ground, or pixels where tiles have no place."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import Proj
from pyproj.exceptions import ProjError

from data.footprints.records import TileRecord, footprints
from data.rasters.places.crs import crs_of, crs_way, same_crs, unit_of

DEGREES = "EPSG:4326"
_TRUE = 0.01  # by which a projection's scale may differ from 1: within it, its coordinates are taken for metres
_CELL = 4.0  # degrees of latitude: beyond that a plane of its own, so that its scale is true to a thousandth
_METRES_PER_DEGREE = 111_000.0  # of latitude


@dataclass(frozen=True)
class Plane:
    """Tiles in one plane.

    Attributes:
        home: positions, among all tiles, of those that find here every tile near them.
        members: positions of all tiles that lie here, `home` among them.
        polygons: of the members.
        unit: of their coordinates, "m" or "px".
    """

    home: np.ndarray
    members: np.ndarray
    polygons: np.ndarray
    unit: str


def planes(records: Sequence[TileRecord], reach: float = 2 * _METRES_PER_DEGREE) -> Iterator[Plane]:
    """The planes in which tiles are neighbours.

    Tiles of one projected CRS whose scale is true lie in its plane; others in planes of 4° of latitude and as many
    kilometres in longitude. Tiles without a place lie in the pixels of their scene.

    Args:
        records: tiles.
        reach: metres within which a plane of others holds all neighbours of its home tiles.
    """
    unplaced = defaultdict(list)
    for index, record in enumerate(records):
        if not record.has_place:
            unplaced[record.scene].append(index)
    for members in unplaced.values():
        tiles = [records[index] for index in members]
        corners = np.array([(t.column, t.row, t.column + t.width, t.row + t.height) for t in tiles], float)
        where = np.array(members)
        yield Plane(where, where, shapely.box(*corners.T), "px")
    placed = np.array([index for index, record in enumerate(records) if record.has_place], int)
    if len(placed):
        yield from _on_earth(records, placed, reach)


def _on_earth(records: Sequence[TileRecord], placed: np.ndarray, reach: float) -> Iterator[Plane]:
    tiles = [records[index] for index in placed]
    degrees = footprints(tiles, DEGREES, 1)
    crs, metres = plane_of({str(tile.crs) for tile in tiles}, degrees.reshape(-1, 2))
    if crs is not None:
        yield Plane(placed, placed, shapely.polygons(footprints(tiles, crs, 1) * metres), "m")
        return
    longitude, latitude = degrees[:, 0, 0], degrees[:, 0, 1]
    margin = _CELL / 2 + reach / _METRES_PER_DEGREE
    for centre, home in _cells(longitude, latitude):
        shrink = np.cos(np.radians(min(abs(centre[1]) + margin, 89.0)))
        beside = np.abs((longitude - centre[0] + 180) % 360 - 180) <= margin / shrink
        near = np.flatnonzero(beside & (np.abs(latitude - centre[1]) <= margin))
        polygons = shapely.polygons(footprints([tiles[index] for index in near], around(*centre), 1))
        yield Plane(placed[home], placed[near], polygons, "m")


def _cells(longitude: np.ndarray, latitude: np.ndarray) -> Iterator[tuple[tuple[float, float], np.ndarray]]:
    """Centres of cells of the globe, and the positions of the points in each."""
    rows = np.floor(latitude / _CELL).astype(int)
    middles = (rows + 0.5) * _CELL
    per_row = np.maximum(1, np.floor(360 / _CELL * np.cos(np.radians(middles)))).astype(int)
    columns = np.floor((longitude % 360) / 360 * per_row).astype(int)
    of_cell = defaultdict(list)
    for index, key in enumerate(zip(rows.tolist(), columns.tolist(), per_row.tolist(), strict=True)):
        of_cell[key].append(index)
    for (row, column, count), members in of_cell.items():
        centre = (column + 0.5) * 360 / count
        yield ((centre + 180) % 360 - 180, (row + 0.5) * _CELL), np.array(members)


def plane_of(crs: Iterable[str], degrees: np.ndarray) -> tuple[str | None, float]:
    """The projected CRS that all share, if its coordinates are true to a hundredth, and metres in its unit.

    Args:
        crs: of what lies in the plane.
        degrees: longitudes and latitudes of points that lie there, float (N, 2).
    """
    first, *others = sorted(crs)
    if not crs_of(first).is_projected or not all(same_crs(first, other) for other in others):
        return None, 1.0
    ends = [degrees[pick(degrees[:, axis])] for axis in (0, 1) for pick in (np.argmin, np.argmax)]
    try:
        scales = [
            getattr(Proj(crs_of(first)).get_factors(*point), f"{way}_scale")
            for point in ends
            for way in ("meridional", "parallel")
        ]
    except ProjError:
        return None, 1.0
    if not all(abs(scale - 1) <= _TRUE for scale in scales):
        return None, 1.0
    return first, unit_of(crs_of(first))


def around(longitude: float, latitude: float) -> str:
    """A plane in metres around a point: distances from there are true, others nearly so near it."""
    return f"+proj=aeqd +lon_0={longitude:.9f} +lat_0={latitude:.9f} +datum=WGS84 +units=m +type=crs"


def centre_of(degrees: np.ndarray) -> tuple[float, float]:
    """Longitude and latitude of the middle of points (N, 2), also across the antimeridian."""
    longitude, latitude = np.radians(degrees).T
    flat = np.cos(latitude)
    x, y, z = (np.mean(part) for part in (flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)))
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def to_degrees(crs: str, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) of a CRS as longitude and latitude."""
    return np.stack(crs_way(crs, DEGREES)(points[:, 0], points[:, 1]), axis=-1)
