"""Demo scenes of traffic on roads, on water and in the air."""

import numpy as np

from data.demo.canvas import WHITE, YELLOW, Canvas
from data.demo.objects import airplane, block, car, ground, mobile_home, pier, road, ship, tank, traffic, trees
from data.demo.outlines import EVERYWHERE, HIGH, LOW, across, box, down, placed, ribbon, winding


def airplane_scene(c: Canvas) -> None:
    """Airplanes parked on an apron between a terminal and grass."""
    c.fill("pavement", EVERYWHERE)
    c.fill("grass", box(128, LOW, HIGH - LOW, 160))
    block(c, 128, 262, 300, 60)
    if c.chance(0.5):  # fuel
        for x in np.arange(LOW, HIGH, 66):
            tank(c, x, 12, 27)
    c.mark(ribbon(winding(c.rng, 60, 6), 2.5), YELLOW)
    for x in np.arange(c.rng.uniform(-20, 30), HIGH, 96):
        c.mark(box(x, 125, 2, 130), YELLOW)
        airplane(c, x, c.rng.uniform(125, 150), np.pi / 2 + 0.15 * c.rng.standard_normal(), c.rng.uniform(84, 98))
    traffic(c, across(214), 40)


def freeway(c: Canvas) -> None:
    """Two carriageways of three lanes through open land."""
    ground(c, "field", "chaparral", "sand")
    c.fill("bare soil", ribbon(across(128), 176))
    c.fill("grass", ribbon(across(128), 150))
    for middle in (86, 170):
        road(c, across(middle), 60, lanes=3)
        for lane in (-20, 0, 20):
            traffic(c, across(middle + lane), 44, share=0.45)
    trees(c, c.spots("grass", 6))


def harbor(c: Canvas) -> None:
    """A quay with piers, and ships at their docks."""
    c.fill(c.rng.choice(["sea", "water"]), EVERYWHERE)
    quay = c.rng.uniform(30, 60)
    c.fill("pavement", box(128, (LOW + quay) / 2, HIGH - LOW, quay - LOW), height=3)
    traffic(c, across(quay - 16), 24)
    if c.chance(0.5):
        for x in np.arange(c.rng.uniform(-20, 20), HIGH, 70):
            tank(c, x, quay - 56, 26)
    for x in np.arange(c.rng.uniform(-40, 0), HIGH, 112):
        pier(c, x, (quay + HIGH) / 2, 18, HIGH - quay)
        for y in np.arange(quay + 14, HIGH, 58):
            for side in (-1, 1):
                c.fill("dock", box(x + side * 26, y, 36, 10), height=2)
                for berth in (-16, 16):
                    if c.chance(0.75):
                        ship(c, x + side * 32, y + berth, 0 if side > 0 else np.pi)


def intersection(c: Canvas) -> None:
    """Two roads that cross between blocks and tanks."""
    c.fill("grass", EVERYWHERE)
    x, y = c.rng.uniform(105, 150, 2)
    road(c, across(y), 50)
    road(c, down(x), 50)
    c.fill("pavement", box(x, y, 52, 52))
    stripes = [box(side, stripe, 10, 4) for side in (-33, 33) for stripe in np.linspace(-20, 20, 6)]
    for angle in (0, np.pi / 2):
        c.mark(placed(np.stack(stripes), x, y, angle), WHITE)
    for lane in (-13, 13):
        traffic(c, across(y + lane), 34, share=0.5)
        traffic(c, down(x + lane), 34, share=0.5)
    if c.chance(0.5):  # a building site
        c.fill("bare soil", box(x + 110, y + 110, 140, 140))
        for site_y in (48, 72, 96):
            mobile_home(c, x + 140, y + site_y, 0)
    for dx, dy in ((-80, -80), (80, -80), (-80, 80), (80, 80)):
        if c.chance(0.3):
            tank(c, x + dx, y + dy, c.rng.uniform(30, 38))
        else:
            block(c, x + dx, y + dy, *c.rng.uniform(50, 74, 2))
    trees(c, c.spots("grass", 12), (7, 11))


def overpass(c: Canvas) -> None:
    """A road on a bridge across a wider one, through land or water."""
    ground(c, "chaparral", "sand", "sea", "water", "field")
    for x, y in c.spots("sea", 2) + c.spots("water", 2):
        ship(c, x, y, c.rng.uniform(0, 2 * np.pi))
    road(c, down(128), 84, lanes=4)
    for lane in (-32, -11, 11, 32):
        traffic(c, down(128 + lane), 40, share=0.5)
    c.shade(ribbon(across(128), 62), 0.5, offset=9)
    road(c, across(128), 62)
    for edge in (-30, 30):
        c.mark(ribbon(across(128 + edge), 3), WHITE)
        traffic(c, across(128 + edge / 2), 40, share=0.5)


def parkinglot(c: Canvas) -> None:
    """Rows of parked cars, often with trailers."""
    c.fill("pavement", EVERYWHERE)
    for row in np.arange(c.rng.uniform(-40, 0), HIGH, 72):
        c.mark(np.stack([box(x, row, 1.6, 44) for x in np.arange(LOW, HIGH, 15)]), WHITE)
        for x in np.arange(LOW, HIGH, 15):
            for side in (-11, 11):
                if c.chance(0.7):
                    car(c, x + 7.5, row + side, np.pi / 2)
    if c.chance(0.6):  # trailers
        c.fill("pavement", box(128, 30, HIGH - LOW, 90))
        for x in np.arange(LOW, HIGH, 30):
            mobile_home(c, x, 38, np.pi / 2)
    trees(c, c.spots("pavement", 3), (8, 11))


def runway(c: Canvas) -> None:
    """A runway and a taxiway with airplanes."""
    ground(c, "sea", "chaparral", "field", "bare soil")
    c.fill("grass", ribbon(across(128), 150))
    road(c, across(128), 84)
    c.mark(np.stack([ribbon(across(edge), 2.5) for edge in (90, 166)]), WHITE)
    c.mark(np.stack([box(50, 128 + stripe, 44, 4) for stripe in (-30, -22, -14, 14, 22, 30)]), WHITE)
    taxiway = c.rng.uniform(190, 230)
    road(c, down(taxiway), 40, lanes=1)
    airplane(c, taxiway, c.rng.uniform(20, 50), np.pi / 2, c.rng.uniform(80, 96))
    airplane(c, c.rng.uniform(100, 150), 128, 0, c.rng.uniform(80, 96))
