"""What all views of a scene have in common: they show another one's bands and values."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.rasters.files.headers import Band
from data.rasters.windowed import WindowedScene
from utils.closing import Closing


class SceneView(Closing):
    """A view of a scene, which it closes. Its size, its place and `read` are those of each kind of view.

    Args:
        scene: open.
    """

    def __init__(self, scene: WindowedScene) -> None:
        self._scene = scene

    def close(self) -> None:
        """Close the scene."""
        self._scene.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._scene.path

    @property
    def dtype(self) -> np.dtype:
        """Of what `read` returns: the scene's."""
        return self._scene.dtype

    @property
    def bands(self) -> tuple[Band, ...]:
        """All bands."""
        return self._scene.bands

    @property
    def nodata(self) -> float | None:
        """The value that the file declares to be no data."""
        return self._scene.nodata

    @property
    def holds_indices(self) -> bool:
        """Whether values are indices of a colour table."""
        return self._scene.holds_indices

    def may_lack_data(self, bands: Sequence[int]) -> bool:
        """Whether pixels without data are possible."""
        return self._scene.may_lack_data(bands)
