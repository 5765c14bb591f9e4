"""Which tiles look nearly the same: small pictures of them, compared in all turns and mirror images; no network needed.

A tile is shrunk to `SIDE` × `SIDE` pixels. Two of them look alike where, in the turn that fits best, these differ by
`ALIKE` grey levels or less (root of the mean square over pixels and channels). Looked at as pictures in order of their
difference, pairs of Dubai's and UC Merced's tiles were the same picture or the same plain ground (water, sand, a field)
up to 10; from 11 on, some had a road or a building in one of them only.
"""

from collections.abc import Sequence

import cv2
import numpy as np

SIDE = 16  # pixels
ALIKE = 8.0  # grey levels of 0 to 255
_ROWS = 256  # of a block of pairs, which is what has to fit into memory at a time


def small_picture(image: np.ndarray) -> np.ndarray:
    """A tile shrunk by the mean over areas, float32 (SIDE, SIDE, C).

    Args:
        image: uint8 (H, W, C), any number of channels.
    """
    groups = [image[..., first : first + 4] for first in range(0, image.shape[2], 4)]  # as many as OpenCV takes
    small = [cv2.resize(np.ascontiguousarray(g), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for g in groups]
    return np.concatenate([each.reshape(SIDE, SIDE, -1) for each in small], axis=2).astype(np.float32)


def look_alike(pictures: Sequence[np.ndarray], most: float = ALIKE) -> np.ndarray:
    """Which pairs look nearly the same, bool (N, N); nothing looks like itself.

    Args:
        pictures: of N tiles, as `small_picture` makes them.
        most: difference in grey levels.
    """
    count = len(pictures)
    alike = np.zeros((count, count), bool)
    if not count:
        return alike
    stacked = np.stack(pictures).astype(np.float32)
    flat = stacked.reshape(count, -1)
    squares = (flat.astype(np.float64) ** 2).sum(axis=1)
    for turned in _turns(stacked):
        theirs = turned.reshape(count, -1)
        for start in range(0, count, _ROWS):
            rows = slice(start, start + _ROWS)
            distances = squares[rows, None] + squares - 2.0 * (flat[rows] @ theirs.T)
            alike[rows] |= distances <= flat.shape[1] * most**2
    np.fill_diagonal(alike, False)
    return alike | alike.T  # rounding may decide differently on the two ways round


def _turns(pictures: np.ndarray) -> list[np.ndarray]:
    """The pictures (N, S, S, C) in their four turns, and mirrored in these."""
    mirrored = pictures[:, :, ::-1]
    return [np.rot90(each, turn, axes=(1, 2)) for each in (pictures, mirrored) for turn in range(4)]
