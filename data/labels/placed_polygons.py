"""Polygons of a vector file in the pixels of an image: which of them touch it, and how they are drawn in windows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from data.labels.vector_files import Polygons
from data.rasters.places.crs import crosses_antimeridian, crs_name, crs_of, crs_way, same_crs, unit_of
from data.rasters.places.grids import Grid, extent, outline_in
from utils.errors import DataError
from utils.suggest import first_names

_LONG = 500  # points of a polygon from which on it is cut to the window before it is drawn
_MARGIN = 2.0  # pixels around a window that such a polygon keeps
_RADIUS = 6_371_000.0  # metres, of the Earth


def outline_of(grid: Grid, path: Path, crs: str | None) -> shapely.Polygon:
    """The outline of an image in the CRS of a file of polygons.

    Args:
        grid: the image's.
        path, crs: of the file.

    Raises:
        DataError: the places cannot be compared.
    """
    if grid.transform is None:
        raise DataError(f"{grid.path} has no place, so that the polygons of {path} have none in it")
    if bool(grid.crs) != bool(crs):
        which = grid.path if not grid.crs else path
        raise DataError(f"{which} has no CRS, so that polygons and images cannot be brought together; give it one")
    if grid.crs and crs:
        try:
            crs_way(grid.crs, crs)
        except DataError as error:
            raise DataError(f"{path} and {grid.path}: {error}") from error
    return shapely.Polygon(outline_in(grid, crs))


class PlacedPolygons:
    """The polygons of a file, to be found by where they lie.

    Args:
        found: the polygons.
    """

    def __init__(self, found: Polygons) -> None:
        self.found = found
        self._tree = shapely.STRtree(found.polygons)

    def near(self, grid: Grid) -> np.ndarray:
        """Positions of the polygons that touch an image's outline or lie within it, ascending.

        Raises:
            DataError: the places cannot be compared.
        """
        outline = outline_of(grid, self.found.path, self.found.crs)
        return np.sort(self._tree.query(outline, predicate="intersects"))

    def elsewhere(
        self, grids: Sequence[Grid], none: str, those: str, whole: tuple[int, np.ndarray] | None = None
    ) -> str:
        """That polygons and images lie apart, and where, as a message.

        Args:
            grids: of the images.
            none: what no polygon touches, such as "an image".
            those: the images, such as "the images".
            whole: number and bounds of all polygons of the file, where some alone were read.
        """
        path, crs, polygons = self.found.path, self.found.crs, self.found.polygons
        count, theirs = whole or (len(polygons), shapely.total_bounds(polygons))
        bounds = np.concatenate([outline_in(grid, crs) for grid in grids])
        return (
            f"{path}: none of its {count} polygons touches {none}: they cover "
            f"{extent(theirs)}, {those} {extent([*bounds.min(axis=0), *bounds.max(axis=0)])} "
            f"({crs_name(crs)}); check the files, and their CRS"
        )

    def in_pixels(self, grid: Grid, which: np.ndarray) -> np.ndarray:
        """Polygons in the pixels (column, row) of an image.

        Args:
            grid: the image's.
            which: positions of the polygons, of those that are `near`.

        Raises:
            DataError: some cannot be brought to the image's CRS.
        """
        crs, polygons = self.found.crs, self.found.polygons[which]
        torn = [crosses_antimeridian(crs, east - west) for west, _, east, _ in shapely.bounds(polygons).reshape(-1, 4)]
        if any(torn):
            raise self._unplaced(which[torn], grid, "cross the antimeridian or the globe; cut them there")
        if crs and not same_crs(crs, grid.crs):
            way = crs_way(crs, str(grid.crs))
            polygons = shapely.segmentize(polygons, self._straight(grid))
            polygons = shapely.transform(polygons, lambda points: np.stack(way(points[:, 0], points[:, 1]), axis=-1))
            if not (finite := np.isfinite(shapely.bounds(polygons).reshape(-1, 4)).all(axis=1)).all():
                raise self._unplaced(which[~finite], grid, f"leave the domain of {crs_name(grid.crs)}; cut them there")
        to_pixels = ~grid.affine
        matrix = np.array([[to_pixels.a, to_pixels.b], [to_pixels.d, to_pixels.e]])
        offset = np.array([to_pixels.c, to_pixels.f])
        return shapely.transform(polygons, lambda points: points @ matrix.T + offset)

    def _straight(self, grid: Grid) -> float:
        """Length in the layer's CRS up to which an edge may be taken for straight in that of an image.

        A straight edge in one CRS is a curve in another. Up to 84° of latitude, where the tangent is about 10, an edge
        of length s departs from it by less than 10 s² / 8 R, here an eighth of a pixel.
        """
        corners = outline_in(grid, self.found.crs)
        pixel = float(np.hypot(*np.ptp(corners, axis=0)) / np.hypot(*grid.size))
        crs = crs_of(str(self.found.crs))
        radius = np.degrees(1.0) if crs.is_geographic else _RADIUS / unit_of(crs)
        return float(np.sqrt(0.1 * radius * pixel))

    def _unplaced(self, which: np.ndarray, grid: Grid, fault: str) -> DataError:
        numbers = first_names([str(number) for number in self.found.numbers[which]])
        return DataError(f"{self.found.path}: polygons that touch {grid.path} (number {numbers}) {fault}")


class DrawnPolygons:
    """Polygons that are drawn in windows of an image. Where they overlap, the last one lies on top.

    A pixel belongs to the polygons that its centre lies in.

    Args:
        polygons: in pixels (column, row) of the image, from the lowest to the highest, shape (N,).
        values: of each, uint8, shape (N,).
        background: the value of pixels that no polygon covers.
    """

    def __init__(self, polygons: np.ndarray, values: np.ndarray, background: int) -> None:
        self.polygons, self.values, self.background = polygons, values, background
        self._tree = shapely.STRtree(polygons)
        self._is_long = shapely.get_num_coordinates(polygons) > _LONG
        shapely.prepare(polygons)

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Values of a window of the image, uint8 (height, width)."""
        window = shapely.box(left, top, left + width, top + height)
        shapes = list(self._shapes(window))
        drawn = np.full((height, width), self.background, np.uint8)
        if not shapes:
            return drawn
        return rasterize(shapes, out=drawn, transform=Affine(1, 0, left, 0, 1, top), all_touched=False)

    def _shapes(self, window: shapely.Polygon) -> Iterator[tuple[shapely.Geometry, int]]:
        """Polygons that a window needs, from the lowest to the highest, and their ids."""
        west, south, east, north = window.bounds
        for index in np.sort(self._tree.query(window)).tolist():
            polygon = self.polygons[index]
            if self._is_long[index]:  # a coastline is not drawn whole in each window
                if not shapely.intersects(polygon, window):
                    continue
                if shapely.contains_properly(polygon, window):
                    polygon = window
                else:
                    polygon = shapely.clip_by_rect(
                        polygon, west - _MARGIN, south - _MARGIN, east + _MARGIN, north + _MARGIN
                    )
            if polygon.area > 0:
                yield polygon, int(self.values[index])
