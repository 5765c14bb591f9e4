"""Label values: the one that is never learned from and never scored, and how many pixels each class has."""

import numpy as np

IGNORE_INDEX = 255  # padding, unlabelled pixels and pixels whose class is unknown
UNKNOWN_SCENE = -1  # the scene class of a tile that has no label yet
UNREADABLE = -2  # the scene class of a tile of a batch whose image could not be read
PERCENT = 100  # what a probability of 1 is in a raster of percent
MAX_CLASSES = 254  # ids 0..253; 254 marks values that no class has while a mask is decoded


def count_classes(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """Pixels of each class; ids uint8, 255 = ignore; counts int64, shape (num_classes,)."""
    return np.bincount(ids.reshape(-1), minlength=256)[:num_classes]


def as_percent(shares: np.ndarray, lacks: np.ndarray) -> np.ndarray:
    """Probabilities as whole percent.

    Args:
        shares: in [0, 1], float, shape (N, rows, W).
        lacks: where there are no data, bool (rows, W).

    Returns:
        uint8, shape (N, rows, W), in [0, 100]; 255 where there are no data.
    """
    found = np.empty(shares.shape, np.uint8)
    for band, values in zip(found, shares, strict=True):  # one at a time: they may be large
        percent = np.rint(np.clip(values, 0, 1) * PERCENT)
        percent[lacks] = IGNORE_INDEX
        band[:] = percent
    return found
