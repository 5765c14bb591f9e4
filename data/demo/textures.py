"""What the demo scenes are painted with: materials, their overlapping colours and telling textures."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Relief = Callable[[np.random.Generator, int, int], np.ndarray]

# Palettes run from one colour to the next (RGB, 0..255). Materials share them, so that colour alone decides little.
GREENS = np.array([(68, 92, 46), (84, 104, 54), (112, 120, 68)])
TANS = np.array([(150, 122, 88), (168, 144, 108), (188, 166, 128)])
GREYS = np.array([(106, 106, 110), (150, 148, 147), (214, 212, 206)])
ROOFS = np.array([(142, 98, 82), (140, 122, 112), (168, 156, 146), (206, 200, 192)])
PLANKS = np.array([(132, 118, 102), (186, 176, 162)])
BLUES = np.array([(50, 86, 102), (62, 98, 112), (74, 110, 120)])
PAINTS = np.array([(44, 46, 52), (168, 58, 48), (56, 92, 160), (236, 236, 234)])
COURTS = np.array([(66, 106, 72), (72, 110, 106), (76, 108, 126)])


@dataclass(frozen=True)
class Material:
    """One mask class: where its colour may lie on a palette, and how its brightness varies over the ground.

    Args:
        id: value in the mask, 1..17 as in DLRSD.
        palette: shape (n, 3), RGB in 0..255, read as a line from the first colour to the last.
        span: the part of that line the colour is drawn from, in [0, 1].
        relief: draws relative brightness, shape (height, width), 0 on average.
        varies: whether every object has a colour of its own, rather than all of a tile sharing one.
        drift: how far the colour wanders along the palette within one object, as a share of the palette.
    """

    id: int
    palette: np.ndarray
    span: tuple[float, float]
    relief: Relief
    varies: bool = False
    drift: float = 0.0

    def render(self, rng: np.random.Generator, colour: np.ndarray, height: int, width: int) -> np.ndarray:
        """Draws the material in a colour, shape (height, width, 3), RGB around 0..255."""
        ground = (1 + self.relief(rng, height, width))[..., None] * colour
        if self.drift:
            axis = (self.palette[-1] - self.palette[0]).astype(np.float32)
            ground += (self.drift * noise(rng, height, width, 32))[..., None] * axis
        return ground

    def colour(self, rng: np.random.Generator) -> np.ndarray:
        """Draws a colour, shape (3,), RGB in 0..255."""
        place = rng.uniform(*self.span) * (len(self.palette) - 1)
        left = min(int(place), len(self.palette) - 2)
        colour = self.palette[left] + (place - left) * (self.palette[left + 1] - self.palette[left])
        return colour.astype(np.float32)


def noise(rng: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    """Smooth normal noise of about unit deviation whose bumps are `cell` pixels wide, shape (height, width)."""
    coarse = rng.standard_normal((height // cell + 4, width // cell + 4), dtype=np.float32)
    interpolation = cv2.INTER_CUBIC if cell > 4 else cv2.INTER_LINEAR  # kinks show in large bumps only
    fine = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=interpolation)
    return fine[cell : cell + height, cell : cell + width]


def stripes(rng: np.random.Generator, height: int, width: int, period: float, warp: float) -> np.ndarray:
    """Parallel waves in a random direction, bent by up to about `warp` pixels, in [-1, 1], shape (height, width)."""
    angle = rng.uniform(0, np.pi)
    y, x = np.ogrid[:height, :width]
    across = np.float32(np.cos(angle)) * x.astype(np.float32) + np.float32(np.sin(angle)) * y.astype(np.float32)
    return np.sin((across + warp * noise(rng, height, width, 24)) * np.float32(2 * np.pi / period))


def _mottled(*layers: tuple[int, float]) -> Relief:
    """Sum of smooth noises, each a cell size in pixels and an amplitude."""

    def relief(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        return np.sum([amplitude * noise(rng, height, width, cell) for cell, amplitude in layers], axis=0)

    return relief


def _striped(periods: tuple[float, float], warp: float, amplitude: float, grain: float = 0.03) -> Relief:
    """Waves with a random period from a range of pixels, on faint noise."""

    def relief(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        waves = stripes(rng, height, width, rng.uniform(*periods), warp)
        return amplitude * waves + grain * noise(rng, height, width, 8)

    return relief


def _seeds(rng: np.random.Generator, height: int, width: int, spacing: float) -> np.ndarray:
    """Distance to the nearest of random points about `spacing` pixels apart, in pixels, shape (height, width)."""
    points = rng.random((height, width), dtype=np.float32) < 1 / spacing**2
    points[rng.integers(height), rng.integers(width)] = True
    return cv2.distanceTransform((~points).astype(np.uint8), cv2.DIST_L2, 3)


def _crowns(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Tree crowns lit from the upper left: domes around random points, dark in the gaps between them."""
    dome = np.maximum(1 - (_seeds(rng, height, width, 9) / 8) ** 2, 0)
    lit = dome - np.roll(dome, (2, 2), axis=(0, 1))
    return 0.7 * (dome - 0.65) + 0.5 * lit + 0.06 * noise(rng, height, width, 3)


def _shrubs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Small dark dots on lighter ground."""
    dots = (_seeds(rng, height, width, 11) < 3.4).astype(np.float32)
    return 0.16 - 0.5 * cv2.blur(dots, (2, 2)) + 0.04 * noise(rng, height, width, 24)


def _plates(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Steel plates in a chequered pattern."""
    y, x = np.ogrid[:height, :width]
    waves = np.sin(x * (2 * np.pi / 8)) * np.sin(y * (2 * np.pi / 8))
    return 0.08 * waves.astype(np.float32) + 0.03 * noise(rng, height, width, 16)


_PLAIN = _mottled((16, 0.03))

MATERIALS: dict[str, Material] = {
    "airplane": Material(1, GREYS, (0.75, 1.0), _PLAIN, varies=True),
    "bare soil": Material(2, TANS, (0.0, 0.6), _mottled((4, 0.14), (12, 0.08)), drift=0.25),
    "buildings": Material(3, ROOFS, (0.0, 1.0), _mottled((2, 0.05), (16, 0.03)), varies=True, drift=0.1),
    "cars": Material(4, PAINTS, (0.0, 1.0), _PLAIN, varies=True),
    "chaparral": Material(5, GREENS, (0.55, 1.0), _shrubs, drift=0.3),
    "court": Material(6, COURTS, (0.0, 1.0), _mottled((32, 0.02)), drift=0.25),
    "dock": Material(7, PLANKS, (0.0, 1.0), _striped((4, 5), 0, 0.16)),
    "field": Material(8, GREENS, (0.1, 1.0), _striped((5, 7), 1, 0.25), varies=True, drift=0.3),
    "grass": Material(9, GREENS, (0.1, 0.8), _mottled((32, 0.05), (4, 0.02)), drift=0.25),
    "mobile home": Material(10, GREYS, (0.55, 1.0), _striped((4, 5), 0, 0.08), varies=True),
    "pavement": Material(11, GREYS, (0.0, 0.5), _mottled((48, 0.04), (2, 0.02)), drift=0.06),
    "sand": Material(12, TANS, (0.4, 1.0), _striped((5, 7), 4, 0.13), drift=0.25),
    "sea": Material(13, BLUES, (0.0, 1.0), _striped((9, 13), 5, 0.24, grain=0.05), drift=0.3),
    "ship": Material(14, GREYS, (0.7, 1.0), _PLAIN, varies=True),
    "tanks": Material(15, GREYS, (0.6, 1.0), _plates, varies=True),
    "trees": Material(16, GREENS, (0.0, 0.7), _crowns, drift=0.25),
    "water": Material(17, BLUES, (0.0, 1.0), _mottled((64, 0.04)), drift=0.3),
}
