"""Demo scenes of places where people live, work and store things."""

import numpy as np

from data.demo.canvas import GREY, Canvas
from data.demo.objects import (
    block,
    car,
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
from data.demo.outlines import EVERYWHERE, HIGH, LOW, across, along, blob, box, down, ribbon, shifted, winding


def buildings(c: Canvas) -> None:
    """Large flat roofs between streets."""
    c.fill("pavement", EVERYWHERE)
    for x in (-80, 30, 140, 250):
        for y in (-70, 40, 150, 260):
            block(c, x + c.rng.uniform(-6, 6), y, *c.rng.uniform(64, 84, 2))
    for x, y in ((85, 95), (195, 205)):
        traffic(c, across(y), 30)
        traffic(c, down(x), 30, share=0.4)
    trees(c, c.spots("pavement", 8), (7, 10))


def denseresidential(c: Canvas) -> None:
    """Streets of small houses and mobile homes."""
    c.fill("grass", EVERYWHERE)
    for street in np.arange(c.rng.uniform(-10, 20), HIGH, 118):
        road(c, across(street), 24, lanes=1)
        for x, y, _ in along(across(street - 36), 40):
            house(c, x, y, 0, *c.rng.uniform((28, 28), (35, 36)))
        for x, y, _ in along(across(street + 38), 28):
            mobile_home(c, x, y, np.pi / 2)
        traffic(c, across(street), 30)
    trees(c, c.spots("grass", 14), (6, 9))


def mediumresidential(c: Canvas) -> None:
    """Houses along a winding street."""
    c.fill("grass", EVERYWHERE)
    street = winding(c.rng, c.rng.uniform(110, 146), 14)
    road(c, street, 26, lanes=1)
    for offset in (-46, 46, -112, 112):
        for x, y, angle in along(shifted(street, offset), 62):
            house(c, x, y, angle, *c.rng.uniform((34, 26), (44, 34)))
    traffic(c, shifted(street, 6), 44)
    if c.chance(0.5):
        court(c, 128, 50)
    if c.chance(0.4):
        c.fill("water", blob(c.rng, 128, 216, 36))
    trees(c, c.spots("grass", 22))


def mobilehomepark(c: Canvas) -> None:
    """Rows of mobile homes along lanes."""
    c.fill("grass", EVERYWHERE)
    for lane in np.arange(c.rng.uniform(-30, 10), HIGH, 86):
        road(c, down(lane), 24, lanes=1)
        for y in np.arange(LOW, HIGH, 28):
            mobile_home(c, lane + 43, y, 0.25)
        traffic(c, down(lane + 4), 30, share=0.5)
    trees(c, c.spots("grass", 8), (6, 9))


def sparseresidential(c: Canvas) -> None:
    """One house on grass with a drive, sometimes beside a pond."""
    ground(c, "field", "chaparral", "bare soil")
    c.fill("grass", blob(c.rng, 128, 128, 95))
    road(c, winding(c.rng, 215, 8), 22, lanes=1)
    c.fill("bare soil", box(128, 170, 26, 80))
    house(c, 128, c.rng.uniform(95, 115), 0, 66, 42)
    for y in (120, 152):
        mobile_home(c, 190, y, 0.2)
    if c.chance(0.5):
        c.fill("water", blob(c.rng, 62, 90, 46))
        jetty(c, 62, 98)
    car(c, 128, 175, np.pi / 2)
    trees(c, c.spots("grass", 14), (12, 22))


def storagetanks(c: Canvas) -> None:
    """Rows of tanks, often with a terminal by the sea."""
    c.fill(c.rng.choice(["bare soil", "sand", "grass"]), EVERYWHERE)
    step = c.rng.uniform(74, 100)
    for y in np.arange(c.rng.uniform(-20, 30), HIGH, step):
        c.mark(ribbon(across(y), 3), GREY)
        for x in np.arange(c.rng.uniform(-20, 30), HIGH, step):
            if c.chance(0.85):
                tank(c, x, y, c.rng.uniform(0.32, 0.42) * step)
    road(c, down(170), 24, lanes=1)
    if c.chance(0.7):  # a terminal by the sea
        c.fill("sea", box(HIGH, 128, 2 * (HIGH - 182), HIGH - LOW))
        pier(c, 220, c.rng.uniform(80, 176), 90)
        ship(c, 224, 60, np.pi / 2)
        ship(c, 216, 200, np.pi / 2)


def tenniscourt(c: Canvas) -> None:
    """Four courts and a club house."""
    c.fill("grass", EVERYWHERE)
    c.fill("pavement", box(128, 118, 214, 132))
    for x in (80, 176):
        for y in (86, 148):
            court(c, x, y)
    house(c, 128, 222, 0, 60, 34)
    trees(c, c.spots("grass", 16), (12, 20))
