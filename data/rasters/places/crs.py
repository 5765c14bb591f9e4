"""Coordinate reference systems: their names, whether two are the same, and the way from one to another."""

from collections.abc import Callable
from functools import cache

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from utils.errors import DataError

Mapping2D = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # (x, y) -> (x, y), any one shape
_HALF_TURN = 180.0  # degrees of longitude: what is wider crosses the antimeridian


@cache
def crs_of(text: str) -> CRS:
    """A coordinate reference system from WKT or `EPSG:n`.

    Raises:
        DataError: it is not understood.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise DataError(f"the CRS {shortened(text)} is not understood; give the file one with an EPSG code") from error


def shortened(text: str) -> str:
    """A text on one line, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "…"


@cache
def crs_name(text: str | None) -> str:
    """A CRS for a message: its code, else its name."""
    if not text:
        return "no CRS"
    authority = crs_of(text).to_authority()
    return ":".join(authority) if authority else shortened(crs_of(text).name)


@cache
def crs_text(text: str) -> str:
    """A CRS as briefly as it can be written without a loss: its EPSG code, else WKT on one line."""
    code = crs_of(text).to_epsg(min_confidence=100)
    return f"EPSG:{code}" if code else " ".join(text.split())


@cache
def same_crs(first: str | None, second: str | None) -> bool:
    """Whether coordinates mean the same in both; the order in which a CRS lists its axes plays no part."""
    if not first or not second:
        return not first and not second
    return first == second or crs_of(first).equals(crs_of(second), ignore_axis_order=True)


@cache
def crs_way(source: str, target: str) -> Mapping2D:
    """The way from one CRS to another, x (east, longitude) before y; what has none comes out as infinity.

    Raises:
        DataError: there is no way, as between the Earth and another planet or a drawing without a place.
    """
    if same_crs(source, target):
        return lambda x, y: (x, y)
    try:
        transformer = Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)
        transformer.transform(0.0, 0.0)
    except ProjError as error:
        raise DataError(
            f"the CRS {crs_name(source)} and {crs_name(target)} cannot be brought together; reproject one of the files"
        ) from error

    def way(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = transformer.transform(x, y)
        return np.asarray(found[0]), np.asarray(found[1])

    return way


def unit_of(crs: CRS) -> float:
    """Metres in a projection's unit; those of a CRS with a datum shift are its source's."""
    axes = crs.axis_info or (crs.source_crs.axis_info if crs.source_crs is not None else [])
    return float(axes[0].unit_conversion_factor) if axes else 1.0


def crosses_antimeridian(crs: str | None, width: float) -> bool:
    """Whether something so wide, in units of the CRS, must have been torn at 180° of longitude."""
    return bool(crs) and crs_of(str(crs)).is_geographic and width > _HALF_TURN
