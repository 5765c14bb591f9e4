import numpy as np

from utils.errors import DataError
from utils.selection import SceneTiles


def image(tile: int) -> np.ndarray:
    if tile == 1:
        raise DataError("damaged")
    return np.zeros((4, 6, 3), np.uint8)


def test_classes_and_pictures_of_tiles_that_are_known_and_of_others():
    tiles = SceneTiles(["a", "b"], ("dry", "wet"), np.array([1, -1]), image, (4, 6))
    assert [tiles.class_name(tile) for tile in range(len(tiles))] == ["wet", None]
    assert tiles.picture(0).max() == 0
    assert (tiles.picture(1) == np.full((4, 6, 3), 128)).all()
