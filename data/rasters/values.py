"""From the values of a scene to bytes: the range of each band, and how values are brought from it to 0..255."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.rasters.scene import Band
from utils.errors import OptionError
from utils.imagery.ranges import Pair, Ranges

if TYPE_CHECKING:
    from data.rasters.sampling import ValueSample

DEFAULT_STRETCH = (2.0, 98.0)  # percent


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


def stretch_of(bands: Sequence[Band], value_range: Sequence[str] | None, stretch: str | None) -> Pair | None:
    """The percentages by which `choose_ranges` measures the ranges; None where it measures none."""
    if value_range or (not stretch and all(band.bits <= 8 for band in bands)):
        return None
    return parse_stretch(stretch) if stretch else DEFAULT_STRETCH


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
