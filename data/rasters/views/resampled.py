"""A scene at another scale: area averages where it becomes smaller, bilinear interpolation where it becomes larger.

The resampling is one of our own, because GDAL's warper would decide by the file's own masks and per band what is data,
take a near infrared that is tagged alpha for a mask, average the indices of a palette, and need a CRS.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from data.rasters.places.place import GroundPoint, Place, Size
from data.rasters.valid import equals
from data.rasters.views.scene_view import SceneView
from data.rasters.windowed import WindowedScene
from utils.errors import DataError

FINEST = 1 / 16  # of a pixel: a larger picture would hold nothing that the scene does not
_TOGETHER = 1 << 20  # values of the file that are averaged at once
_NONE = 1e-9  # a weight of rounding alone
_APART = 1e-6  # relative: what is told from a nodata value by `equals`


class ResampledScene(SceneView):
    """A view of a scene at another scale, read in windows as the scene itself; a context manager that closes it.

    A pixel becomes the weighted mean of the pixels it covers that are data, and is data where these have half of the
    weight or more. It depends on nothing else, so that any windows give the same values. The last row and column reach
    beyond the scene by less than half a pixel, or leave as much out, because all pixels have exactly one size.

    Args:
        scene: open; a palette must have been expanded.
        metres_per_pixel: of the view, the geometric mean of a pixel's sides; their proportion stays.
        factor: instead of them, pixels of the scene along a side of one of the view, for scenes of unknown scale too.

    Attributes:
        factor: pixels of the scene along a side of one of the view.
        metres_per_pixel: of the view; None where those of the scene are not known.
        size, place: of the view.

    Raises:
        DataError: the scene's metres per pixel are not known, or are more than 16 times those asked for.
    """

    def __init__(
        self, scene: WindowedScene, metres_per_pixel: float | None = None, *, factor: float | None = None
    ) -> None:
        super().__init__(scene)
        if scene.holds_indices:
            raise ValueError(f"{scene.path} holds indices of colours, which have no mean; open it with expand_palette")
        if (metres_per_pixel is None) == (factor is None):
            raise ValueError("a scene is brought to metres per pixel or by a factor, one of both")
        self.factor = _finest(scene, factor) if metres_per_pixel is None else _factor(scene, metres_per_pixel)
        if metres_per_pixel is None and scene.metres_per_pixel is not None:
            metres_per_pixel = scene.metres_per_pixel * self.factor
        self.metres_per_pixel = metres_per_pixel
        self.size: Size = (_length(scene.size[0], self.factor), _length(scene.size[1], self.factor))
        self.place = _scaled(scene.place, self.factor)

    @property
    def file_size(self) -> Size:
        """Height and width of the file."""
        return self._scene.size

    @property
    def block_size(self) -> Size:
        """Height and width of what a block of the file becomes, at least 1."""
        height, width = self._scene.block_size
        return _length(height, self.factor), _length(width, self.factor)

    def read(
        self, top: int, left: int, height: int, width: int, bands: Sequence[int], out: Size | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window, as of `RasterScene.read`.

        Values that are no data are the declared value where the type can hold it, else 0; others never are. Memory
        does not grow with the pixels of the file that a window covers.
        """
        if min(top, left) < 0 or min(height, width) < 1 or top + height > self.size[0] or left + width > self.size[1]:
            raise ValueError(f"window {top, left, height, width} is not within {self.size}")
        rows, columns = _picked(top, height, out and out[0]), _picked(left, width, out and out[1])
        values = np.empty((len(bands), len(rows), len(columns)), self.dtype)
        valid = np.empty(values.shape[1:], bool)
        for part in self._parts(len(rows), len(columns), len(bands)):
            values[:, *part], valid[part] = self._resampled(rows[part[0]], columns[part[1]], bands)
        return values, valid

    def _parts(self, rows: int, columns: int, bands: int) -> Iterator[tuple[slice, slice]]:
        """Parts of a window for which a bounded number of the file's values is read: whole rows where they fit."""
        pixels = max(1, _TOGETHER // bands)
        reach = max(1.0, self.factor)
        across = max(1, min(columns, int(pixels / reach**2)))
        down = max(1, int(pixels / reach**2 / across))
        for top in range(0, rows, down):
            for left in range(0, columns, across):
                yield slice(top, top + down), slice(left, left + across)

    def _resampled(self, rows: np.ndarray, columns: np.ndarray, bands: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        down, across = (
            _weights(picked, self.factor, length)
            for picked, length in zip((rows, columns), self._scene.size, strict=True)
        )
        values, valid = self._scene.read(down.first, across.first, down.length, across.length, bands)
        numbers = np.where(valid, values, 0).astype(np.float64)
        means = _mean(_mean(numbers, down, 1), across, 2)
        if valid.all():
            return self._as_stored(means, np.ones(means.shape[1:], bool), bands)
        share = _mean(_mean(valid[None].astype(np.float64), down, 1), across, 2)[0]
        share[share > 1 - _NONE] = 1.0  # as if all in this part of the window were data
        found = share >= 0.5 - _NONE
        return self._as_stored(means / np.where(found, share, 1.0), found, bands)

    def _as_stored(self, means: np.ndarray, valid: np.ndarray, bands: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        values = (means if self.dtype.kind == "f" else np.rint(means)).astype(self.dtype)
        if self.nodata is None:
            values[:, ~valid] = 0
            return values, valid
        alike = valid & np.logical_and.reduce([equals(plane, self.nodata) for plane in values])
        if alike.any():  # such as the mean of -1 and 1 where 0 means no data
            values[0, alike] = _beside(self.nodata, self.dtype)
        values[:, ~valid] = _held(self.nodata, self.dtype)
        return values, valid


# --- Scales -----------------------------------------------------------------------------------------------------------


def _finest(scene: WindowedScene, factor: float | None) -> float:
    """A factor that was given, where it is one that a scene can be brought by."""
    if factor is None or not FINEST <= factor < math.inf:
        raise DataError(
            f"{scene.path} cannot be brought to pixels {factor} times as long as its own; expected {FINEST:g} or more"
        )
    return factor


def _factor(scene: WindowedScene, wanted: float) -> float:
    """Pixels of a scene along a side of one of the scale that is wanted."""
    found = scene.metres_per_pixel
    if found is None:
        lack = "place on the earth" if scene.place is None else "CRS"
        raise DataError(
            f"{scene.path} has no {lack}, so that its metres per pixel are not known and it cannot be brought to "
            f"{wanted:.4g}; georeference it, or leave it out"
        )
    if wanted < found * FINEST:
        raise DataError(
            f"{scene.path} has {found:.4g} m per pixel, which cannot be brought to {wanted:.4g}: pixels are made up to "
            f"{1 / FINEST:.0f} times finer; give {found * FINEST:.4g} or more"
        )
    return wanted / found


def _length(pixels: int, factor: float) -> int:
    return max(1, round(pixels / factor))


def _scaled(place: Place | None, factor: float) -> Place | None:
    """A scene's place for pixels that are so many times as long."""
    if place is None:
        return None
    a, b, c, d, e, f = place.transform
    points = place.gcps and tuple(
        GroundPoint(point.row / factor, point.column / factor, *point[2:]) for point in place.gcps
    )
    return replace(place, transform=(a * factor, b * factor, c, d * factor, e * factor, f), gcps=points)


def _picked(first: int, length: int, out: int | None) -> np.ndarray:
    """Rows or columns of a window, or those nearest to as many as are wanted."""
    if out is None:
        return np.arange(first, first + length)
    return first + ((np.arange(out) + 0.5) * length / out).astype(int)


# --- Weights ----------------------------------------------------------------------------------------------------------


class _Weights(NamedTuple):
    """From a file's pixels along one side to those of a view: out[i] = Σ_k weights[k, i] · in[first + at[k, i]]."""

    first: int
    length: int
    at: np.ndarray
    weights: np.ndarray


def _weights(picked: np.ndarray, factor: float, length: int) -> _Weights:
    """Weights of the pixels of a side for some of the view's, each with the sum 1.

    Args:
        picked: numbers of the view's pixels, rising.
        factor: pixels of the file along one of them.
        length: pixels of the file along this side.
    """
    if factor > 1:
        begin, end = picked * factor, (picked + 1) * factor
        at = np.floor(begin + _NONE).astype(int) + np.arange(math.ceil(factor) + 1)[:, None]
        weights = np.minimum(at + 1, end) - np.maximum(at, begin)
        weights[(weights < _NONE) | (at >= length)] = 0
    else:
        centre = np.clip((picked + 0.5) * factor - 0.5, 0, length - 1)
        at = np.floor(centre).astype(int) + np.arange(2)[:, None]
        weights = np.stack([at[1] - centre, centre - at[0]])
    at = np.minimum(at, length - 1)
    first = int(at.min())
    return _Weights(first, int(at.max()) + 1 - first, at - first, weights / weights.sum(axis=0))


def _mean(planes: np.ndarray, side: _Weights, axis: int) -> np.ndarray:
    """Weighted sums along an axis; each is made of its own pixels in one order, whatever stands beside it."""
    shape = [1] * planes.ndim
    shape[axis] = -1
    total = np.zeros(())
    for at, weights in zip(side.at, side.weights, strict=True):
        total = total + planes.take(at, axis) * weights.reshape(shape)
    return total


# --- Nodata -----------------------------------------------------------------------------------------------------------


def _held(nodata: float, dtype: np.dtype) -> float:
    """The declared value where a type can hold it, else 0."""
    if dtype.kind == "f":
        return nodata
    bounds = np.iinfo(dtype)
    return int(nodata) if math.isfinite(nodata) and bounds.min <= nodata <= bounds.max else 0


def _beside(nodata: float, dtype: np.dtype) -> float:
    """A value next to the declared one that is told from it."""
    if dtype.kind == "f":
        return nodata * (1 + _APART) if nodata else float(np.finfo(dtype).tiny)
    return int(nodata) + (1 if nodata < np.iinfo(dtype).max else -1)
