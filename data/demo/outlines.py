"""Outlines of what stands in the demo scenes: corners (x, y) in pixels, x to the right and y down, shape (n, 2)."""

from collections.abc import Iterator

import numpy as np

TILE = 256  # rows and columns of a tile
LOW, HIGH = -56.0, 312.0  # a layout drawn from here to here covers the tile at any angle


def turn(angle: float) -> np.ndarray:
    """Matrix that turns row vectors (x, y) by `angle` radians, shape (2, 2)."""
    return np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])


def box(x: float, y: float, length: float, width: float) -> np.ndarray:
    """Rectangle around (x, y), `length` along x."""
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length / 2, width / 2) + (x, y)


def disc(x: float, y: float, radius: float, rim: np.ndarray | float = 1.0) -> np.ndarray:
    """Circle of 24 corners; `rim` multiplies the radius at each."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + radius * rim * np.cos(angles), y + radius * rim * np.sin(angles)], axis=1)


def blob(rng: np.random.Generator, x: float, y: float, radius: float) -> np.ndarray:
    """Circle with a wavy rim: a crown, a pond, a bunker."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return disc(x, y, radius, 1 + 0.13 * np.sum([np.sin(k * angles + rng.uniform(0, 7)) for k in (2, 3, 4)], axis=0))


def placed(outline: np.ndarray, x: float, y: float, angle: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """An outline around (0, 0), scaled, turned by `angle` radians and moved to (x, y)."""
    return scale * outline @ turn(angle) + (x, y)


def across(y: float) -> np.ndarray:
    """Straight path through the whole layout at height `y`."""
    return np.array([(LOW, y), (HIGH, y)])


def down(x: float) -> np.ndarray:
    """Straight path through the whole layout at `x`."""
    return np.array([(x, LOW), (x, HIGH)])


def winding(rng: np.random.Generator, y: float, bend: float) -> np.ndarray:
    """Path through the whole layout that leaves height `y` by up to `bend` pixels."""
    x = np.linspace(LOW, HIGH, 40)
    waves = np.sin(x / rng.uniform(45, 65) + rng.uniform(0, 7)) + 0.3 * np.sin(x / 22 + rng.uniform(0, 7))
    return np.stack([x, y + bend * waves / 1.3], axis=1)


def shifted(path: np.ndarray, offset: float) -> np.ndarray:
    """A path moved sideways by `offset` pixels."""
    steps = np.gradient(path, axis=0)
    return path + offset * steps @ turn(np.pi / 2) / np.linalg.norm(steps, axis=1, keepdims=True)


def ribbon(path: np.ndarray, width: float) -> np.ndarray:
    """The ground within `width` / 2 of a path."""
    return np.concatenate([shifted(path, width / 2), shifted(path, -width / 2)[::-1]])


def along(path: np.ndarray, gap: float) -> Iterator[tuple[float, float, float]]:
    """Places every `gap` pixels on a path: x, y and the path's angle there in radians."""
    distances = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    for distance in np.arange(gap / 2, distances[-1], gap):
        (x0, x1), (y0, y1) = (np.interp([distance - 1, distance + 1], distances, axis) for axis in path.T)
        yield (x0 + x1) / 2, (y0 + y1) / 2, np.arctan2(y1 - y0, x1 - x0)


EVERYWHERE = box(TILE / 2, TILE / 2, HIGH - LOW, HIGH - LOW)
