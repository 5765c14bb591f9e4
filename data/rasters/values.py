"""From the values of a scene to bytes: the range of each band, and how values are brought from it to 0..255."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from data.rasters.scene import Band
from utils.errors import OptionError

if TYPE_CHECKING:
    from data.rasters.sampling import ValueSample

DEFAULT_STRETCH = (2.0, 98.0)  # percent
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


def full_range(band: Band) -> Pair:
    """All values that a band of integers can hold."""
    kind = np.dtype(band.dtype)
    if kind.kind not in "ui":
        raise ValueError(f"values of {band.dtype} have no full range")
    low = np.iinfo(kind).min
    return float(low), float(low + 2**band.bits - 1)


def choose_ranges(
    bands: Sequence[Band],
    value_range: Sequence[str] | None,
    stretch: str | None,
    sample: "Callable[[], ValueSample]",
) -> Ranges:
    """The ranges that options ask for, else the full one of bands of up to 8 bits and percentiles 2 and 98 of others.

    Args:
        bands: in the order in which they are used.
        value_range: texts of `--value-range`: `LOW,HIGH` once for all bands or once for each.
        stretch: the text of `--stretch`: two percentages.
        sample: draws values of these bands; called only where percentiles are needed.

    Raises:
        OptionError: both options, or one that cannot be read.
    """
    if value_range and stretch:
        raise OptionError("--value-range and --stretch contradict each other; give one of them")
    if value_range:
        return parse_ranges(value_range, len(bands))
    if stretch:
        return sample().percentiles(*parse_stretch(stretch))
    is_small = [band.bits <= 8 for band in bands]
    if all(is_small):
        return Ranges(tuple(full_range(band) for band in bands))
    stretched = sample().percentiles(*DEFAULT_STRETCH).pairs
    return Ranges(
        tuple(full_range(band) if small else pair for band, small, pair in zip(bands, is_small, stretched, strict=True))
    )


def parse_ranges(texts: Sequence[str], count: int) -> Ranges:
    """Ranges from `LOW,HIGH`, one for all bands or one for each of `count` bands.

    Raises:
        OptionError: not such texts, or of another number.
    """
    pairs = [_pair(text, "--value-range", "LOW,HIGH such as 0,3000") for text in texts]
    if len(pairs) not in (1, count):
        raise OptionError(f"--value-range has {len(pairs)} ranges for {count} bands; give one for all, or one for each")
    for low, high in pairs:
        if low >= high:
            raise OptionError(f"--value-range {low:g},{high:g}: its first value must be the smaller one")
    return Ranges(tuple(pairs * count if len(pairs) == 1 else pairs))


def parse_stretch(text: str) -> Pair:
    """Two percentages from `LOW,HIGH`.

    Raises:
        OptionError: not such a text.
    """
    low, high = _pair(text, "--stretch", "two percentages such as 2,98")
    if not 0 <= low < high <= 100:
        raise OptionError(f"--stretch {text}: expected 0 ≤ LOW < HIGH ≤ 100, such as 2,98")
    return low, high


def _pair(text: str, option: str, expected: str) -> Pair:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise OptionError(f"{option} {text}: expected {expected}") from error
    if not (math.isfinite(low) and math.isfinite(high)):
        raise OptionError(f"{option} {text}: expected finite numbers, {expected}")
    return low, high
