"""Colours of a mask that are near a declared one: the edges that interpolation has blurred."""

import numpy as np

from data.checking.mask_values import meanings
from data.descriptions import Description

NEAR = 32  # distance in RGB, of channels 0..255, up to which a colour is read as the nearest declared one


def near_distance(description: Description) -> float:
    """Distance in RGB up to which a colour is read as the nearest declared one.

    It is 32 of 255 levels, and less than half the way between two declared colours, so that none lies between them.
    """
    declared = np.array([*(description.palette or ()), *description.ignore_colours], np.float64)
    apart = np.linalg.norm(declared[:, None] - declared[None], axis=-1)[~np.eye(len(declared), dtype=bool)]
    return min(float(NEAR), float(apart.min(initial=np.inf)) / 2 - 1e-6)


def nearest_declared(colours: np.ndarray, description: Description) -> list[int]:
    """The declared colour near each of some colours, as 0xRRGGBB; -1 where none is."""
    declared = list(meanings(description))
    corners = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in declared], np.float64)
    points = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1).astype(np.float64)
    limit, chosen = near_distance(description), []
    for start in range(0, len(points), 4096):  # a photograph taken for a mask has very many
        apart = np.linalg.norm(points[start : start + 4096, None] - corners[None], axis=-1)
        best = apart.argmin(axis=1)
        close = apart[np.arange(len(best)), best] <= limit
        chosen += [declared[index] if is_close else -1 for index, is_close in zip(best, close, strict=True)]
    return chosen
