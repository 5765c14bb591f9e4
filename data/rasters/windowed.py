"""What cutting and predicting need of a scene, whether it is a file as it is or one at another scale."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from data.rasters.grids import Grid
from data.rasters.headers import Band
from data.rasters.place import Place
from data.rasters.resampled import ResampledScene
from data.rasters.scene import RasterScene, Size

_SAME = 0.01  # pixels by which the ends of a scene may move and count as unmoved


class WindowedScene(Protocol):
    """A scene that is read in windows; a context manager that closes it. See `RasterScene` for what all this means."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def size(self) -> Size:
        """Height and width."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of what `read` returns."""
        ...

    @property
    def place(self) -> Place | None:
        """Where it lies."""
        ...

    @property
    def bands(self) -> tuple[Band, ...]:
        """All bands."""
        ...

    @property
    def nodata(self) -> float | None:
        """The value that is declared to be no data."""
        ...

    @property
    def metres_per_pixel(self) -> float | None:
        """Length of a pixel's side on the ground; None where it is not known."""
        ...

    @property
    def factor(self) -> float:
        """Pixels of the file along a side of one of the scene."""
        ...

    @property
    def file_size(self) -> Size:
        """Height and width of the file."""
        ...

    @property
    def block_size(self) -> Size:
        """Height and width of what is decoded together."""
        ...

    def may_lack_data(self, bands: Sequence[int]) -> bool:
        """Whether pixels without data are possible."""
        ...

    def read(
        self, top: int, left: int, height: int, width: int, bands: Sequence[int], out: Size | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values of a window, shape (bands, H, W), and whether they are data, bool, shape (H, W)."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def grid_of(scene: WindowedScene) -> Grid:
    """The pixels of a scene, and where they lie."""
    crs, transform = (scene.place.crs or None, scene.place.transform) if scene.place else (None, None)
    if scene.factor == 1:
        return Grid(scene.path, scene.size, crs, transform)
    return Grid(scene.path, scene.size, crs, transform, scene.factor, scene.file_size)


def open_scene(path: Path, metres_per_pixel: float | None = None) -> WindowedScene:
    """Open a scene, its palette as colours.

    Args:
        path: the file.
        metres_per_pixel: to bring it to; None: as it is. A scene that has them, to a hundredth of a pixel over all of
            it, stays as it is.

    Raises:
        DataError: as of `RasterScene.open` and `ResampledScene`.
    """
    scene = RasterScene.open(path, expand_palette=True)
    if metres_per_pixel is None:
        return scene
    try:
        view = ResampledScene(scene, metres_per_pixel)
    except BaseException:
        scene.close()
        raise
    is_same = abs(view.factor - 1) * max(scene.size) < _SAME
    return scene if is_same else view
