"""How large pixels are on the ground, and the plane in which polygons of pixels have their true area."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyproj
import shapely
from affine import Affine
from pyproj.exceptions import CRSError, ProjError

from data.decoding.orientation import Size
from data.rasters.places.crs import Mapping2D, unit_of
from data.rasters.places.grids import apply
from data.rasters.places.place import Place

Measure = Literal["projection", "ellipsoid"]
_DISTORTION = 0.01  # of a projection's areas, from which on those of the ellipsoid count: Web Mercator off the equator
_NODES = 33  # per side of the grid on which the areas of pixels are computed where they differ along rows
_REACH = 2.0  # pixels from a node to the sides of the square that its area is computed on


@dataclass(frozen=True)
class NoArea:
    """Why areas of a scene are not known.

    Attributes:
        reason: to follow the scene's name in a message.
        word: what is missing, for a table.
    """

    reason: str
    word: str = "no CRS"


@dataclass(frozen=True)
class PixelAreas:
    """Areas of a scene's pixels on the ground.

    Attributes:
        measure: `projection`: that of the CRS's plane, in which all pixels are alike; `ellipsoid`: that of the CRS's
            ellipsoid.
        size: height and width of the scene.
        plane: from (column, row) of pixels' corners to a plane in metres that keeps areas; lines between corners of
            one pixel are straight in it.
        along_rows: whether pixels of one row differ.
    """

    measure: Measure
    size: Size
    plane: Mapping2D
    along_rows: bool = False
    _nodes: np.ndarray | None = field(default=None, repr=False)

    def of_rows(self, top: int, count: int) -> np.ndarray:
        """Areas of pixels in square metres, float64 (count, 1), or (count, W) where they differ along a row."""
        if self._nodes is None:
            edges = np.arange(top, top + count + 1, dtype=float)
            y, x = self.plane(np.zeros_like(edges), edges)[1], self.plane(np.arange(2.0), np.zeros(2))[0]
            return np.abs(np.diff(y) * np.diff(x))[:, None]
        height, width = self.size
        rows = _between(self._nodes, (np.arange(top, top + count) + 0.5) / height)
        return _between(rows.T, (np.arange(width) + 0.5) / width).T

    def of_polygons(self, polygons: np.ndarray) -> np.ndarray:
        """Areas of polygons in square metres, float64 (N,): the sum of their pixels'.

        Args:
            polygons: along edges of pixels, in (column, row) of the scene, shape (N,).
        """
        if self.along_rows:  # their long edges are curves in the plane
            polygons = shapely.segmentize(polygons, 1.0)
        flat = shapely.transform(polygons, lambda points: np.stack(self.plane(points[:, 0], points[:, 1]), axis=-1))
        return shapely.area(flat)


def pixel_areas(place: Place | None, size: Size) -> PixelAreas | NoArea:
    """How large the pixels of a scene are on the ground.

    A projection's own areas count, feet converted, where it keeps them to 1 % over all of the scene. Else, and for
    degrees, those on the ellipsoid do: of cells between meridians and parallels exactly (Snyder, 1987, eq. 3-12), of
    others in Lambert's azimuthal equal-area plane around the scene's middle.

    Args:
        place: where the scene lies.
        size: its height and width.
    """
    if place is None:
        return NoArea("has no place", "no place")
    if place.gcps is not None:
        return NoArea("is placed by ground control points alone, which give its pixels no area", "control points")
    if not place.crs:
        return NoArea("has no CRS that says what its units are")
    try:
        crs = pyproj.CRS.from_wkt(place.crs)
    except CRSError:
        return NoArea("has a CRS that is not understood")
    if crs.ellipsoid is None or crs.geodetic_crs is None or not (crs.is_projected or crs.is_geographic):
        return NoArea("has a CRS that is not one of the Earth")
    affine = Affine(*place.transform)
    if crs.is_geographic and affine.b == 0 and affine.d == 0:
        return PixelAreas("ellipsoid", size, _between_parallels(affine, crs))
    try:
        ground = _azimuthal(affine, crs, size)
        nodes = _node_areas(ground, size)
    except ProjError:
        nodes = np.array([np.inf])
    if crs.is_projected:
        nominal = abs(affine.a * affine.e - affine.b * affine.d) * unit_of(crs) ** 2
        with np.errstate(invalid="ignore"):
            if not (np.abs(nodes / nominal - 1) > _DISTORTION).any() or not np.isfinite(nodes).any():
                return PixelAreas("projection", size, lambda x, y: (x * nominal, y))
    if not np.isfinite(nodes).all():
        return NoArea("reaches beyond the part of the Earth that its CRS shows", "off the Earth")
    return PixelAreas("ellipsoid", size, ground, True, nodes)


def _between_parallels(affine: Affine, crs: pyproj.CRS) -> Mapping2D:
    """Cylinder of equal area for pixels whose edges are meridians and parallels; x in pixels, y in square metres.

    Longitudes are not wrapped, so that a scene may cross the antimeridian.
    """
    assert crs.ellipsoid is not None
    radians, semi_major = unit_of(crs), crs.ellipsoid.semi_major_metre
    flattening = 1 / crs.ellipsoid.inverse_flattening if crs.ellipsoid.inverse_flattening else 0.0
    to_cell = semi_major**2 / 2 * abs(affine.a) * radians
    authalic = _authalic(flattening * (2 - flattening))

    def plane(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        latitude = np.clip((affine.e * y + affine.f) * radians, -np.pi / 2, np.pi / 2)
        return x, to_cell * authalic(np.sin(latitude))

    return plane


def _authalic(squared: float) -> Callable[[np.ndarray], np.ndarray]:
    """q of the sine of a latitude, for the square of an ellipsoid's eccentricity.

    The area between the equator, the latitude and two meridians is a²/2 · q a radian of longitude.
    """
    if squared == 0:
        return lambda sine: 2 * sine
    e = np.sqrt(squared)
    return lambda sine: (1 - squared) * (sine / (1 - squared * sine**2) + np.arctanh(e * sine) / e)


def _azimuthal(affine: Affine, crs: pyproj.CRS, size: Size) -> Mapping2D:
    """Lambert's azimuthal equal-area plane around the middle of a scene, in metres."""
    assert crs.ellipsoid is not None
    assert crs.geodetic_crs is not None
    degrees = float(np.degrees(unit_of(crs.geodetic_crs)))  # some systems count in grads
    to_angles = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    x, y = to_angles.transform(*apply(affine, np.array(size[1] / 2), np.array(size[0] / 2)))
    axes = {"a": crs.ellipsoid.semi_major_metre, "b": crs.ellipsoid.semi_minor_metre}
    laea = pyproj.Proj({"proj": "laea", "lon_0": float(x) * degrees, "lat_0": float(y) * degrees, **axes})

    def plane(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        longitudes, latitudes = to_angles.transform(*apply(affine, x, y))
        found = laea(np.asarray(longitudes) * degrees, np.asarray(latitudes) * degrees)
        return np.asarray(found[0]), np.asarray(found[1])

    return plane


def _node_areas(plane: Mapping2D, size: Size) -> np.ndarray:
    """Areas of pixels at the nodes of an even grid over a scene, float64 (33, 33); not finite where there are none."""
    columns, rows = np.meshgrid(*(np.linspace(0, side, _NODES) for side in size[::-1]))
    reach = _REACH * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])
    x, y = plane(columns[..., None] + reach[0], rows[..., None] + reach[1])
    with np.errstate(invalid="ignore"):
        across = (x[..., 2] - x[..., 0]) * (y[..., 3] - y[..., 1]) - (x[..., 3] - x[..., 1]) * (y[..., 2] - y[..., 0])
    return np.abs(across) / 2 / (2 * _REACH) ** 2


def _between(nodes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first axis of evenly spaced nodes; places in [0, 1]."""
    along = places * (len(nodes) - 1)
    below = np.minimum(along.astype(int), len(nodes) - 2)
    part = (along - below)[:, None]
    return nodes[below] * (1 - part) + nodes[below + 1] * part
