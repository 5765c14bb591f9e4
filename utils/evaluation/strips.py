"""A map as it comes: rows from top to bottom, so that no image has to be held whole."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from utils.evaluation.windows import ReadableImage


@dataclass(frozen=True)
class MapStrip:
    """Some rows of a map, from one side of the image to the other.

    Attributes:
        top: the first row.
        ids: class ids, uint8, shape (rows, W); 255 where there are no data.
        confidence: probability of that class, in [0, 1], float32, shape (rows, W); None where nobody asked.
        probabilities: of all classes, float32, shape (C, rows, W); None where nobody asked.
        share: of the map's rows, in (0, 1].
        is_last: whether the map ends with it.
    """

    top: int
    ids: np.ndarray
    confidence: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    share: float = 1.0
    is_last: bool = True


class OpenImage(ReadableImage, Protocol):
    """An image that is open, as a network takes it, and knows where it is to have classes."""

    def valid(self, top: int, rows: int) -> np.ndarray | None:
        """Where some rows are to have a class, bool (rows, W); None: everywhere."""
        ...

    def as_filed(self, strip: MapStrip) -> MapStrip:
        """A strip of the map on the grid of the file, where that is another; strips come from top to bottom."""
        ...
