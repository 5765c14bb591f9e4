"""Tiles with their scene classes, as far as these are known: what the active learner chooses from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE


@dataclass(frozen=True)
class SceneTiles:
    """N tiles, addressed by their position.

    Attributes:
        names: of the tiles.
        classes: names of the scene classes.
        labels: class id of each tile or -1, int64, shape (N,).
        image: position -> the tile's image, RGB, uint8, shape (H, W, 3); it raises a DataError where it cannot be read.
        tile_size: height and width of the images.
    """

    names: Sequence[str]
    classes: Sequence[str]
    labels: np.ndarray
    image: Callable[[int], np.ndarray]
    tile_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.names)

    def class_name(self, tile: int) -> str | None:
        """Scene class of a tile, or None where it is not known."""
        return None if self.labels[tile] == UNKNOWN_SCENE else self.classes[self.labels[tile]]

    def picture(self, tile: int) -> np.ndarray:
        """Image of a tile, uint8 (H, W, 3); grey where it cannot be read any more."""
        try:
            return self.image(tile)
        except DataError:
            return np.full((*self.tile_size, 3), 128, np.uint8)
