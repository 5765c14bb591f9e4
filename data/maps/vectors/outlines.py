"""Polygons of a raster of class ids: its connected regions, found band by band so that no image is held whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.features import shapes

from data.rasters.files.gdal import data_errors
from utils.imagery.labels import IGNORE_INDEX

_BAND_PIXELS = 1 << 22  # of rows that are looked at together
CONNECTIVITY = 4  # pixels that share an edge; regions that touch at corners alone have no valid outline


@dataclass(frozen=True)
class Regions:
    """Connected regions of pixels of one class.

    Attributes:
        polygons: valid, along edges of pixels, in (column, row) of the raster, shape (N,).
        ids: of their classes, uint8, shape (N,).
    """

    polygons: np.ndarray
    ids: np.ndarray


def regions_of(path: Path, band_pixels: int = _BAND_PIXELS) -> Iterator[Regions]:
    """The regions of a raster of class ids, each once and whole; 255 is no class.

    Pixels of one class that share an edge are one region. Each band of rows gives its own polygons; those that reach
    its last row wait until what continues them has ended. What is held grows with these alone.

    Args:
        path: the raster, whose first band holds the ids.
        band_pixels: of rows that are looked at together.

    Yields:
        Regions in no particular order.

    Raises:
        DataError: the raster cannot be read.
    """
    with data_errors(path, "cannot be read", "make the map again"), rasterio.open(path) as file:
        rows = max(1, band_pixels // file.width)
        seam = _Seam(file.width)
        for top in range(0, file.height, rows):
            count = min(rows, file.height - top)
            ids = file.read(1, window=((top, top + count), (0, file.width)))
            yield seam.add(top, ids, is_last=top + count == file.height)


class _Seam:
    """Regions that are open at the lower edge of what was seen, in pieces.

    Args:
        width: of the raster.
    """

    def __init__(self, width: int) -> None:
        self._pieces: dict[int, list[shapely.Polygon]] = {}  # of each open region, by its number
        self._ids: dict[int, int] = {}
        self._owners = np.full(width, -1)  # number of the open region above each column; -1: there is none
        self._next = 0

    def add(self, top: int, ids: np.ndarray, is_last: bool) -> Regions:
        """Regions that have ended with a band of rows.

        Args:
            top: the first row.
            ids: uint8 (rows, W).
            is_last: whether no band follows.
        """
        polygons, classes = _outlines(ids, top)
        bounds = shapely.bounds(polygons).reshape(-1, 4)
        at_top, at_bottom = bounds[:, 1] == top, (bounds[:, 3] == top + len(ids)) & (not is_last)
        is_done = ~(at_bottom | (at_top if top else False))
        done, done_ids = [*polygons[is_done]], [*classes[is_done]]
        numbers = self._joined(top, polygons, classes, np.flatnonzero(~is_done), at_top)
        owners = np.full_like(self._owners, -1)
        for index in np.flatnonzero(at_bottom).tolist():
            _paint(owners, polygons[index], top + len(ids), numbers[index])
        still_open = set(owners[owners >= 0].tolist())
        for number in [number for number in self._pieces if number not in still_open]:
            done.append(_whole(self._pieces.pop(number)))
            done_ids.append(self._ids.pop(number))
        self._owners = owners
        return Regions(np.array(done, object), np.array(done_ids, np.uint8))

    def _joined(
        self, top: int, polygons: np.ndarray, classes: np.ndarray, indices: np.ndarray, at_top: np.ndarray
    ) -> dict[int, int]:
        """Give polygons that touch a seam to open regions; the number of each one's region by its index."""
        below = np.full_like(self._owners, -1)  # the polygon at each column
        for index in indices.tolist():
            self._pieces[self._next + index], self._ids[self._next + index] = [polygons[index]], int(classes[index])
            if at_top[index]:
                _paint(below, polygons[index], top, index)
        known = np.array([self._ids.get(number, -1) for number in range(self._next)] or [-1])
        touch = (self._owners >= 0) & (below >= 0)
        touch[touch] = known[self._owners[touch]] == classes[below[touch]]
        parents: dict[int, int] = {}
        for above, index in set(zip(self._owners[touch].tolist(), below[touch].tolist(), strict=True)):
            one, other = _root(parents, above), _root(parents, self._next + index)
            if one != other:
                parents[max(one, other)] = min(one, other)
        for number in sorted(parents):
            self._pieces[_root(parents, number)] += self._pieces.pop(number)
            self._ids.pop(number)
        numbers = {index: _root(parents, self._next + index) for index in indices.tolist()}
        return self._renumbered(numbers)

    def _renumbered(self, numbers: dict[int, int]) -> dict[int, int]:
        """Number the open regions from 0, so that numbers do not grow with the image."""
        new = {old: number for number, old in enumerate(self._pieces)}
        self._pieces = {new[old]: pieces for old, pieces in self._pieces.items()}
        self._ids = {new[old]: index for old, index in self._ids.items()}
        self._next = len(new)
        return {index: new[old] for index, old in numbers.items()}


def _outlines(ids: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Polygons of a band of rows, in (column, row) of the raster, shape (N,), and their class ids, shape (N,)."""
    rings: list[np.ndarray] = []
    owners: list[int] = []  # the polygon of each ring
    classes: list[int] = []
    in_raster = Affine(1, 0, 0, 0, 1, top)
    for shape, value in shapes(ids, mask=ids != IGNORE_INDEX, connectivity=CONNECTIVITY, transform=in_raster):
        owners += [len(classes)] * len(shape["coordinates"])
        rings += [np.array(ring) for ring in shape["coordinates"]]
        classes.append(int(value))
    if not rings:
        return np.array([], object), np.array([], np.uint8)
    lines = shapely.linearrings(np.concatenate(rings), indices=np.repeat(np.arange(len(rings)), list(map(len, rings))))
    return shapely.polygons(lines, indices=owners), np.array(classes, np.uint8)


def _paint(owners: np.ndarray, polygon: shapely.Polygon, row: int, number: int) -> None:
    """Set the owner of the columns where a polygon has an edge along the top of a row."""
    corners = shapely.get_coordinates(shapely.get_exterior_ring(polygon))
    edges = np.flatnonzero((corners[:-1, 1] == row) & (corners[1:, 1] == row))
    ends = np.sort(np.stack([corners[edges, 0], corners[edges + 1, 0]], axis=-1), axis=1).astype(int)
    for left, right in ends.tolist():
        owners[left:right] = number


def _root(parents: dict[int, int], number: int) -> int:
    while number in parents:
        number = parents[number]
    return number


def _whole(pieces: list[shapely.Polygon]) -> shapely.Polygon:
    """One polygon of pieces that share edges, without the points that lie on straight lines between others."""
    if len(pieces) == 1:
        return pieces[0]
    rings = shapely.get_rings(shapely.union_all(pieces))
    corners, owners = shapely.get_coordinates(rings, return_index=True)
    is_first = np.diff(owners, prepend=-1) > 0
    corners, owners = corners[~is_first], owners[~is_first]  # the first point is also the last
    counts = np.bincount(owners)
    ends = np.cumsum(counts)
    before, after = np.arange(-1, len(owners) - 1), np.arange(1, len(owners) + 1)
    before[ends - counts], after[ends - 1] = ends - 1, ends - counts
    straight = ((corners[before] == corners) & (corners == corners[after])).any(axis=1)
    lines = shapely.linearrings(corners[~straight], indices=owners[~straight])
    return shapely.Polygon(lines[0], lines[1:])
