"""The area that is mapped: polygons of a vector file in any CRS, drawn on the pixels of a scene.

from data.maps.area_of_interest import AreaOfInterest
inside = AreaOfInterest(Path("area.gpkg")).on(scene)
ids[~inside.mask(top, 0, *ids.shape)] = 255
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from data.labels.placed_polygons import DrawnPolygons, PlacedPolygons
from data.labels.vector_files import Use, read_polygons
from data.rasters.opening import grid_of
from data.rasters.windowed import WindowedScene
from utils.errors import DataError

_USE = Use("{aoi}", "save the one with the area in a file of its own", "an area of interest is made of polygons")


class OutsideError(DataError):
    """A scene lies elsewhere than the area of interest."""


class AreaOfInterest:
    """The polygons of a GeoPackage, GeoJSON or Shapefile, outside of which nothing is mapped.

    They are read once. Where they overlap, they are one area.

    Args:
        path: the file.

    Attributes:
        remarks: lines to be said of the file: features without a geometry, polygons that were made valid.

    Raises:
        OptionError: no such file, or one of several layers.
        DataError: damaged, without polygons, with other geometries, or with invalid ones of which it is open what area
            is meant.
    """

    def __init__(self, path: Path) -> None:
        found = read_polygons(path, _USE)
        self.path, self.remarks = path, found.remarks
        parts, owners = shapely.get_parts(found.polygons, return_index=True)  # far parts need no place on a scene
        self._placed = PlacedPolygons(replace(found, polygons=parts, numbers=found.numbers[owners]))

    def on(self, scene: WindowedScene) -> "AreaOnScene":
        """The area on the pixels of a scene.

        Raises:
            OutsideError: no polygon overlaps the scene.
            DataError: the scene has no place, or control points alone; one of both has
                no CRS; or polygons that touch the scene cannot be brought to its CRS.
        """
        if scene.place is not None and scene.place.gcps is not None:
            raise DataError(
                f"{scene.path} is placed by ground control points alone, so that polygons cannot be drawn on it; warp "
                "it to a grid first, such as by gdalwarp"
            )
        grid = grid_of(scene)
        polygons = self._placed.in_pixels(grid, self._placed.near(grid))
        height, width = grid.size
        inside = shapely.area(shapely.clip_by_rect(polygons, 0, 0, width, height)) > 0
        if not inside.any():
            raise OutsideError(self._placed.elsewhere([grid], str(scene.path), "the scene"))
        return AreaOnScene(polygons[inside])


class AreaOnScene:
    """An area of interest on one scene.

    Args:
        polygons: in pixels (column, row) of the scene, shape (N,).
    """

    def __init__(self, polygons: np.ndarray) -> None:
        self._drawn = DrawnPolygons(polygons, np.ones(len(polygons), np.uint8), background=0)

    def mask(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Whether the centres of a window's pixels lie in the area, bool (height, width)."""
        return self._drawn.window(top, left, height, width).view(bool)
