"""Polygons as masks: rasterised in windows of an image's grid, by the centres of its pixels."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import rasterize

from data.checking.mask_values import MaskValues
from data.labels.polygon_classes import PolygonClasses
from data.labels.vector_files import Layer
from data.rasters.crs import crosses_antimeridian, crs_name, crs_of, crs_way, same_crs, unit_of
from data.rasters.grids import Grid, extent, outline_in, windows
from utils.errors import DataError
from utils.imagery.labels import count_classes
from utils.suggest import first_names

_LONG = 500  # points of a polygon from which on it is cut to the window before it is drawn
_MARGIN = 2.0  # pixels around a window that such a polygon keeps
_RADIUS = 6_371_000.0  # metres, of the Earth


class PolygonLabels:
    """The polygons of a layer, ready to be drawn on the grids of images.

    Args:
        layer: the polygons and their classes.
        classes: which class lies above which, and what the background is.
    """

    def __init__(self, layer: Layer, classes: PolygonClasses) -> None:
        self.layer, self.classes = layer, classes
        self._tree = shapely.STRtree(layer.polygons)

    def on(self, grid: Grid) -> "PolygonMask":
        """The polygons on the grid of an image, which may touch none of them.

        Raises:
            DataError: the places cannot be compared, or polygons near the image cannot be brought to its CRS.
        """
        return PolygonMask(grid, self.classes, *self._in_pixels(grid))

    def check_touch(self, grids: Sequence[Grid]) -> None:
        """Refuse polygons that touch none of the images.

        Raises:
            DataError: says where both lie.
        """
        if any(len(self._near(grid)) for grid in grids):
            return
        bounds = np.concatenate([outline_in(grid, self.layer.crs) for grid in grids])
        theirs = shapely.total_bounds(self.layer.polygons)
        raise DataError(
            f"{self.layer.path}: none of its {len(self.layer.polygons)} polygons touches an image: they cover "
            f"{extent(theirs)}, the images {extent([*bounds.min(axis=0), *bounds.max(axis=0)])} "
            f"({crs_name(self.layer.crs)}); check the files, and their CRS"
        )

    def _near(self, grid: Grid) -> np.ndarray:
        """Positions of the polygons that touch an image's outline or lie within it, ascending."""
        if grid.transform is None:
            raise DataError(f"{grid.path} has no place, so that the polygons of {self.layer.path} have none in it")
        if bool(grid.crs) != bool(self.layer.crs):
            which = grid.path if not grid.crs else self.layer.path
            raise DataError(f"{which} has no CRS, so that polygons and images cannot be brought together; give it one")
        outline = shapely.Polygon(outline_in(grid, self.layer.crs))
        return np.sort(self._tree.query(outline, predicate="intersects"))

    def _in_pixels(self, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """Polygons that touch an image in its pixels (column, row), from the lowest to the highest; their ids."""
        near = self._near(grid)
        near = near[np.argsort(self.classes.ranks[self.layer.ids[near]], kind="stable")]
        polygons, ids = self.layer.polygons[near], self.layer.ids[near]
        crs = self.layer.crs
        torn = [crosses_antimeridian(crs, east - west) for west, _, east, _ in shapely.bounds(polygons).reshape(-1, 4)]
        if any(torn):
            raise self._unplaced(near[torn], grid.path, "cross the antimeridian or the globe; cut them there")
        if crs and not same_crs(crs, grid.crs):
            way = crs_way(crs, str(grid.crs))
            polygons = shapely.segmentize(polygons, self._straight(grid))
            polygons = shapely.transform(polygons, lambda points: np.stack(way(points[:, 0], points[:, 1]), axis=-1))
            if not (finite := np.isfinite(shapely.bounds(polygons).reshape(-1, 4)).all(axis=1)).all():
                raise self._unplaced(
                    near[~finite], grid.path, f"leave the domain of {crs_name(grid.crs)}; cut them there"
                )
        to_pixels = ~grid.affine
        matrix = [to_pixels.a, to_pixels.b, to_pixels.d, to_pixels.e]
        offset = [to_pixels.c, to_pixels.f]
        return shapely.transform(polygons, lambda points: points @ np.reshape(matrix, (2, 2)).T + offset), ids

    def _straight(self, grid: Grid) -> float:
        """Length in the layer's CRS up to which an edge may be taken for straight in that of an image.

        A straight edge in one CRS is a curve in another. Up to 84° of latitude, where the tangent is about 10, an edge
        of length s departs from it by less than 10 s² / 8 R, here an eighth of a pixel.
        """
        corners = outline_in(grid, self.layer.crs)
        pixel = float(np.hypot(*np.ptp(corners, axis=0)) / np.hypot(*grid.size))
        crs = crs_of(str(self.layer.crs))
        radius = np.degrees(1.0) if crs.is_geographic else _RADIUS / unit_of(crs)
        return float(np.sqrt(0.1 * radius * pixel))

    def _unplaced(self, which: np.ndarray, image: Path, fault: str) -> DataError:
        numbers = first_names([str(number) for number in self.layer.numbers[which]])
        return DataError(f"{self.layer.path}: polygons that touch {image} (number {numbers}) {fault}")


class PolygonMask:
    """Polygons as the mask of one image. Where they overlap, the last one lies on top.

    A pixel belongs to the polygons that its centre lies in.

    Args:
        grid: the image's.
        classes: what the background is.
        polygons: in pixels (column, row) of the image, from the lowest to the highest, shape (N,).
        ids: their class ids, uint8, shape (N,).
    """

    def __init__(self, grid: Grid, classes: PolygonClasses, polygons: np.ndarray, ids: np.ndarray) -> None:
        self.grid, self.classes, self.polygons, self.class_ids = grid, classes, polygons, ids
        self._tree = shapely.STRtree(polygons)
        self._is_long = shapely.get_num_coordinates(polygons) > _LONG
        shapely.prepare(polygons)

    @cached_property
    def values(self) -> MaskValues:
        """Pixels of each class on the image's grid, by code or colour; what has no class counts as transparent."""
        counts = np.zeros(len(self.classes.description.classes), np.int64)
        for window in windows(*self.grid.size):
            counts += count_classes(self.ids(*window), len(counts))
        pixels = {self.classes.value_of(index): int(counts[index]) for index in np.flatnonzero(counts).tolist()}
        height, width = self.grid.size
        return MaskValues(1, pixels, transparent=height * width - int(counts.sum()))

    def ids(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Class ids of a window of the image, uint8 (height, width), 255 where a pixel has no class."""
        window = shapely.box(left, top, left + width, top + height)
        shapes = list(self._shapes(window))
        drawn = np.full((height, width), self.classes.background_id, np.uint8)
        if not shapes:
            return drawn
        transform = Grid(self.grid.path, (height, width), None, (1.0, 0.0, left, 0.0, 1.0, top)).affine
        return rasterize(shapes, out=drawn, transform=transform, all_touched=False)

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
                yield polygon, int(self.class_ids[index])
