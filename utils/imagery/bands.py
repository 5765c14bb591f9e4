"""The bands of a data set's images: which ones, how their values become numbers for a network, which ones are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from utils.errors import DataError
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD, RGB_PIXELS, VALID, PixelFormat

MAX_BANDS = 64
BY_MASK = "mask"  # nodata that files mark by a mask or an alpha band
RGB_NAMES = ("red", "green", "blue")
OtherScale = Literal["refuse", "resample", "accept"]  # what to do with an image of other metres per pixel than a run's
BYTES = (0.0, 255.0)  # the range of files of 8 bits
_NO_DATA_COLOUR = 128


@dataclass(frozen=True)
class Bands:
    """The bands of a data set's images; by default red, green and blue of 8 bits.

    Attributes:
        names: in the order that networks see them.
        indices: of the same bands in the image files, counted from 1.
        ranges: lowest and highest value of each band, which become 0 and 255 in stored tiles.
        mean, std: of each band's values in [0, 1], by which networks see them normalised.
        display: positions, counted from 0, of the bands that pictures show as red, green and blue, or of the only one.
        metres_per_pixel: ground size of a tile's pixel; None where it is not known.
        nodata: value of pixels without data; `mask` where files mark them by a mask or an alpha band; None: no such.
    """

    names: tuple[str, ...] = RGB_NAMES
    indices: tuple[int, ...] = (1, 2, 3)
    ranges: tuple[tuple[float, float], ...] = (BYTES,) * 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    display: tuple[int, ...] = (0, 1, 2)
    metres_per_pixel: float | None = None
    nodata: float | str | None = None

    @property
    def pixels(self) -> PixelFormat:
        """How tiles are stored, and how networks see them."""
        pixels = PixelFormat(self.mean, self.std, self.nodata is not None, _rgb_positions(self.names))
        return RGB_PIXELS if pixels == RGB_PIXELS else pixels

    @property
    def is_rgb(self) -> bool:
        """Whether they are red, green and blue, in this order."""
        return is_rgb(self.names)

    @property
    def is_plain(self) -> bool:
        """Whether tiles are files of red, green and blue of 8 bits, without pixels that hold no data."""
        is_rgb_file = self.indices == (1, 2, 3) and self.is_rgb
        return is_rgb_file and self.ranges == (BYTES,) * 3 and self.nodata is None

    def as_shown(self, image: np.ndarray) -> np.ndarray:
        """A stored tile as a picture: the bands that are shown as RGB; grey where there are no data.

        Args:
            image: uint8, shape (H, W, C), with the channel of validity where there is one.

        Returns:
            uint8, shape (H, W, 3).
        """
        if self.display == (0, 1, 2) and image.shape[2] == 3:
            return image
        shown = image[:, :, [self.display[0]] * 3 if len(self.display) == 1 else list(self.display)]
        if self.nodata is None:
            return shown
        return np.where(image[:, :, -1:] == VALID, shown, np.uint8(_NO_DATA_COLOUR))

    def as_json(self) -> dict[str, Any]:
        """The keys of `dataset.json` and `options.json`; see `bands_of_json`."""
        return {
            "bands": [{"index": i, "name": name} for i, name in zip(self.indices, self.names, strict=True)],
            "ranges": [list(pair) for pair in self.ranges],
            "mean": list(self.mean),
            "std": list(self.std),
            "display_bands": list(self.display),
            "metres_per_pixel": self.metres_per_pixel,
            "nodata": self.nodata,
        }


RGB_BANDS = Bands()
KEYS = tuple(RGB_BANDS.as_json())


def bands_of_json(raw: Mapping[str, Any]) -> Bands:
    """The bands in the content of a `dataset.json` or `options.json`; what is not there is as for plain RGB.

    Raises:
        DataError: a key cannot be used; says what was expected.
    """
    names, indices = _named(raw.get("bands"))
    count = len(names)
    ranges = raw.get("ranges")
    if ranges is None:
        ranges = [list(BYTES)] * count
    if not isinstance(ranges, list) or len(ranges) != count or not all(_is_range(pair) for pair in ranges):
        raise _unusable("ranges", f"{count} pairs of a lower and a higher number", ranges)
    mean, std = raw.get("mean"), raw.get("std")
    if (mean is None or std is None) and not is_rgb(names):
        raise DataError("`bands` other than red, green, blue need `mean` and `std`, of their values in [0, 1]")
    mean, std = mean or list(IMAGENET_MEAN), std or list(IMAGENET_STD)
    if not _are_numbers(mean, count) or not _are_numbers(std, count) or not min(std) > 0:
        raise _unusable("mean", f"and `std` {count} numbers each, deviations above 0", (mean, std))
    return Bands(
        names,
        indices,
        tuple((low, high) for low, high in ranges),
        tuple(mean),
        tuple(std),
        _display(raw.get("display_bands"), names),
        _metres(raw.get("metres_per_pixel")),
        _nodata(raw.get("nodata")),
    )


def is_rgb(names: Sequence[str]) -> bool:
    """Whether names of bands are red, green and blue, in this order and any case."""
    return tuple(name.lower() for name in names) == RGB_NAMES


def default_display(names: Sequence[str]) -> tuple[int, ...]:
    """Positions of red, green and blue where there are such, else of the first three, else of the first."""
    return _rgb_positions(names) or ((0, 1, 2) if len(names) >= 3 else (0,))


def _rgb_positions(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Positions of red, green and blue among names of bands in any case; None where one is missing."""
    lower = [name.lower() for name in names]
    if not set(RGB_NAMES) <= set(lower):
        return None
    red, green, blue = (lower.index(name) for name in RGB_NAMES)
    return red, green, blue


def _named(raw: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    if raw is None:
        return RGB_NAMES, (1, 2, 3)
    is_list = isinstance(raw, list) and 1 <= len(raw) <= MAX_BANDS
    if is_list and all(isinstance(band, str) for band in raw):  # names alone: the first bands
        raw = [{"index": number, "name": name} for number, name in enumerate(raw, start=1)]
    if not is_list or not all(_is_band(band) for band in raw):
        raise _unusable("bands", f'1 to {MAX_BANDS} entries such as {{"index": 1, "name": "red"}}', raw)
    names = tuple(band["name"] for band in raw)
    if len({name.lower() for name in names}) < len(names):
        raise _unusable("bands", "different names", raw)
    return names, tuple(band["index"] for band in raw)


def _is_band(band: Any) -> bool:
    if not isinstance(band, dict) or set(band) != {"index", "name"}:
        return False
    index, name = band["index"], band["name"]
    return type(index) is int and index >= 1 and isinstance(name, str) and bool(name.strip())


def _is_range(pair: Any) -> bool:
    return _are_numbers(pair, 2) and pair[0] < pair[1]


def _display(raw: Any, names: Sequence[str]) -> tuple[int, ...]:
    if raw is None:
        return default_display(names)
    is_right = isinstance(raw, list) and len(raw) in (1, 3) and all(type(number) is int for number in raw)
    if not is_right or not all(0 <= number < len(names) for number in raw):
        raise _unusable("display_bands", f"one or three positions of 0 to {len(names) - 1} in `bands`", raw)
    return tuple(raw)


def _metres(raw: Any) -> float | None:
    if raw is not None and not (_are_numbers([raw], 1) and raw > 0):
        raise _unusable("metres_per_pixel", "a length above 0", raw)
    return None if raw is None else float(raw)


def _nodata(raw: Any) -> float | str | None:
    if raw is None or raw == BY_MASK:
        return BY_MASK if raw else None
    if type(raw) not in (int, float) or raw != raw:
        raise _unusable("nodata", f'a number, or "{BY_MASK}" where files have a mask or an alpha band', raw)
    return float(raw)


def _are_numbers(value: Any, length: int) -> bool:
    is_list = isinstance(value, list) and len(value) == length
    return is_list and all(type(item) in (int, float) and abs(item) < float("inf") for item in value)


def _unusable(key: str, expected: str, found: Any) -> DataError:
    return DataError(f"`{key}` is {str(found)[:60]}, expected {expected}")
