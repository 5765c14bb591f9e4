"""Which pixels of a scene are data: comparison with a declared value, and whether an alpha band is a mask."""

from collections.abc import Iterable

import numpy as np

_WHOLE = 1 << 22  # pixels of a scene whose alpha band is looked at whole
_GRID, _SIDE = 8, 256  # of windows in a larger one
_RELATIVE = 2.5e-7  # two steps of float32: values that were written as text are that near


def equals(values: np.ndarray, nodata: float) -> np.ndarray:
    """Where values are the declared one: exactly for integers, within two steps of float32 for floating point.

    NaN equals nothing here; what is not finite is no data anyway.
    """
    if values.dtype.kind == "f":
        if not np.isfinite(nodata) or nodata == 0:
            return values == nodata
        return np.abs(values.astype(np.float64) - nodata) <= _RELATIVE * abs(nodata)
    if values.dtype.kind == "b":
        return values == bool(nodata)
    bounds = np.iinfo(values.dtype)
    if not np.isfinite(nodata) or not bounds.min <= nodata <= bounds.max or int(nodata) != nodata:
        return np.zeros(values.shape, bool)  # such as -9999 of bytes, which no pixel can hold
    return values == values.dtype.type(int(nodata))


def sample_windows(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of windows that a small or large scene is judged by, over all of it."""
    height, width = size
    if height * width <= _WHOLE:
        return [(0, 0, height, width)]
    tops, lefts = (sorted({round(i * max(0, length - _SIDE) / (_GRID - 1)) for i in range(_GRID)}) for length in size)
    return [(top, left, min(_SIDE, height), min(_SIDE, width)) for top in tops for left in lefts]


def few_values(pieces: Iterable[np.ndarray]) -> set[float] | None:
    """The values that arrays hold together, where they are no more than two; else None."""
    found: set[float] = set()
    for piece in pieces:
        found.update(np.unique(piece).tolist())
        if len(found) > 2:
            return None
    return found
