"""A scene as it is mapped: read in windows for a network, with a memory of where it held data."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.decoding.orientation import UPRIGHT, turned_size
from data.maps.images import Fitting, MapImage
from data.rasters.opening import open_scene as open_raster
from data.rasters.places.place import Size
from data.rasters.scene import RasterScene
from data.rasters.views.fitting import FittedScene, fit_scene
from data.rasters.views.resampled import ResampledScene
from data.rasters.views.turned import scene_turn
from utils.console import say
from utils.errors import DataError, warn
from utils.evaluation.strips import MapStrip
from utils.suggest import first_names
from utils.wording import worded

if TYPE_CHECKING:
    from data.maps.area_of_interest import AreaOfInterest

_KEPT = 64 << 20  # bytes of validity that are remembered, and of two rows of windows at least


class OpenScene:
    """A scene that is read in windows.

    Where windows hold data is remembered until their rows are asked for, so that nothing is decoded twice; windows may
    be read in one thread, and rows asked for in another.

    Args:
        scene: for the run's network.
        file_size: height and width of the file.
        area: outside of which nothing is mapped; None: everything is.
    """

    def __init__(self, scene: FittedScene, file_size: Size, area: "AreaOfInterest | None" = None) -> None:
        self.scene, self.size, self.file_size = scene, scene.size, file_size
        self._factor = scene.scene.factor
        self._area = None if area is None else area.on(scene.scene)
        self._is_whole = self._area is None and not scene.may_lack_data
        self._seen: dict[int, np.ndarray] = {}  # by the first row of windows
        self._lock = threading.Lock()

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """A window, uint8 (height, width, C); None where no pixel is to have a class.

        Raises:
            DataError: the file is damaged there.
        """
        if self._is_whole:
            return self.scene.read(top, left, height, width)
        with self._lock:
            inside = None if self._area is None else self._area.mask(top, left, height, width)
            if inside is not None and not inside.any():
                self._remember(top, left, inside)
                return None
            image, valid = self.scene.read_with_valid(top, left, height, width)
            valid = valid if inside is None else valid & inside
            self._remember(top, left, valid)
        return image if valid.any() else None

    def valid(self, top: int, rows: int) -> np.ndarray | None:
        """Where some rows are to have a class, bool (rows, W); None: everywhere."""
        if self._is_whole:
            return None
        with self._lock:
            for first, valid in self._seen.items():
                if first <= top and top + rows <= first + len(valid):
                    return valid[top - first : top - first + rows]
            valid = self.scene.valid(top, 0, rows, self.size[1])
            return valid if self._area is None else valid & self._area.mask(top, 0, rows, self.size[1])

    def as_filed(self, strip: MapStrip) -> MapStrip:
        """A strip of the map on the grid of the file: each pixel takes the one that its middle lies in."""
        if self._factor == 1:
            return strip
        rows = _nearest(self.file_size[0], self._factor, self.size[0])
        columns = _nearest(self.file_size[1], self._factor, self.size[1])
        first, end = np.searchsorted(rows, [strip.top, strip.top + len(strip.ids)])
        picked = np.ix_(rows[first:end] - strip.top, columns)
        return replace(
            strip,
            top=int(first),
            ids=strip.ids[picked],
            confidence=None if strip.confidence is None else strip.confidence[picked],
            probabilities=None if strip.probabilities is None else strip.probabilities[:, picked[0], picked[1]],
        )

    def _remember(self, top: int, left: int, valid: np.ndarray) -> None:
        if top not in self._seen:
            while len(self._seen) > 1 and sum(rows.size for rows in self._seen.values()) > _KEPT:
                self._seen.pop(min(self._seen))
            self._seen[top] = np.zeros((len(valid), self.size[1]), bool)
        self._seen[top][:, left : left + valid.shape[1]] = valid


def _nearest(length: int, factor: float, seen: int) -> np.ndarray:
    """For each pixel of a side of the file, the one of the view that its middle lies in."""
    return np.minimum(((np.arange(length) + 0.5) / factor).astype(int), seen - 1)


@contextmanager
def open_scene(path: Path, fitting: Fitting) -> Iterator[OpenScene]:
    """Open a scene for a network.

    Raises:
        DataError: it cannot be read, or does not fit the run.
    """
    with open_raster(path, turn=_turn(path, fitting)) as raster:
        if fitting.scale != 1:
            raster = ResampledScene(raster, factor=1 / fitting.scale)
        fitted = fit_scene(raster, fitting.bands, fitting.other_scale)
        for remark in fitted.remarks:
            if remark not in fitting.said:
                fitting.said.add(remark)
                warn(remark)
        yield OpenScene(fitted, file_size_of(path, fitting), fitting.area)


def overlapping(images: Sequence[MapImage], area: "AreaOfInterest") -> list[MapImage]:
    """Images that an area overlaps, and those that cannot be opened; the others are named.

    Raises:
        DataError: it overlaps none of them.
    """
    from data.maps.area_of_interest import OutsideError

    inside, outside = [], []
    for image in images:
        try:
            with open_raster(image.path) as scene:
                area.on(scene)
        except OutsideError as error:
            outside.append((image, error))
            continue
        except DataError:  # said where the image is read
            pass
        inside.append(image)
    if not inside:
        raise outside[0][1]
    if outside:
        names = first_names([image.path.name for image, _ in outside], 5)
        say(worded("{aoi} overlaps {} of {} scenes; left out: {}", len(inside), len(images), names))
    return inside


def file_size_of(path: Path, fitting: Fitting) -> Size:
    """Height and width of a scene's file, turned as it is shown."""
    with RasterScene.open(path) as scene:
        return turned_size(scene.size, _turn(path, fitting))


def read_scene(path: Path, fitting: Fitting) -> np.ndarray:
    """All pixels of a picture at the size of its file, uint8 (H, W, C)."""
    with open_raster(path, turn=_turn(path, fitting)) as raster:
        fitted = fit_scene(raster, fitting.bands, "accept")
        return fitted.read(0, 0, *fitted.size)


def _turn(path: Path, fitting: Fitting) -> int:
    return scene_turn(path)[1] if fitting.exif == "apply" else UPRIGHT
