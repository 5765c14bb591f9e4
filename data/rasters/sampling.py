"""Values of scenes from a bounded sample of windows: for percentiles, mean and deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.decoding.orientation import UPRIGHT
from data.rasters.bands import choose_bands
from data.rasters.opening import open_scene
from data.rasters.scene import RasterScene
from data.rasters.windowed import WindowedScene
from utils.errors import DataError
from utils.imagery.ranges import Pair, Ranges, to_uint8

MAX_WINDOWS = 256  # with data, that are drawn
_MAX_READ = 4096  # windows that are read to find them
MAX_PIXELS = 1 << 20  # that are kept, of all windows together
_SIDE = 512  # pixels of a window that are read at most along each side
_GRID = 256  # pixels of a window where a whole scene is divided into some


@dataclass(frozen=True, order=True)
class SceneWindow:
    """A window of a scene: its file, first row and column, height and width; `turn` as of `open_scene`."""

    path: Path
    top: int
    left: int
    height: int
    width: int
    turn: int = UPRIGHT


@dataclass(frozen=True)
class ValueSample:
    """Values of pixels that are data.

    Attributes:
        values: shape (bands, N), N at least 1, of the scenes' type.
        windows: windows that they are from.
    """

    values: np.ndarray
    windows: int

    def percentiles(self, low: float, high: float) -> Ranges:
        """The range of each band from one percentile to another; both are values that occur.

        Where they are equal, the range is that of all values, and where a band holds one value, one unit above it.
        """
        return Ranges(tuple(_spread(plane, low, high) for plane in self.values))

    def moments(self, ranges: Ranges) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each band as a network is given it: bytes after the range, scaled to 0..1.

        A deviation is at least 1/255, as a band of one value could not be divided by 0.
        """
        scaled = to_uint8(self.values, ranges)
        counts = [np.bincount(plane, minlength=256) for plane in scaled]
        steps = np.arange(256) / 255
        means = [float(count @ steps / count.sum()) for count in counts]
        deviations = [
            float(np.sqrt(count @ (steps - mean) ** 2 / count.sum())) for count, mean in zip(counts, means, strict=True)
        ]
        return means, [max(deviation, 1 / 255) for deviation in deviations]


def _spread(values: np.ndarray, low: float, high: float) -> Pair:
    first, last = np.percentile(values, low, method="lower"), np.percentile(values, high, method="higher")
    if first == last:
        first, last = values.min(), values.max()
    return float(first), float(last if last > first else float(first) + 1)


def scene_windows(path: Path) -> list[SceneWindow]:
    """A whole scene as windows, of 256×256 pixels and less at its ends.

    Raises:
        DataError: it cannot be opened.
    """
    with RasterScene.open(path, expand_palette=True) as scene:
        height, width = scene.size
    return [
        SceneWindow(path, top, left, min(_GRID, height - top), min(_GRID, width - left))
        for top in range(0, height, _GRID)
        for left in range(0, width, _GRID)
    ]


def sample_values(
    windows: Sequence[SceneWindow], bands: str | None = None, seed: int = 0, metres_per_pixel: float | None = None
) -> ValueSample:
    """Draw values: up to 256 windows that have data, and of each the same number of pixels, 2^20 in all.

    The draw depends on the windows and the seed, not on their order. Memory does not grow with the scenes: of a window
    above 512×512 pixels, a part of that size is read.

    Args:
        windows: such as the tiles of a list, or `scene_windows`; one that is named twice counts once.
        bands: the text of `--bands`.
        seed: of the draw.
        metres_per_pixel: scale of the windows, and of their values; None: of the files.

    Raises:
        DataError: no pixel of the windows that were read is data, or a scene is damaged.
        OptionError: the bands are not there.
    """
    ordered = sorted(set(windows))
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(ordered))[:_MAX_READ]
    per_window = max(1, MAX_PIXELS // max(1, min(MAX_WINDOWS, len(order))))
    found: list[np.ndarray] = []
    for start in range(0, len(order), MAX_WINDOWS):
        batch = [ordered[i] for i in sorted(order[start : start + MAX_WINDOWS])]  # a scene's windows together
        found += _read_all(batch, bands, per_window, generator, metres_per_pixel)[: MAX_WINDOWS - len(found)]
        if len(found) == MAX_WINDOWS:
            break
    if not found:
        raise DataError(
            f"no data in the {len(order)} windows that were read, such as {ordered[0].path}: every pixel is nodata; "
            "check the nodata value, or leave these scenes out"
            if ordered
            else "there are no windows to draw values from; give scenes"
        )
    return ValueSample(np.concatenate(found, axis=1), len(found))


def _read_all(
    windows: Sequence[SceneWindow],
    bands: str | None,
    count: int,
    generator: np.random.Generator,
    metres_per_pixel: float | None,
) -> list[np.ndarray]:
    """Up to `count` pixels that are data of each window, shape (bands, n); none of windows without."""
    found: list[np.ndarray] = []
    scene: WindowedScene | None = None
    numbers: tuple[int, ...] = ()
    try:
        for window in windows:
            if scene is None or scene.path != window.path:
                if scene is not None:
                    scene.close()
                scene = open_scene(window.path, metres_per_pixel, window.turn)
                numbers = tuple(band.index for band in choose_bands(scene.bands, bands, window.path))
            height, width = min(_SIDE, window.height), min(_SIDE, window.width)
            top = window.top + int(generator.integers(window.height - height + 1))
            left = window.left + int(generator.integers(window.width - width + 1))
            values, valid = scene.read(top, left, height, width, numbers)
            pixels = values[:, valid]
            if pixels.shape[1] > count:
                pixels = pixels[:, generator.choice(pixels.shape[1], count, replace=False)]
            if pixels.shape[1]:
                found.append(pixels)
    finally:
        if scene is not None:
            scene.close()
    return found
