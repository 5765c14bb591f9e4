"""Where pixels lie: the grid of an image, its outline, and where its pixels lie in another grid."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from data.decoding.orientation import Size
from data.rasters.places.crs import Mapping2D, crosses_antimeridian, crs_name, crs_way, same_crs
from utils.errors import DataError

Six = tuple[float, float, float, float, float, float]  # a b c d e f: x = a·column + b·row + c, y = d·column + e·row + f
_BLOCK = 1024  # height and width of the windows in which a mask is surveyed
_STEP = 32  # pixels between the points that are transformed exactly
_TOLERANCE = 0.01  # pixels that a position between these points may be off


@dataclass(frozen=True)
class Grid:
    """The pixels of an image, and where they lie.

    Attributes:
        path: the image, for messages.
        size: height and width.
        crs: as WKT or `EPSG:n`; None where it is not known.
        transform: from pixels to the map, a b c d e f; None where it is not known.
        factor: pixels of the file along a side of one of the grid; 1 unless the image is read at another scale.
        file_size: height and width of the file, where the factor is not 1.
    """

    path: Path
    size: Size
    crs: str | None = None
    transform: Six | None = None
    factor: float = 1.0
    file_size: Size | None = None

    @property
    def affine(self) -> Affine:
        """From (column, row) of a pixel's corner to (x, y) on the map; the pixels themselves without a place."""
        return Affine(*self.transform) if self.transform else Affine.identity()

    @property
    def of_file(self) -> "Grid":
        """The grid of the file's own pixels."""
        if self.file_size is None:
            return self
        a, b, c, d, e, f = self.affine[:6]
        own = (a / self.factor, b / self.factor, c, d / self.factor, e / self.factor, f)
        return Grid(self.path, self.file_size, self.crs, own if self.transform else None)

    def has_place_like(self, crs: str | None, transform: Six | None) -> bool:
        """Whether this place and another can be compared: both are known, each with a CRS or each without."""
        return self.transform is not None and transform is not None and bool(self.crs) == bool(crs)

    def outline(self, per_side: int = 32) -> np.ndarray:
        """Points around the image on the map, float (4·per_side, 2), beginning at pixel (0, 0)."""
        height, width = self.size
        return np.stack(apply(self.affine, *ring(height, width, per_side)), axis=-1)


def ring(height: float, width: float, per_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of points around a rectangle of pixels, `per_side` on each side, corners among them."""
    along = np.arange(per_side) / per_side
    zero, one = np.zeros(per_side), np.ones(per_side)
    columns = np.concatenate([along, one, 1 - along, zero]) * width
    rows = np.concatenate([zero, along, one, 1 - along]) * height
    return columns, rows


def apply(affine: Affine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An affine map of arrays of any one shape."""
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def chained(second: Affine, first: Affine) -> Affine:
    """The affine map that is `first` and then `second`; versions of affine disagree on the operator for it."""
    return Affine(
        second.a * first.a + second.b * first.d,
        second.a * first.b + second.b * first.e,
        second.a * first.c + second.b * first.f + second.c,
        second.d * first.a + second.e * first.d,
        second.d * first.b + second.e * first.e,
        second.d * first.c + second.e * first.f + second.f,
    )


def windows(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Top, left, height and width of windows that cover an image, each pixel once."""
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            yield top, left, min(_BLOCK, height - top), min(_BLOCK, width - left)


def extent(bounds: Iterable[float]) -> str:
    """West, south, east and north, for a message."""
    west, south, east, north = (f"{bound:.10g}" for bound in bounds)
    return f"x {west} to {east}, y {south} to {north}"


def outline_in(grid: Grid, crs: str | None) -> np.ndarray:
    """The outline of an image in another CRS, float (N, 2).

    Raises:
        DataError: there is no way, or the image lies outside the CRS's domain or across the antimeridian.
    """
    points = grid.outline()
    if same_crs(grid.crs, crs):
        return points
    points = np.stack(crs_way(str(grid.crs), str(crs))(points[:, 0], points[:, 1]), axis=-1)
    if not np.isfinite(points).all():
        raise DataError(f"{grid.path} lies outside the domain of {crs_name(crs)}; reproject one of the files")
    if crosses_antimeridian(crs, np.ptp(points[:, 0])):
        raise DataError(
            f"{grid.path} crosses the antimeridian, where {crs_name(crs)} is torn; bring both files to one local CRS"
        )
    return points


def common_share(grid: Grid, other: Grid, image: Grid) -> float:
    """Share of the image, one of both, that lies in both, in the plane of the first; 0 where the other has none there.

    The outline of what is large is folded or torn in a plane made for a small region, so both planes are asked.
    """
    if grid.crs:
        crs_way(str(other.crs), grid.crs)  # an error of its own where there is no way at all
    try:
        shapes = {id(grid): grid.outline(), id(other): outline_in(other, grid.crs)}
    except DataError:
        return 0.0
    polygons = {key: shapely.make_valid(shapely.Polygon(points)) for key, points in shapes.items()}
    common = shapely.intersection(polygons[id(grid)], polygons[id(other)])
    return float(shapely.area(common) / shapely.area(polygons[id(image)]))


def bounds_of(grid: Grid) -> np.ndarray:
    """West, south, east and north of a grid in its CRS, float (4,)."""
    points = grid.outline(1)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


# --- From pixels to pixels --------------------------------------------------------------------------------------------


def positions(way: Mapping2D, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the centres of a window's pixels lie in another plane.

    Every 32nd pixel is transformed exactly. The positions between are interpolated where that is right to a hundredth
    of a pixel of the other plane in the middle between these points; else all are transformed.

    Args:
        way: from (column, row) to (column, row) of the other plane.
        top, left, height, width: the window.

    Returns:
        Columns and rows, float (height, width); infinite where there is none.
    """
    rows, columns = top + 0.5 + np.arange(height), left + 0.5 + np.arange(width)
    coarse = [np.linspace(side[0], side[-1], -(-len(side) // _STEP) + 1) for side in (rows, columns)]
    nodes = way(*np.meshgrid(coarse[1], coarse[0]))
    middles = [(side[1:] + side[:-1]) / 2 for side in coarse]
    exact = way(*np.meshgrid(middles[1], middles[0]))
    for found, node in zip(exact, nodes, strict=True):
        between = (node[1:, 1:] + node[1:, :-1] + node[:-1, 1:] + node[:-1, :-1]) / 4
        with np.errstate(invalid="ignore"):
            if not (np.abs(found - between) <= _TOLERANCE).all():  # also where any is infinite
                return way(*np.meshgrid(columns, rows))
    return _refined(nodes[0], height, width), _refined(nodes[1], height, width)


def _refined(nodes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of evenly spaced nodes."""
    for axis, length in enumerate((height, width)):
        nodes = np.moveaxis(nodes, axis, 0)
        place = np.linspace(0, len(nodes) - 1, length)
        below = np.minimum(place.astype(int), len(nodes) - 2)
        part = (place - below)[:, None]
        nodes = np.moveaxis(nodes[below] * (1 - part) + nodes[below + 1] * part, 0, axis)
    return nodes
