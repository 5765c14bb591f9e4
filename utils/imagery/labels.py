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
