"""Which arms of a study are compared, and the pairs of cells that are compared in them.

An arm is what all its areas and seeds have in common: data set, network, amount of labels, strategy, method. A pair of
cells shares everything but the one thing that is compared: area, seed, pool, initial tiles, number of labels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.errors import DataError
from utils.studies.cells import Cell
from utils.studies.results import CellLabels, CellScore
from utils.studies.statistics.comparison import Compared, compare, corrected_together

STRATEGY, METHOD, NETWORK = "strategy", "method", "network"  # what an arm differs in from the one it is compared with
Scores = Mapping[Cell, float | None]  # mean IoU or another score, as a fraction; None or absent: missing


@dataclass(frozen=True)
class Pairing:
    """Two arms that are compared.

    Attributes:
        differs_in: `STRATEGY`, `METHOD` or `NETWORK`.
        first: the arm.
        second: what it is compared with: the first strategy, method or network of the study.
    """

    differs_in: str
    first: Cell
    second: Cell

    @property
    def title(self) -> str:
        """In words, such as "margin against random"."""
        return f"{getattr(self.first, self.differs_in)} against {getattr(self.second, self.differs_in)}"


@dataclass(frozen=True)
class Grid:
    """The areas and seeds of each data set, in the order of the study.

    Attributes:
        areas: names by data set.
        seeds: of all.
    """

    areas: Mapping[str, Sequence[str]]
    seeds: Sequence[int]

    def cells(self, arm: Cell) -> list[list[Cell]]:
        """Cells of an arm: a list for each area, in it one for each seed."""
        return [[replace(arm, area=area, seed=seed) for seed in self.seeds] for area in self.areas[arm.data]]

    def scores(self, arm: Cell, scores: Scores) -> np.ndarray:
        """Scores of an arm, shape (areas, seeds), NaN where one is missing."""
        rows = [[scores.get(cell) for cell in row] for row in self.cells(arm)]
        return np.array([[np.nan if score is None else score for score in row] for row in rows], dtype=float)


def arms_of(cells: Iterable[Cell]) -> list[Cell]:
    """The arms of cells, each once, in the order of the cells."""
    return list(dict.fromkeys(cell.arm for cell in cells))


def pairings_of(arms: Sequence[Cell]) -> Iterator[Pairing]:
    """Each strategy, method and network against the first one, all else the same, where both were run."""
    for differs_in in (STRATEGY, METHOD, NETWORK):
        for arm in arms:
            baseline = {differs_in: getattr(arms[0], differs_in)}
            second = replace(arm, **baseline)
            if arm != second and second in arms:
                yield Pairing(differs_in, arm, second)


def compared(pairings: Sequence[Pairing], grid: Grid, scores: Scores) -> list[Compared]:
    """The comparisons, with Holm's correction over all of them.

    Args:
        pairings: what is compared.
        grid: areas and seeds.
        scores: of the cells.
    """
    return corrected_together(
        [compare(grid.scores(pairing.first, scores), grid.scores(pairing.second, scores)) for pairing in pairings]
    )


def random_against_random(arm: Cell, grid: Grid, scores: Scores) -> Compared | None:
    """An arm against itself with other seeds: a check of the machinery, which should find nothing.

    Seeds are taken two by two, so that no cell is in two pairs; None where there is one seed.
    """
    values = grid.scores(arm, scores)
    pairs = values.shape[1] // 2
    return compare(values[:, 0 : 2 * pairs : 2], values[:, 1 : 2 * pairs : 2]) if pairs else None


def refuse_unequal(pairings: Iterable[Pairing], grid: Grid, labels: Mapping[Cell, CellLabels]) -> None:
    """Refuse pairs of cells that do not share what they have to.

    Args:
        pairings: what is compared.
        grid: areas and seeds.
        labels: what cells learned from, as far as it is known.

    Raises:
        DataError: a pair has other numbers of labels, another pool, or began with other tiles; says which.
    """
    shared = (("masks", "labelled tiles"), ("pool", "a pool of digest"), ("initial", "initial tiles of digest"))
    for pairing in pairings:
        cells = zip(grid.cells(pairing.first), grid.cells(pairing.second), strict=True)
        for pair in (pair for rows in cells for pair in zip(*rows, strict=True)):
            first, second = (labels.get(cell, CellLabels()) for cell in pair)
            for attribute, what in shared:
                values = getattr(first, attribute), getattr(second, attribute)
                if values[0] != values[1] and None not in values and "" not in values:
                    raise DataError(
                        f"{pair[0].name} has {what} {values[0]} and {pair[1].name} {values[1]}: they cannot be "
                        "compared; remove the folders of both, and run them again with the same options"
                    )


def scores_of(scores: Iterable[CellScore], checkpoint: str) -> dict[Cell, float | None]:
    """Mean IoU of each cell's checkpoint."""
    return {score.cell: score.mean_iou for score in scores if score.checkpoint == checkpoint}


def class_scores_of(scores: Iterable[CellScore], checkpoint: str, name: str) -> dict[Cell, float | None]:
    """IoU of a pixel class of each cell's checkpoint; None where its test tiles have no pixel of it."""
    found: dict[Cell, float | None] = {}
    for score in scores:
        if score.checkpoint == checkpoint:
            found[score.cell] = next((each.iou for each in score.classes if each.name == name), None)
    return found
