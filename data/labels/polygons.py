"""Polygons as masks: rasterised in windows of an image's grid, by the centres of its pixels."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely

from data.checking.mask_values import MaskValues
from data.labels.placed_polygons import DrawnPolygons, PlacedPolygons, outline_of
from data.labels.polygon_classes import PolygonClasses
from data.labels.vector_files import Layer, read_layer, whole_layer
from data.rasters.places.grids import Grid, windows
from utils.errors import DataError
from utils.imagery.labels import count_classes

_AROUND = 0.01  # of an image's diagonal, within which polygons are read: more than its sides are curved


def open_labels(
    path: Path, classes: PolygonClasses, grids: Sequence[Grid], field: str | None, layer: str | None = None
) -> "PolygonLabels":
    """Polygons for some images: of a layer, those near them.

    Args:
        path: the file.
        classes: what the values of the field mean.
        grids: of the images.
        field, layer: as of `read_layer`.

    Raises:
        OptionError, DataError: as of `read_layer`, or no polygon touches an image, or places cannot be compared.
    """

    def near(crs: str | None) -> shapely.Geometry:
        outlines = np.array([outline_of(grid, path, crs) for grid in grids])
        sides = shapely.bounds(outlines)
        margins = _AROUND * np.hypot(sides[:, 2] - sides[:, 0], sides[:, 3] - sides[:, 1])
        return shapely.union_all(shapely.buffer(outlines, margins))

    labels = PolygonLabels(read_layer(path, classes, field, layer, near), classes)
    labels.check_touch(grids)
    return labels


class PolygonLabels:
    """The polygons of a layer, ready to be drawn on the grids of images.

    Args:
        layer: the polygons and their classes.
        classes: which class lies above which, and what the background is.
    """

    def __init__(self, layer: Layer, classes: PolygonClasses) -> None:
        self.layer, self.classes = layer, classes
        self._placed = PlacedPolygons(layer)

    def on(self, grid: Grid) -> "PolygonMask":
        """The polygons on the grid of an image, which may touch none of them.

        Raises:
            DataError: the places cannot be compared, or polygons near the image cannot be brought to its CRS.
        """
        near = self._placed.near(grid)
        near = near[np.argsort(self.classes.ranks[self.layer.ids[near]], kind="stable")]
        return PolygonMask(grid, self.classes, self._placed.in_pixels(grid, near), self.layer.ids[near])

    def check_touch(self, grids: Sequence[Grid]) -> None:
        """Refuse polygons that touch none of the images.

        Raises:
            DataError: says where both lie.
        """
        if any(len(self._placed.near(grid)) for grid in grids):
            return
        whole = whole_layer(self.layer.path, self.layer.name)
        if not np.isfinite(whole[1]).all():
            raise DataError(
                f"{self.layer.path}, layer {self.layer.name}, has no geometry in any of its {whole[0]} features"
            )
        raise DataError(self._placed.elsewhere(grids, "an image", "the images", whole))


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
        self.grid, self.classes = grid, classes
        self._drawn = DrawnPolygons(polygons, ids, classes.background_id)

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
        return self._drawn.window(top, left, height, width)
