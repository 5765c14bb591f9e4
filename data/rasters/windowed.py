"""What cutting and predicting need of a scene, whether it is a file as it is or one at another scale."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from data.rasters.files.headers import Band
from data.rasters.places.place import Place, Size


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

    @property
    def holds_indices(self) -> bool:
        """Whether values are indices of a colour table, which have no mean."""
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
