"""Tiles in raster files: the bands of a data set as bytes, with what holds data beside them."""

from pathlib import Path

import numpy as np

from data.rasters.scene import RasterScene
from utils.errors import DataError
from utils.imagery.bands import Bands
from utils.imagery.pixels import VALID
from utils.imagery.ranges import Ranges, to_uint8

Size = tuple[int, int]


def tile_size_of(path: Path) -> Size:
    """Height and width of a raster file.

    Raises:
        DataError: it cannot be opened.
    """
    with RasterScene.open(path, expand_palette=True) as scene:
        return scene.size


def read_tile(path: Path, bands: Bands) -> np.ndarray:
    """Read the bands of a data set from one of its files.

    Args:
        path: the file.
        bands: which bands, their ranges, and whether pixels may hold no data.

    Returns:
        uint8, shape (H, W, C): the bands after their ranges, 0 where there are no data, and where the set may lack data
        a last channel that is 255 where there are some, else 0.

    Raises:
        DataError: missing, damaged, or without one of the bands.
    """
    with RasterScene.open(path, expand_palette=True) as scene:
        if missing := [index for index in bands.indices if index > len(scene.bands)]:
            raise DataError(
                f"{path} has {len(scene.bands)} bands, and band {missing[0]} is asked for; check `bands` in "
                "dataset.json"
            )
        values, valid = scene.read(0, 0, *scene.size, bands.indices)
    return as_bytes(values, valid, bands)


def as_bytes(values: np.ndarray, valid: np.ndarray, bands: Bands) -> np.ndarray:
    """What networks are given of a window, as `read_tile` returns it.

    Args:
        values: of the bands, shape (bands, H, W).
        valid: where they are data, bool, shape (H, W).
        bands: their ranges, and whether the set may lack data.
    """
    channels = to_uint8(values, Ranges(bands.ranges))
    if bands.nodata is None:
        return np.ascontiguousarray(np.moveaxis(channels, 0, -1))
    image = np.empty((*valid.shape, len(channels) + 1), np.uint8)
    image[..., :-1] = np.moveaxis(channels, 0, -1)
    image[..., -1] = np.where(valid, VALID, 0)
    image[~valid] = 0
    return image
