"""Demo scenes of open land and water: what grows, flows or is played on."""

from itertools import pairwise

import numpy as np

from data.demo.canvas import WHITE, Canvas
from data.demo.objects import (
    airplane,
    anywhere,
    court,
    ground,
    house,
    jetty,
    mobile_home,
    pier,
    road,
    ship,
    tank,
    traffic,
    trees,
)
from data.demo.outlines import (
    EVERYWHERE,
    HIGH,
    LOW,
    TILE,
    across,
    along,
    blob,
    box,
    disc,
    placed,
    ribbon,
    shifted,
    winding,
)


def agricultural(c: Canvas) -> None:
    """Fields around a farm or an airstrip."""
    c.fill("bare soil", EVERYWHERE)
    edges = np.arange(LOW, HIGH + 60, c.rng.uniform(90, 130))
    for left, right in pairwise(edges):
        middle = c.rng.uniform(60, 200)
        for top, bottom in ((LOW, middle - 4), (middle + 4, HIGH)):
            c.fill("field", box((left + right) / 2, (top + bottom) / 2, right - left - 8, bottom - top))
    if c.chance(0.5):  # a farm
        c.fill("bare soil", box(144, 126, 150, 90))
        for x in (92, 126):
            tank(c, x, 106, 14)
        house(c, 122, 152, 0, 76, 30)
        for y in (95, 121, 147):
            mobile_home(c, 190, y, 0)
    else:  # an airstrip
        c.fill("grass", box(128, 128, HIGH - LOW, 64))
        airplane(c, c.rng.uniform(70, 186), 128, np.pi * c.rng.integers(2), 76)
    if c.chance(0.4):
        c.fill("water", blob(c.rng, *anywhere(c), c.rng.uniform(26, 40)))
    trees(c, c.spots("bare soil", 6))


def baseballdiamond(c: Canvas) -> None:
    """A diamond of bare soil in grass, beside a road."""
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
    road(c, across(-6), 44)
    traffic(c, across(4), 24)
    if c.chance(0.5):
        court(c, 210, 230)
    trees(c, c.spots("grass", 8), (12, 20))


def beach(c: Canvas) -> None:
    """Sand, breakers and sea, often with a pier."""
    c.fill("sea", EVERYWHERE)
    coast = winding(c.rng, c.rng.uniform(110, 150), 14)
    c.fill("sand", np.concatenate([coast, [(HIGH, LOW), (LOW, LOW)]]))
    c.shade(ribbon(shifted(coast, -5), 12), 0.86)
    for offset in (2, 16, 34):
        c.mark(ribbon(shifted(coast, offset + 3 * c.rng.standard_normal()), 5 - offset / 12), (226, 232, 230))
    c.fill("grass", box(128, LOW, HIGH - LOW, 2 * c.rng.uniform(50, 80)))
    trees(c, c.spots("grass", 10))
    if c.chance(0.8):
        x = c.rng.uniform(60, 196)
        pier(c, x, 195, 16, 190)
        ship(c, x + 19, 200, np.pi / 2)


def chaparral(c: Canvas) -> None:
    """Shrubs on dry ground with tracks, and one object among them."""
    c.fill("chaparral", EVERYWHERE)
    soil = c.rng.choice(["bare soil", "sand"])
    for x, y in c.rng.uniform(0, TILE, (3, 2)):
        c.fill(soil, blob(c.rng, x, y, c.rng.uniform(14, 30)))
    c.fill(soil, ribbon(winding(c.rng, 128, 40), 16))
    ((x, y),) = c.spots("chaparral", 1)
    if c.chance(0.5):
        tank(c, x, y, 26)
    else:
        airplane(c, x, y, c.rng.uniform(0, 7), 80)


def forest(c: Canvas) -> None:
    """Trees with clearings, often with a stream."""
    c.fill("trees", EVERYWHERE)
    for name in ("grass", "field", "chaparral"):
        c.fill(name, blob(c.rng, *anywhere(c), c.rng.uniform(24, 40)))
    if c.chance(0.6):
        stream = winding(c.rng, 128, 40)
        c.fill("water", ribbon(stream, 56))
        for spot in along(stream, 180):
            jetty(c, *spot)


def golfcourse(c: Canvas) -> None:
    """A fairway with bunkers, trees and a pond."""
    c.fill("grass", EVERYWHERE)
    c.shade(ribbon(winding(c.rng, 128, 40), 80), 1.14)
    c.shade(blob(c.rng, 190, 120, 30), 1.1)
    if c.chance(0.8):
        c.fill("water", blob(c.rng, *anywhere(c), c.rng.uniform(40, 60)))
    for x, y in c.spots("grass", 5):
        c.fill("sand", blob(c.rng, x, y, c.rng.uniform(14, 22)))
    if c.chance(0.5):
        court(c, 60, 40)
    trees(c, c.spots("grass", 20), (12, 20))


def river(c: Canvas) -> None:
    """A river between sandy banks and trees."""
    ground(c, "chaparral", "field", "bare soil")
    stream, width = winding(c.rng, c.rng.uniform(110, 146), 34), c.rng.uniform(64, 84)
    c.fill("trees", ribbon(stream, width + 80))
    c.fill("sand", ribbon(stream, width + 26))
    c.fill("water", ribbon(stream, width))
    if c.chance(0.8):
        for x, y, angle in along(shifted(stream, width / 2 - 8), 100):
            jetty(c, x, y, angle)
