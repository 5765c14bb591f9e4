"""From the values of an image's bands to bytes: linear in the range of each band, the same for every use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from utils.errors import OptionError

_SMALL = 2  # bytes of a value up to which a table of all values is quicker than arithmetic
Pair = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """The range of each band: its lowest value becomes 0, its highest 255.

    Attributes:
        pairs: low and high of each band, in the order in which the bands are used.
    """

    pairs: tuple[Pair, ...]

    def __post_init__(self) -> None:
        for low, high in self.pairs:
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise OptionError(f"the range {low:g},{high:g} is none; its first value must be the smaller one")

    def as_json(self) -> list[list[float]]:
        """As `dataset.json` and `options.json` keep them; whole numbers as such."""
        return [[int(value) if float(value).is_integer() else float(value) for value in pair] for pair in self.pairs]

    @classmethod
    def from_json(cls, value: Sequence[Sequence[Any]]) -> "Ranges":
        """What `as_json` gave."""
        return cls(tuple((float(low), float(high)) for low, high in value))


def to_uint8(values: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Bring values to bytes: linear in the range, rounded to the nearest, clipped; NaN becomes 0.

    Bytes in the range 0..255 stay as they are.

    Args:
        values: of any real type and byte order, shape (bands, …).
        ranges: of these bands.

    Returns:
        uint8, the shape of `values`.
    """
    if len(values) != len(ranges.pairs):
        raise ValueError(f"{len(values)} bands, but {len(ranges.pairs)} ranges")
    if values.dtype == np.uint8 and all(pair == (0, 255) for pair in ranges.pairs):
        return values
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    out = np.empty(values.shape, np.uint8)
    for plane, pair, result in zip(values, ranges.pairs, out, strict=True):
        if values.dtype.kind in "ui" and values.dtype.itemsize <= _SMALL and plane.size >= 1 << 8 * values.itemsize:
            table = _table(values.dtype.str, pair)
            result[...] = table[plane.view(f"u{values.dtype.itemsize}")]
        else:
            result[...] = _scaled(plane, pair)
    return out


def _scaled(values: np.ndarray, pair: Pair) -> np.ndarray:
    wide = values.dtype.itemsize > _SMALL and values.dtype != np.float32
    numbers: np.ndarray = values.astype(np.float64 if wide else np.float32)
    low, high = pair
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(np.clip(np.subtract(numbers, low) * (255 / (high - low)), 0, 255))
    return np.nan_to_num(scaled, copy=False, nan=0).astype(np.uint8)


@lru_cache(maxsize=64)
def _table(dtype: str, pair: Pair) -> np.ndarray:
    """The byte of every value of a type of 8 or 16 bits, by its bits read as an unsigned number."""
    bits = np.dtype(dtype)
    return _scaled(np.arange(1 << 8 * bits.itemsize, dtype=f"u{bits.itemsize}").view(bits), pair)
