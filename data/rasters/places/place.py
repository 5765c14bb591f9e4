"""Where a scene lies on the earth, and how large its pixels are there."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyproj

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SCALE_TOLERANCE = 0.2  # by which metres per pixel may differ from those of a run
_DISTORTION = 0.02  # above it the ground's metres count, not the projection's: Web Mercator away from the equator
Pair = tuple[float, float]
Size = tuple[int, int]  # height and width


class GroundPoint(NamedTuple):
    """A ground control point: row and column of the scene, x and y (and height z) of the map."""

    row: float
    column: float
    x: float
    y: float
    z: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a scene lies.

    Attributes:
        crs: coordinate reference system as WKT; empty where the file has a transform alone, as from a world file.
        transform: a, b, c, d, e, f with x = a·column + b·row + c and y = d·column + e·row + f, of pixels' corners;
            fitted to the ground control points where there are some.
        gcps: the ground control points of a scene that has no transform of its own.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    gcps: tuple[GroundPoint, ...] | None = None

    @cached_property
    def _pyproj(self) -> pyproj.CRS | None:
        try:
            return pyproj.CRS.from_wkt(self.crs) if self.crs else None
        except pyproj.exceptions.CRSError:
            return None

    @cached_property
    def crs_name(self) -> str:
        """Such as `EPSG:32640`, else the name that the system gives itself; `no CRS` where there is none."""
        if self._pyproj is None:
            return "unknown CRS" if self.crs else "no CRS"
        authority = self._pyproj.to_authority()
        return ":".join(authority) if authority else self._pyproj.name

    def position(self, row: float, column: float) -> Pair:
        """Map coordinates x and y of a place in the scene; (0, 0) is the outer corner of the first pixel."""
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    def metres_per_pixel(self, size: Size) -> float | None:
        """Length of a pixel's side in the middle of the scene: the geometric mean of its two sides.

        Metres of a projection (feet are converted) are taken as they are, unless the projection stretches by more
        than 2 % there; then, and for degrees, the length is the geodesic on the ellipsoid.

        Args:
            size: height and width of the scene.

        Returns:
            Metres; None where no CRS says what the transform's unit is.
        """
        if self._pyproj is None:
            return None
        a, b, _, d, e, _ = self.transform
        nominal = None
        if self._pyproj.is_projected:
            nominal = math.sqrt(math.hypot(a, d) * math.hypot(b, e)) * _unit(self._pyproj)
        ground = self._on_the_ground(size)
        if nominal is None or (ground is not None and abs(ground - nominal) > _DISTORTION * nominal):
            return ground
        return nominal

    def _on_the_ground(self, size: Size) -> float | None:
        """As `metres_per_pixel`, along geodesics; None where the middle of the scene is not on the earth."""
        assert self._pyproj is not None
        geographic, geod = self._pyproj.geodetic_crs, self._pyproj.get_geod()
        if geographic is None or geod is None:
            return None
        row, column = size[0] / 2, size[1] / 2
        corners = [self.position(row + dr, column + dc) for dr, dc in ((0, 0), (0, 1), (1, 0))]
        to_degrees = pyproj.Transformer.from_crs(self._pyproj, geographic, always_xy=True)
        (x, y), right, below = [to_degrees.transform(*corner) for corner in corners]
        if not all(math.isfinite(value) for value in (x, y, *right, *below)):
            return None
        degrees = math.degrees(_unit(geographic))  # some systems count in grads
        sides = [geod.inv(*(degrees * value for value in (x, y, *other)))[2] for other in (right, below)]
        return math.sqrt(sides[0] * sides[1]) or None


def _unit(crs: pyproj.CRS) -> float:
    """Metres of a projection's unit, radians of a geographic system's."""
    axes = crs.axis_info or (crs.source_crs.axis_info if crs.source_crs is not None else [])
    return axes[0].unit_conversion_factor if axes else 1.0


def differs(run_mpp: float | None, scene_mpp: float | None) -> bool:
    """Whether a scene's metres per pixel are more than 20 % from a run's; False where one of them is not known."""
    if run_mpp is None or scene_mpp is None:
        return False
    return abs(scene_mpp - run_mpp) > SCALE_TOLERANCE * run_mpp * (1 + 1e-9)
