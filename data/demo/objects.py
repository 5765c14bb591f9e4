"""Objects of the demo scenes, each drawn onto a canvas around or along a place in the layout."""

from collections.abc import Iterable

import numpy as np

from data.demo.canvas import GLASS, WHITE, Canvas
from data.demo.outlines import EVERYWHERE, HIGH, LOW, TILE, along, blob, box, disc, placed, ribbon, shifted


def _mirrored(half: list[tuple[float, float]]) -> np.ndarray:
    """Closes half an outline, given from bow to stern, along the x axis."""
    return np.array(half + [(x, -y) for x, y in half[::-1]])


CAR, WINDOWS = box(0, 0, 18, 10), np.stack([box(3, 0, 3, 8), box(-5, 0, 2, 8)])
SHIP = _mirrored([(21, 0), (14, 5), (5, 8), (-19, 7)])
WINGS = [(0.14, 0.06), (-0.12, 0.48), (-0.25, 0.48), (-0.12, 0.06)]
PLANE = _mirrored([(0.5, 0), (0.45, 0.06), *WINGS, (-0.38, 0.05), (-0.47, 0.2), (-0.56, 0.2), (-0.5, 0.02)])


def car(c: Canvas, x: float, y: float, angle: float) -> None:
    """A car that heads along `angle`, in radians as everywhere."""
    c.fill("cars", placed(CAR, x, y, angle), height=2)
    c.shade(placed(WINDOWS, x, y, angle), 0.5)


def ship(c: Canvas, x: float, y: float, angle: float) -> None:
    """A ship that heads along `angle`."""
    c.fill("ship", placed(SHIP, x, y, angle), height=2)
    c.shade(placed(box(-7, 0, 14, 9), x, y, angle), 0.75)
    c.mark(placed(box(3, 0, 5, 8), x, y, angle), GLASS)


def airplane(c: Canvas, x: float, y: float, angle: float, length: float) -> None:
    """An airplane `length` pixels long that heads along `angle`."""
    c.fill("airplane", placed(PLANE, x, y, angle, length), height=5)
    c.mark(placed(box(0, 0, 0.84, 0.05), x, y, angle, length), (236, 238, 240))
    c.shade(placed(np.stack([box(0.06, side, 0.1, 0.05) for side in (-0.2, 0.2)]), x, y, angle, length), 0.6)


def house(c: Canvas, x: float, y: float, angle: float, length: float, width: float) -> None:
    """A house under a ridged roof, the ridge along `angle`."""
    c.fill("buildings", placed(box(0, 0, length, width), x, y, angle), height=5)
    c.shade(placed(box(0, width / 4, length, width / 2), x, y, angle), 0.78)


def block(c: Canvas, x: float, y: float, length: float, width: float) -> None:
    """A large flat roof with a parapet and machinery on it."""
    c.fill("buildings", box(x, y, length, width), height=10)
    c.shade(box(x, y, length - 6, width - 6), 0.88)
    units = np.stack([box(x + dx, y + dy, 9, 7) for dx, dy in c.rng.uniform(-0.35, 0.35, (5, 2)) * (length, width)])
    c.shade(units, 0.6, offset=2)
    c.mark(units, (198, 198, 196))


def mobile_home(c: Canvas, x: float, y: float, angle: float) -> None:
    """A mobile home that lies along `angle`."""
    c.fill("mobile home", placed(box(0, 0, 48, 17), x, y, angle), height=4)
    c.shade(placed(box(0, 4.5, 48, 8), x, y, angle), 0.86)


def tank(c: Canvas, x: float, y: float, radius: float) -> None:
    """A round tank with rings on its lid."""
    c.fill("tanks", disc(x, y, radius), height=7)
    for share, gain in ((0.9, 0.8), (0.66, 1.25), (0.42, 0.8)):
        c.shade(disc(x, y, share * radius), gain)


def pier(c: Canvas, x: float, y: float, length: float, width: float = 14) -> None:
    """A pier, `length` along x."""
    c.fill("dock", box(x, y, length, width), height=3)


def jetty(c: Canvas, x: float, y: float, angle: float = 0.0) -> None:
    """A short pier with a ship alongside."""
    c.fill("dock", placed(box(0, 0, 50, 14), x, y, angle), height=2)
    ship_x, ship_y = placed(np.array([0, -19]), x, y, angle)
    ship(c, ship_x, ship_y, angle)


def court(c: Canvas, x: float, y: float) -> None:
    """A tennis court of 84×46 pixels, lines included."""
    c.fill("court", box(x, y, 84, 46))
    c.shade(box(x, y, 64, 28), 0.86)
    sides = [(x, y + dy, 64, 1.8) for dy in (-14, -10, 10, 14)]
    ends = [(x + dx, y, 1.8, 28) for dx in (-32, 0, 32)]
    services = [(x - 16, y, 1.8, 20), (x + 16, y, 1.8, 20), (x, y, 32, 1.8)]
    c.mark(np.stack([box(*line) for line in sides + ends]), WHITE)
    c.mark(np.stack([box(*line) for line in services]), WHITE)


def trees(c: Canvas, spots: Iterable[tuple[float, float]], radii: tuple[float, float] = (9, 14)) -> None:
    """Trees at spots (x, y), their radii drawn from a range."""
    for x, y in spots:
        c.fill("trees", blob(c.rng, x, y, c.rng.uniform(*radii)), height=5)


def road(c: Canvas, path: np.ndarray, width: float, lanes: int = 2) -> None:
    """A paved path with dashed lines between its lanes."""
    c.fill("pavement", ribbon(path, width))
    for lane in range(1, lanes):
        dashes = along(shifted(path, width * (lane / lanes - 0.5)), 22)
        c.mark(np.stack([placed(box(0, 0, 11, 1.8), *dash) for dash in dashes]), WHITE)


def traffic(c: Canvas, path: np.ndarray, gap: float, share: float = 0.6) -> None:
    """Cars on a path, one at a `share` of the places every `gap` pixels."""
    for x, y, angle in along(path, gap):
        if c.chance(share):
            car(c, x, y, angle + 0.05 * c.rng.standard_normal())


def ground(c: Canvas, *names: str) -> None:
    """Covers the tile with two of some materials, the second below the middle."""
    first, second = c.rng.choice(names, 2, replace=False)
    c.fill(first, EVERYWHERE)
    c.fill(second, box(TILE / 2, HIGH, HIGH - LOW, HIGH - LOW))


def anywhere(c: Canvas) -> tuple[float, float]:
    """A random place (x, y) on the tile."""
    return c.rng.uniform(0, TILE), c.rng.uniform(0, TILE)
