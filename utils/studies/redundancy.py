"""What explains a choice: labelled tiles that have another one nearly like them, against a random choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from utils.studies.cells import Cell
from utils.studies.coverage import Choice


@dataclass(frozen=True)
class Redundancy:
    """Labelled tiles of a choice, or the mean over several, that have a like one among them.

    Attributes:
        tiles: labelled tiles.
        found: how many of them have another labelled tile that is like them.
        by_chance: how many would on average, were as many tiles drawn from the pool at random.
    """

    tiles: float
    found: float
    by_chance: float


def redundancy(like: np.ndarray, pool: Sequence[int], chosen: Sequence[int], pool_size: int) -> Redundancy:
    """How many chosen tiles have a like one among them.

    Args:
        like: which tiles are like each other, bool (N, N), symmetric, False on its diagonal.
        pool: positions of the tiles of the pool, or of some from all over it.
        chosen: positions of the chosen tiles.
        pool_size: how many tiles the pool holds.
    """
    own = like[np.ix_(chosen, chosen)]
    neighbours = like[np.ix_(pool, pool)].sum(axis=1)
    return Redundancy(len(chosen), int(own.any(axis=1).sum()), len(chosen) * _share(neighbours, len(chosen), pool_size))


def _share(neighbours: np.ndarray, chosen: int, pool_size: int) -> float:
    """Chance that a drawn tile has a like one among the others that are drawn with it, the mean over the pool.

    Of the `n` other tiles `k` are drawn; none of a tile's `d` neighbours is among them with the probability
    C(n - d, k) / C(n, k). Where only some tiles of a large pool are known, it is nearly that of k draws of which each
    finds a neighbour by its share among these: (1 - d / n)^k.
    """
    others, drawn = len(neighbours) - 1, chosen - 1
    if others < 1 or drawn < 1:
        return 0.0
    degrees, counts = np.unique(neighbours, return_counts=True)
    if len(neighbours) == pool_size:
        missed = [comb(others - int(degree), drawn) / comb(others, drawn) for degree in degrees]
    else:
        missed = [float((1 - degree / others) ** drawn) for degree in degrees]
    return 1.0 - float(np.dot(missed, counts) / counts.sum())


def by_choice(found: Mapping[Cell, Redundancy]) -> dict[Choice, Redundancy]:
    """The means over areas and seeds, by strategy, data set and amount of labels, in the order of the cells."""
    rows: dict[Choice, list[Redundancy]] = {}
    for cell, each in found.items():
        rows.setdefault((cell.strategy, cell.data, cell.amount), []).append(each)
    return {
        key: Redundancy(*(sum(getattr(e, n) for e in each) / len(each) for n in ("tiles", "found", "by_chance")))
        for key, each in rows.items()
    }
