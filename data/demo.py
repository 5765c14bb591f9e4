"""Drawing the demo set: synthetic aerial scenes in the layout of UC Merced Land Use with DLRSD masks.

A painter works on a layout in pixels, x to the right and y down, that the canvas turns about the tile's centre.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.demo_textures import TILE, Canvas, noise, turn

LOW, HIGH = -56.0, 312.0  # a layout drawn from here to here covers the tile at any angle
WHITE, YELLOW, GREY, GLASS = (232, 232, 226), (214, 188, 96), (150, 147, 142), (70, 84, 98)
ODD_SIZES = ((247, 247), (256, 251), (253, 256), (242, 256))  # rows and columns of tiles that are not 256×256
ODD_EVERY = 8


# --- Outlines: corners (x, y) in pixels, shape (n, 2) -----------------------------------------------------------------


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


def _mirrored(half: list[tuple[float, float]]) -> np.ndarray:
    """Closes half an outline, given from bow to stern, along the x axis."""
    return np.array(half + [(x, -y) for x, y in half[::-1]])


EVERYWHERE = box(TILE / 2, TILE / 2, HIGH - LOW, HIGH - LOW)
CAR, WINDOWS = box(0, 0, 18, 10), np.stack([box(3, 0, 3, 8), box(-5, 0, 2, 8)])
SHIP = _mirrored([(21, 0), (14, 5), (5, 8), (-19, 7)])
WINGS = [(0.14, 0.06), (-0.12, 0.48), (-0.25, 0.48), (-0.12, 0.06)]
PLANE = _mirrored([(0.5, 0), (0.45, 0.06), *WINGS, (-0.38, 0.05), (-0.47, 0.2), (-0.56, 0.2), (-0.5, 0.02)])


# --- Objects ----------------------------------------------------------------------------------------------------------


def _car(c: Canvas, x: float, y: float, angle: float) -> None:
    c.fill("cars", placed(CAR, x, y, angle), height=2)
    c.shade(placed(WINDOWS, x, y, angle), 0.5)


def _ship(c: Canvas, x: float, y: float, angle: float) -> None:
    c.fill("ship", placed(SHIP, x, y, angle), height=2)
    c.shade(placed(box(-7, 0, 14, 9), x, y, angle), 0.75)
    c.mark(placed(box(3, 0, 5, 8), x, y, angle), GLASS)


def _airplane(c: Canvas, x: float, y: float, angle: float, length: float) -> None:
    c.fill("airplane", placed(PLANE, x, y, angle, length), height=5)
    c.mark(placed(box(0, 0, 0.84, 0.05), x, y, angle, length), (236, 238, 240))
    c.shade(placed(np.stack([box(0.06, side, 0.1, 0.05) for side in (-0.2, 0.2)]), x, y, angle, length), 0.6)


def _house(c: Canvas, x: float, y: float, angle: float, length: float, width: float) -> None:
    c.fill("buildings", placed(box(0, 0, length, width), x, y, angle), height=5)
    c.shade(placed(box(0, width / 4, length, width / 2), x, y, angle), 0.78)


def _block(c: Canvas, x: float, y: float, length: float, width: float) -> None:
    """A large flat roof with a parapet and machinery on it."""
    c.fill("buildings", box(x, y, length, width), height=10)
    c.shade(box(x, y, length - 6, width - 6), 0.88)
    units = np.stack([box(x + dx, y + dy, 9, 7) for dx, dy in c.rng.uniform(-0.35, 0.35, (5, 2)) * (length, width)])
    c.shade(units, 0.6, offset=2)
    c.mark(units, (198, 198, 196))


def _mobile_home(c: Canvas, x: float, y: float, angle: float) -> None:
    c.fill("mobile home", placed(box(0, 0, 48, 17), x, y, angle), height=4)
    c.shade(placed(box(0, 4.5, 48, 8), x, y, angle), 0.86)


def _tank(c: Canvas, x: float, y: float, radius: float) -> None:
    c.fill("tanks", disc(x, y, radius), height=7)
    for share, gain in ((0.9, 0.8), (0.66, 1.25), (0.42, 0.8)):
        c.shade(disc(x, y, share * radius), gain)


def _pier(c: Canvas, x: float, y: float, length: float, width: float = 14) -> None:
    c.fill("dock", box(x, y, length, width), height=3)


def _jetty(c: Canvas, x: float, y: float, angle: float = 0.0) -> None:
    """A short pier with a ship alongside."""
    c.fill("dock", placed(box(0, 0, 50, 14), x, y, angle), height=2)
    ship_x, ship_y = placed(np.array([0, -19]), x, y, angle)
    _ship(c, ship_x, ship_y, angle)


def _court(c: Canvas, x: float, y: float) -> None:
    """A tennis court of 84×46 pixels, lines included."""
    c.fill("court", box(x, y, 84, 46))
    c.shade(box(x, y, 64, 28), 0.86)
    sides = [(x, y + dy, 64, 1.8) for dy in (-14, -10, 10, 14)]
    ends = [(x + dx, y, 1.8, 28) for dx in (-32, 0, 32)]
    services = [(x - 16, y, 1.8, 20), (x + 16, y, 1.8, 20), (x, y, 32, 1.8)]
    c.mark(np.stack([box(*line) for line in sides + ends]), WHITE)
    c.mark(np.stack([box(*line) for line in services]), WHITE)


def _trees(c: Canvas, spots: Iterable[tuple[float, float]], radii: tuple[float, float] = (9, 14)) -> None:
    for x, y in spots:
        c.fill("trees", blob(c.rng, x, y, c.rng.uniform(*radii)), height=5)


def _road(c: Canvas, path: np.ndarray, width: float, lanes: int = 2) -> None:
    c.fill("pavement", ribbon(path, width))
    for lane in range(1, lanes):
        dashes = along(shifted(path, width * (lane / lanes - 0.5)), 22)
        c.mark(np.stack([placed(box(0, 0, 11, 1.8), *dash) for dash in dashes]), WHITE)


def _traffic(c: Canvas, path: np.ndarray, gap: float, share: float = 0.6) -> None:
    for x, y, angle in along(path, gap):
        if c.chance(share):
            _car(c, x, y, angle + 0.05 * c.rng.standard_normal())


def _ground(c: Canvas, *names: str) -> None:
    """Covers the tile with two of some materials, the second below the middle."""
    first, second = c.rng.choice(names, 2, replace=False)
    c.fill(first, EVERYWHERE)
    c.fill(second, box(TILE / 2, HIGH, HIGH - LOW, HIGH - LOW))


def _anywhere(c: Canvas) -> tuple[float, float]:
    return c.rng.uniform(0, TILE), c.rng.uniform(0, TILE)


# --- Scenes -----------------------------------------------------------------------------------------------------------


def _agricultural(c: Canvas) -> None:
    c.fill("bare soil", EVERYWHERE)
    edges = np.arange(LOW, HIGH + 60, c.rng.uniform(90, 130))
    for left, right in pairwise(edges):
        middle = c.rng.uniform(60, 200)
        for top, bottom in ((LOW, middle - 4), (middle + 4, HIGH)):
            c.fill("field", box((left + right) / 2, (top + bottom) / 2, right - left - 8, bottom - top))
    if c.chance(0.5):  # a farm
        c.fill("bare soil", box(144, 126, 150, 90))
        for x in (92, 126):
            _tank(c, x, 106, 14)
        _house(c, 122, 152, 0, 76, 30)
        for y in (95, 121, 147):
            _mobile_home(c, 190, y, 0)
    else:  # an airstrip
        c.fill("grass", box(128, 128, HIGH - LOW, 64))
        _airplane(c, c.rng.uniform(70, 186), 128, np.pi * c.rng.integers(2), 76)
    if c.chance(0.4):
        c.fill("water", blob(c.rng, *_anywhere(c), c.rng.uniform(26, 40)))
    _trees(c, c.spots("bare soil", 6))


def _airplane_scene(c: Canvas) -> None:
    c.fill("pavement", EVERYWHERE)
    c.fill("grass", box(128, LOW, HIGH - LOW, 160))
    _block(c, 128, 262, 300, 60)
    if c.chance(0.5):  # fuel
        for x in np.arange(LOW, HIGH, 66):
            _tank(c, x, 12, 27)
    c.mark(ribbon(winding(c.rng, 60, 6), 2.5), YELLOW)
    for x in np.arange(c.rng.uniform(-20, 30), HIGH, 96):
        c.mark(box(x, 125, 2, 130), YELLOW)
        _airplane(c, x, c.rng.uniform(125, 150), np.pi / 2 + 0.15 * c.rng.standard_normal(), c.rng.uniform(84, 98))
    _traffic(c, across(214), 40)


def _baseballdiamond(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    size, (x, y) = c.rng.uniform(150, 180), c.rng.uniform(40, 60, 2)
    angles = np.linspace(0, np.pi / 2, 16)
    quarter = np.concatenate([[(0, 0)], np.stack([np.cos(angles), np.sin(angles)], axis=1)])
    c.fill("bare soil", placed(quarter, x - 8, y - 8, scale=size))
    middle = 12 + 0.22 * size
    c.fill("grass", box(x + middle, y + middle, 0.44 * size, 0.44 * size))
    for corner, radius in ((0, 18), (middle, 11)):
        c.fill("bare soil", disc(x + corner, y + corner, radius))
    c.mark(ribbon(np.array([(x, HIGH), (x, y)]), 2), WHITE)
    c.mark(ribbon(np.array([(HIGH, y), (x, y)]), 2), WHITE)
    _road(c, across(-6), 44)
    _traffic(c, across(4), 24)
    if c.chance(0.5):
        _court(c, 210, 230)
    _trees(c, c.spots("grass", 8), (12, 20))


def _beach(c: Canvas) -> None:
    c.fill("sea", EVERYWHERE)
    coast = winding(c.rng, c.rng.uniform(110, 150), 14)
    c.fill("sand", np.concatenate([coast, [(HIGH, LOW), (LOW, LOW)]]))
    c.shade(ribbon(shifted(coast, -5), 12), 0.86)
    for offset in (2, 16, 34):
        c.mark(ribbon(shifted(coast, offset + 3 * c.rng.standard_normal()), 5 - offset / 12), (226, 232, 230))
    c.fill("grass", box(128, LOW, HIGH - LOW, 2 * c.rng.uniform(50, 80)))
    _trees(c, c.spots("grass", 10))
    if c.chance(0.8):
        x = c.rng.uniform(60, 196)
        _pier(c, x, 195, 16, 190)
        _ship(c, x + 19, 200, np.pi / 2)


def _buildings(c: Canvas) -> None:
    c.fill("pavement", EVERYWHERE)
    for x in (-80, 30, 140, 250):
        for y in (-70, 40, 150, 260):
            _block(c, x + c.rng.uniform(-6, 6), y, *c.rng.uniform(64, 84, 2))
    for x, y in ((85, 95), (195, 205)):
        _traffic(c, across(y), 30)
        _traffic(c, down(x), 30, share=0.4)
    _trees(c, c.spots("pavement", 8), (7, 10))


def _chaparral(c: Canvas) -> None:
    c.fill("chaparral", EVERYWHERE)
    ground = c.rng.choice(["bare soil", "sand"])
    for x, y in c.rng.uniform(0, TILE, (3, 2)):
        c.fill(ground, blob(c.rng, x, y, c.rng.uniform(14, 30)))
    c.fill(ground, ribbon(winding(c.rng, 128, 40), 16))
    ((x, y),) = c.spots("chaparral", 1)
    if c.chance(0.5):
        _tank(c, x, y, 26)
    else:
        _airplane(c, x, y, c.rng.uniform(0, 7), 80)


def _denseresidential(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    for street in np.arange(c.rng.uniform(-10, 20), HIGH, 118):
        _road(c, across(street), 24, lanes=1)
        for x, y, _ in along(across(street - 36), 40):
            _house(c, x, y, 0, *c.rng.uniform((28, 28), (35, 36)))
        for x, y, _ in along(across(street + 38), 28):
            _mobile_home(c, x, y, np.pi / 2)
        _traffic(c, across(street), 30)
    _trees(c, c.spots("grass", 14), (6, 9))


def _forest(c: Canvas) -> None:
    c.fill("trees", EVERYWHERE)
    for name in ("grass", "field", "chaparral"):
        c.fill(name, blob(c.rng, *_anywhere(c), c.rng.uniform(24, 40)))
    if c.chance(0.6):
        river = winding(c.rng, 128, 40)
        c.fill("water", ribbon(river, 56))
        for spot in along(river, 180):
            _jetty(c, *spot)


def _freeway(c: Canvas) -> None:
    _ground(c, "field", "chaparral", "sand")
    c.fill("bare soil", ribbon(across(128), 176))
    c.fill("grass", ribbon(across(128), 150))
    for middle in (86, 170):
        _road(c, across(middle), 60, lanes=3)
        for lane in (-20, 0, 20):
            _traffic(c, across(middle + lane), 44, share=0.45)
    _trees(c, c.spots("grass", 6))


def _golfcourse(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    c.shade(ribbon(winding(c.rng, 128, 40), 80), 1.14)
    c.shade(blob(c.rng, 190, 120, 30), 1.1)
    if c.chance(0.8):
        c.fill("water", blob(c.rng, *_anywhere(c), c.rng.uniform(40, 60)))
    for x, y in c.spots("grass", 5):
        c.fill("sand", blob(c.rng, x, y, c.rng.uniform(14, 22)))
    if c.chance(0.5):
        _court(c, 60, 40)
    _trees(c, c.spots("grass", 20), (12, 20))


def _harbor(c: Canvas) -> None:
    c.fill(c.rng.choice(["sea", "water"]), EVERYWHERE)
    quay = c.rng.uniform(30, 60)
    c.fill("pavement", box(128, (LOW + quay) / 2, HIGH - LOW, quay - LOW), height=3)
    _traffic(c, across(quay - 16), 24)
    if c.chance(0.5):
        for x in np.arange(c.rng.uniform(-20, 20), HIGH, 70):
            _tank(c, x, quay - 56, 26)
    for x in np.arange(c.rng.uniform(-40, 0), HIGH, 112):
        _pier(c, x, (quay + HIGH) / 2, 18, HIGH - quay)
        for y in np.arange(quay + 14, HIGH, 58):
            for side in (-1, 1):
                c.fill("dock", box(x + side * 26, y, 36, 10), height=2)
                for berth in (-16, 16):
                    if c.chance(0.75):
                        _ship(c, x + side * 32, y + berth, 0 if side > 0 else np.pi)


def _intersection(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    x, y = c.rng.uniform(105, 150, 2)
    _road(c, across(y), 50)
    _road(c, down(x), 50)
    c.fill("pavement", box(x, y, 52, 52))
    stripes = [box(side, stripe, 10, 4) for side in (-33, 33) for stripe in np.linspace(-20, 20, 6)]
    for angle in (0, np.pi / 2):
        c.mark(placed(np.stack(stripes), x, y, angle), WHITE)
    for lane in (-13, 13):
        _traffic(c, across(y + lane), 34, share=0.5)
        _traffic(c, down(x + lane), 34, share=0.5)
    if c.chance(0.5):  # a building site
        c.fill("bare soil", box(x + 110, y + 110, 140, 140))
        for site_y in (48, 72, 96):
            _mobile_home(c, x + 140, y + site_y, 0)
    for dx, dy in ((-80, -80), (80, -80), (-80, 80), (80, 80)):
        if c.chance(0.3):
            _tank(c, x + dx, y + dy, c.rng.uniform(30, 38))
        else:
            _block(c, x + dx, y + dy, *c.rng.uniform(50, 74, 2))
    _trees(c, c.spots("grass", 12), (7, 11))


def _mediumresidential(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    street = winding(c.rng, c.rng.uniform(110, 146), 14)
    _road(c, street, 26, lanes=1)
    for offset in (-46, 46, -112, 112):
        for x, y, angle in along(shifted(street, offset), 62):
            _house(c, x, y, angle, *c.rng.uniform((34, 26), (44, 34)))
    _traffic(c, shifted(street, 6), 44)
    if c.chance(0.5):
        _court(c, 128, 50)
    if c.chance(0.4):
        c.fill("water", blob(c.rng, 128, 216, 36))
    _trees(c, c.spots("grass", 22))


def _mobilehomepark(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    for lane in np.arange(c.rng.uniform(-30, 10), HIGH, 86):
        _road(c, down(lane), 24, lanes=1)
        for y in np.arange(LOW, HIGH, 28):
            _mobile_home(c, lane + 43, y, 0.25)
        _traffic(c, down(lane + 4), 30, share=0.5)
    _trees(c, c.spots("grass", 8), (6, 9))


def _overpass(c: Canvas) -> None:
    _ground(c, "chaparral", "sand", "sea", "water", "field")
    for x, y in c.spots("sea", 2) + c.spots("water", 2):
        _ship(c, x, y, c.rng.uniform(0, 2 * np.pi))
    _road(c, down(128), 84, lanes=4)
    for lane in (-32, -11, 11, 32):
        _traffic(c, down(128 + lane), 40, share=0.5)
    c.shade(ribbon(across(128), 62), 0.5, offset=9)
    _road(c, across(128), 62)
    for edge in (-30, 30):
        c.mark(ribbon(across(128 + edge), 3), WHITE)
        _traffic(c, across(128 + edge / 2), 40, share=0.5)


def _parkinglot(c: Canvas) -> None:
    c.fill("pavement", EVERYWHERE)
    for row in np.arange(c.rng.uniform(-40, 0), HIGH, 72):
        c.mark(np.stack([box(x, row, 1.6, 44) for x in np.arange(LOW, HIGH, 15)]), WHITE)
        for x in np.arange(LOW, HIGH, 15):
            for side in (-11, 11):
                if c.chance(0.7):
                    _car(c, x + 7.5, row + side, np.pi / 2)
    if c.chance(0.6):  # trailers
        c.fill("pavement", box(128, 30, HIGH - LOW, 90))
        for x in np.arange(LOW, HIGH, 30):
            _mobile_home(c, x, 38, np.pi / 2)
    _trees(c, c.spots("pavement", 3), (8, 11))


def _river(c: Canvas) -> None:
    _ground(c, "chaparral", "field", "bare soil")
    river, width = winding(c.rng, c.rng.uniform(110, 146), 34), c.rng.uniform(64, 84)
    c.fill("trees", ribbon(river, width + 80))
    c.fill("sand", ribbon(river, width + 26))
    c.fill("water", ribbon(river, width))
    if c.chance(0.8):
        for x, y, angle in along(shifted(river, width / 2 - 8), 100):
            _jetty(c, x, y, angle)


def _runway(c: Canvas) -> None:
    _ground(c, "sea", "chaparral", "field", "bare soil")
    c.fill("grass", ribbon(across(128), 150))
    _road(c, across(128), 84)
    c.mark(np.stack([ribbon(across(edge), 2.5) for edge in (90, 166)]), WHITE)
    c.mark(np.stack([box(50, 128 + stripe, 44, 4) for stripe in (-30, -22, -14, 14, 22, 30)]), WHITE)
    taxiway = c.rng.uniform(190, 230)
    _road(c, down(taxiway), 40, lanes=1)
    _airplane(c, taxiway, c.rng.uniform(20, 50), np.pi / 2, c.rng.uniform(80, 96))
    _airplane(c, c.rng.uniform(100, 150), 128, 0, c.rng.uniform(80, 96))


def _sparseresidential(c: Canvas) -> None:
    _ground(c, "field", "chaparral", "bare soil")
    c.fill("grass", blob(c.rng, 128, 128, 95))
    _road(c, winding(c.rng, 215, 8), 22, lanes=1)
    c.fill("bare soil", box(128, 170, 26, 80))
    _house(c, 128, c.rng.uniform(95, 115), 0, 66, 42)
    for y in (120, 152):
        _mobile_home(c, 190, y, 0.2)
    if c.chance(0.5):
        c.fill("water", blob(c.rng, 62, 90, 46))
        _jetty(c, 62, 98)
    _car(c, 128, 175, np.pi / 2)
    _trees(c, c.spots("grass", 14), (12, 22))


def _storagetanks(c: Canvas) -> None:
    c.fill(c.rng.choice(["bare soil", "sand", "grass"]), EVERYWHERE)
    step = c.rng.uniform(74, 100)
    for y in np.arange(c.rng.uniform(-20, 30), HIGH, step):
        c.mark(ribbon(across(y), 3), GREY)
        for x in np.arange(c.rng.uniform(-20, 30), HIGH, step):
            if c.chance(0.85):
                _tank(c, x, y, c.rng.uniform(0.32, 0.42) * step)
    _road(c, down(170), 24, lanes=1)
    if c.chance(0.7):  # a terminal by the sea
        c.fill("sea", box(HIGH, 128, 2 * (HIGH - 182), HIGH - LOW))
        _pier(c, 220, c.rng.uniform(80, 176), 90)
        _ship(c, 224, 60, np.pi / 2)
        _ship(c, 216, 200, np.pi / 2)


def _tenniscourt(c: Canvas) -> None:
    c.fill("grass", EVERYWHERE)
    c.fill("pavement", box(128, 118, 214, 132))
    for x in (80, 176):
        for y in (86, 148):
            _court(c, x, y)
    _house(c, 128, 222, 0, 60, 34)
    _trees(c, c.spots("grass", 16), (12, 20))


SCENE_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "agricultural": _agricultural,
    "airplane": _airplane_scene,
    "baseballdiamond": _baseballdiamond,
    "beach": _beach,
    "buildings": _buildings,
    "chaparral": _chaparral,
    "denseresidential": _denseresidential,
    "forest": _forest,
    "freeway": _freeway,
    "golfcourse": _golfcourse,
    "harbor": _harbor,
    "intersection": _intersection,
    "mediumresidential": _mediumresidential,
    "mobilehomepark": _mobilehomepark,
    "overpass": _overpass,
    "parkinglot": _parkinglot,
    "river": _river,
    "runway": _runway,
    "sparseresidential": _sparseresidential,
    "storagetanks": _storagetanks,
    "tenniscourt": _tenniscourt,
}


# --- Set --------------------------------------------------------------------------------------------------------------


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The painted ground, RGB in 0..255, as a camera sees it: light, tint and haze of the day, blur, pixel noise."""
    light = (rng.uniform(0.92, 1.08) * rng.uniform(0.97, 1.03, 3)).astype(np.float32)
    shading = 1 + 0.04 * noise(rng, TILE, TILE, 128)[..., None]
    blurred = cv2.GaussianBlur(image * light * shading, (0, 0), 0.6)
    grain = rng.uniform(3, 6) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(blurred + rng.uniform(0, 10) + grain, 0, 255).astype(np.uint8)


def draw_scene(scene: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws one tile.

    Args:
        scene: a key of `SCENE_PAINTERS`.
        rng: source of every choice, so that one state gives one tile.

    Returns:
        The image, shape (256, 256, 3), uint8 RGB, and its mask, shape (256, 256), uint8 ids 1..17.
    """
    if scene not in SCENE_PAINTERS:
        raise ValueError(f"unknown scene {scene!r}, expected one of {', '.join(SCENE_PAINTERS)}")
    canvas = Canvas(rng)
    SCENE_PAINTERS[scene](canvas)
    return _photograph(canvas.image, rng), canvas.mask


def draw_demo(out: Path, tiles_per_class: int, seed: int) -> list[str]:
    """Writes a set of tiles in the layout of UC Merced and DLRSD, one in eight of an odd size as in the real set.

    A tile depends on seed, scene and number alone, so a larger set begins with the tiles of a smaller one.

    Args:
        out: folder that receives `UCMerced_Images/<name>.tif` (RGB) and `UCMerced_Labels/<name>.png` (ids 1..17).
        tiles_per_class: 1..100; tiles are numbered 00..99.
        seed: any whole number from 0.

    Returns:
        The names, such as `agricultural00`, by scene and number.
    """
    if not 1 <= tiles_per_class <= 100:
        raise ValueError(f"tiles_per_class is {tiles_per_class}, expected 1 to 100: names end in two digits")
    for folder in ("UCMerced_Images", "UCMerced_Labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for index, scene in enumerate(SCENE_PAINTERS):
        for number in range(tiles_per_class):
            name = f"{scene}{number:02d}"
            image, mask = draw_scene(scene, np.random.default_rng((seed, index, number)))
            odd = (index + number) % ODD_EVERY == ODD_EVERY - 1
            rows, columns = ODD_SIZES[index % len(ODD_SIZES)] if odd else (TILE, TILE)
            Image.fromarray(image[:rows, :columns]).save(out / "UCMerced_Images" / f"{name}.tif")
            Image.fromarray(mask[:rows, :columns]).save(out / "UCMerced_Labels" / f"{name}.png")
            names.append(name)
    return names
