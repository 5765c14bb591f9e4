"""A scene as a run's networks see it: the run's bands in their order, at its scale, as bytes after its ranges."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from data.rasters.bands import listing, with_names
from data.rasters.files.headers import Band
from data.rasters.places.place import Place, Size, differs
from data.rasters.tile_files import as_bytes
from data.rasters.values import full_range
from data.rasters.views.resampled import ResampledScene
from data.rasters.windowed import WindowedScene
from utils.closing import Closing
from utils.errors import DataError
from utils.imagery.bands import BYTES, Bands, OtherScale
from utils.imagery.pixels import VALID
from utils.imagery.ranges import Pair, Ranges, to_uint8
from utils.wording import worded

_SEEN = 64  # height and width of the windows in which values are compared with the run's ranges
_ACROSS = 4  # of them along each side
_OUTSIDE = 0.5  # share of values beyond the ranges from which on they can hardly be of the run's kind
_FEW = 2  # of 255 levels that values span; a scene is darker or brighter somewhere


class FittedScene(Closing):
    """A scene for one run, read in windows; a context manager that closes it. One thread at a time reads it.

    Attributes:
        scene: whose pixels these are, at the scale of the run where it was brought there.
        bands: of the run.
        chosen: the scene's bands, in the order of the run's.
        remarks: lines to be said. Those that do not name the scene hold for several, and are worth saying once.
    """

    def __init__(self, scene: WindowedScene, bands: Bands, chosen: Sequence[Band], remarks: Sequence[str] = ()) -> None:
        self.scene, self.bands, self.chosen, self.remarks = scene, bands, tuple(chosen), tuple(remarks)
        self._numbers = [band.index for band in chosen]

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.scene.size

    @property
    def place(self) -> Place | None:
        """Where the pixels lie."""
        return self.scene.place

    @property
    def may_lack_data(self) -> bool:
        """Whether pixels without data are possible; else `valid` is True everywhere."""
        return self.scene.may_lack_data(self._numbers)

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A window as the run's tiles are stored.

        Returns:
            uint8, shape (H, W, C): bands after their ranges, 0 where there are no data; where the run's set may lack
            data, a last channel that is 255 where there are some, else 0.

        Raises:
            DataError: the file is damaged there.
        """
        return self.read_with_valid(top, left, height, width)[0]

    def valid(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Where a window holds data, bool, shape (H, W), whether or not the run's set may lack data.

        Raises:
            DataError: the file is damaged there.
        """
        if not self.may_lack_data:
            return np.ones((height, width), bool)
        return self.scene.read(top, left, height, width, self._numbers)[1]

    def read_with_valid(self, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """What `read` and `valid` return of a window, decoded once."""
        values, valid = self.scene.read(top, left, height, width, self._numbers)
        image = as_bytes(values, valid, self.bands)
        if self.bands.nodata is None:
            image[~valid] = 0
        return image, valid


def fit_scene(scene: WindowedScene, bands: Bands, other_scale: OtherScale = "refuse") -> FittedScene:
    """Bring a scene to what a run learned from.

    Args:
        scene: open, its palette as colours. It is closed by what is returned, and where it is refused by the caller.
        bands: of the run.
        other_scale: what to do where metres per pixel differ by more than 20 %: `refuse`, `resample` to the run's, or
            `accept` as it is. Where one of both is not known, it is taken as it is, with a remark.

    Raises:
        DataError: the bands are not there or not clear, hold values of another kind, or the scale is refused.
    """
    chosen, by_order = with_names(scene.bands, bands, scene.path)
    remarks = []
    if by_order:
        remarks.append(f"{scene.path}: bands {listing(chosen)} are taken for {', '.join(bands.names)}, in this order")
    bands = replace(bands, ranges=tuple(map(_range, chosen, bands.ranges)))
    remarks += _on_values(scene, bands, chosen)
    view, said = _at_scale(scene, bands.metres_per_pixel, other_scale)
    return FittedScene(view, bands, chosen, remarks + said)


def _at_scale(scene: WindowedScene, run: float | None, other_scale: OtherScale) -> tuple[WindowedScene, list[str]]:
    """The scene at the run's scale where that is asked for, and what is to be said."""
    found = scene.metres_per_pixel
    if run is None or found is None:
        if run is None and found is None:
            return scene, []
        whose = "the run's, which are not known" if run is None else f"the run's {run:.4g} where they are not known"
        return scene, [f"metres per pixel of scenes are not compared with {whose}"]
    if not differs(run, found):
        return scene, []
    both = f"{scene.path} has {found:.4g} m per pixel, the run {run:.4g}"
    if other_scale == "refuse":
        raise DataError(
            worded(
                "{}; they may differ by 20 %: {other_scale} resample brings the scene to the run's, {other_scale} "
                "accept takes it as it is",
                both,
            )
        )
    if other_scale == "accept":
        return scene, [f"{both}; it is taken as it is"]
    return ResampledScene(scene, run), [f"{both}; it is resampled"]


# --- Values -----------------------------------------------------------------------------------------------------------


def _range(band: Band, of_run: Pair) -> Pair:
    """The range of a band; that of 8 bits stands for the whole of fewer bits, as grey files of 1, 2 or 4 have them."""
    return full_range(band) if band.dtype == "uint8" and band.bits < 8 and of_run == BYTES else of_run


def _on_values(scene: WindowedScene, bands: Bands, chosen: Sequence[Band]) -> list[str]:
    """What is to be said of values that can hardly be of the run's kind.

    Raises:
        DataError: they cannot be.
    """
    for band, (low, high) in zip(chosen, bands.ranges, strict=True):
        kind = np.dtype(band.dtype)
        if kind.kind in "ui" and np.iinfo(kind).max <= (low + high) / 2:
            raise DataError(
                f"{scene.path} holds {kind.name} in band {band.index}, but the run learned from {low:g} to {high:g}; "
                "give the scene in these values"
            )
    if all(band.dtype == "uint8" for band in chosen):
        return []
    outside, levels = _looked_at(scene, bands, chosen)
    ranges = ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(bands.ranges))
    if outside > _OUTSIDE:
        found = f"{scene.path}: {outside:.0%} of the values that were looked at lie outside the run's ranges ({ranges})"
        if all(pair == BYTES for pair in bands.ranges):
            raise DataError(f"{found}; bring it to 8 bits as the run's scenes were")
        return [f"{found}; they may be of another unit"]
    if levels <= _FEW:
        return [
            f"{scene.path}: its values differ too little to be seen in the run's ranges ({ranges}); check their unit"
        ]
    return []


def _looked_at(scene: WindowedScene, bands: Bands, chosen: Sequence[Band]) -> tuple[float, int]:
    """Share of values outside the run's ranges, and how many levels of 255 they span, in windows all over the scene."""
    low, high = (np.array(side)[:, None] for side in zip(*bands.ranges, strict=True))
    found = []
    height, width = (min(_SEEN, length) for length in scene.size)
    rows, columns = ({max(0, (length - _SEEN) * i // (_ACROSS - 1)) for i in range(_ACROSS)} for length in scene.size)
    for top, left in product(sorted(rows), sorted(columns)):
        values, valid = scene.read(top, left, height, width, [band.index for band in chosen])
        found.append(values[:, valid])
    values = np.concatenate(found, axis=1)
    if not values.size:
        return 0.0, VALID
    outside = (values < low) | (values > high)
    return float(outside.mean()), int(np.ptp(to_uint8(values, Ranges(bands.ranges)), axis=1).max())
