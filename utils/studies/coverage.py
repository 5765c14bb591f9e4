"""What explains a choice: which scene and pixel classes the labelled tiles have, against the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.studies.cells import Cell

Choice = tuple[str, str, str]  # strategy, data set, amount of labels
SceneRow = tuple[Choice, str, str]  # choice, scene classes covered, tiles of the pool's rarest class


@dataclass(frozen=True)
class ShareTable:
    """Shares of pixel classes.

    Attributes:
        data: name of the data set.
        columns: `pool`, then the strategies.
        rows: (class, shares in the order of the columns), the commonest class of the pool first.
    """

    data: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float]]]


def coverage_rows(
    chosen: Mapping[Cell, Sequence[str]], pools: Mapping[Cell, Sequence[str]], scene_of: Mapping[str, str]
) -> list[SceneRow]:
    """For each strategy, how many scene classes its labelled tiles cover, and how many tiles of the rarest one.

    Args:
        chosen: labelled names of cells.
        pools: names of their training tiles.
        scene_of: scene classes by name, of those that have one.
    """
    rows: dict[Choice, list[tuple[int, int, int, float]]] = {}
    for cell, names in chosen.items():
        pool = [scene_of[name] for name in pools[cell] if name in scene_of]
        if not names or not pool:
            continue
        rarest = min(sorted(set(pool)), key=pool.count)
        own = [scene_of[name] for name in names if name in scene_of]
        expected = round(len(names) * pool.count(rarest) / len(pool), 1)
        key = (cell.strategy, cell.data, cell.amount)
        rows.setdefault(key, []).append((len(set(own)), len(set(pool)), own.count(rarest), expected))
    return [
        (choice, f"{_range(covered)} of {max(total)}", f"{_range(rare)} ({_range(expected)} by its share)")
        for choice, found in rows.items()
        for covered, total, rare, expected in [list(zip(*found, strict=True))]
    ]


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def share_table(
    data: str, classes: Sequence[str], pools: Sequence[np.ndarray], chosen: Mapping[str, Sequence[np.ndarray]]
) -> ShareTable:
    """Shares of the pixel classes in the pool and among the tiles of each strategy, averaged over areas and seeds.

    Args:
        data: name of the data set.
        classes: names of its pixel classes.
        pools: pixels of each class in the pool of each area, shape (classes,).
        chosen: likewise in the labelled tiles of each choice, by strategy.
    """
    columns = {"pool": _shares(pools)} | {strategy: _shares(counts) for strategy, counts in chosen.items()}
    order = sorted(range(len(classes)), key=lambda place: -columns["pool"][place])
    rows = [(classes[i], [float(shares[i]) for shares in columns.values()]) for i in order if columns["pool"][i] > 0]
    return ShareTable(data, list(columns), rows)


def _shares(counts: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean([each / max(1.0, each.sum()) for each in counts], axis=0)
