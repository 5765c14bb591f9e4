from dataclasses import replace

import numpy as np
import pytest

from utils.errors import DataError
from utils.studies.cells import Cell
from utils.studies.pairs import (
    METHOD,
    NETWORK,
    STRATEGY,
    Grid,
    arms_of,
    compared,
    pairings_of,
    random_against_random,
    refuse_unequal,
)
from utils.studies.results import CellLabels
from utils.studies.statistics.comparison import HIGHER

GRID = Grid({"town": ["a", "b", "c", "d", "e", "f", "g"]}, [1, 2])
ARM = Cell("town", "", "tiny", "0.1", "random", "supervised", 0)
ARMS = [replace(ARM, strategy=s, method=m) for s in ("random", "margin") for m in ("supervised", "s4gan")]
CELLS = [cell for arm in ARMS for row in GRID.cells(arm) for cell in row]


def scores(gain: float) -> dict[Cell, float]:
    """Areas differ much, seeds a little; s4GAN gains where margin chose."""
    drawn = np.random.default_rng(0)
    shared = {(area, seed): drawn.normal(0.4, 0.1) for area in GRID.areas["town"] for seed in GRID.seeds}
    noise = {cell: drawn.normal(0, 0.002) for cell in CELLS}
    gains = {cell: gain * (cell.strategy == "margin") for cell in CELLS}
    return {cell: shared[cell.area, cell.seed] + noise[cell] + gains[cell] for cell in CELLS}


def test_each_strategy_and_each_method_meets_the_first_one_with_all_else_the_same():
    pairings = list(pairings_of(arms_of(CELLS)))
    found = [(p.differs_in, p.title, p.first.strategy, p.first.method) for p in pairings]
    assert found == [
        (STRATEGY, "margin against random", "margin", "supervised"),
        (STRATEGY, "margin against random", "margin", "s4gan"),
        (METHOD, "s4gan against supervised", "random", "s4gan"),
        (METHOD, "s4gan against supervised", "margin", "s4gan"),
    ]


def test_arms_that_were_run_in_part_of_the_grid_are_compared_with_what_is_there():
    arms = [*ARMS[:1], replace(ARM, method="fixmatch"), replace(ARM, network="other", method="fixmatch")]
    arms.append(replace(ARM, network="other", method="fixmatch", strategy="margin"))
    found = [(p.differs_in, p.title, p.first.network) for p in pairings_of(arms)]
    assert found == [
        (STRATEGY, "margin against random", "other"),
        (METHOD, "fixmatch against supervised", "tiny"),
        (NETWORK, "other against tiny", "other"),
    ]


def test_differences_are_paired_so_that_those_of_areas_do_not_hide_them():
    pairings = list(pairings_of(ARMS))
    results = compared(pairings, GRID, scores(gain=0.02))
    verdicts = [result.on_these_areas.verdict for result in results]
    assert verdicts == [HIGHER, HIGHER, "no difference shown", "no difference shown"]
    assert results[0].on_these_areas.comparisons == 4
    assert results[0].on_these_areas.mean == pytest.approx(0.02, abs=0.002)
    assert results[0].on_a_new_area.verdict == "cannot be said with 7 areas and 4 comparisons"


def test_a_missing_cell_stops_its_comparisons_and_no_others():
    known = scores(gain=0.02)
    del known[GRID.cells(ARMS[3])[2][0]]  # margin, s4gan
    results = compared(list(pairings_of(ARMS)), GRID, known)
    assert [result.missing for result in results] == [0, 1, 0, 1]
    assert [result.on_these_areas is None for result in results] == [False, True, False, True]
    assert results[0].on_these_areas.comparisons == 2


def test_random_against_random_uses_each_cell_once():
    four = replace(GRID, seeds=[1, 2, 3, 4, 5])
    cells = [cell for row in four.cells(ARM) for cell in row]
    drawn = dict(zip(cells, np.random.default_rng(1).normal(size=len(cells)), strict=True))
    result = random_against_random(ARM, four, drawn)
    assert result.pairs == 7 * 2
    assert random_against_random(ARM, replace(GRID, seeds=[1]), drawn) is None


def test_unequal_pairs_are_refused_by_name():
    pairings, cell = list(pairings_of(ARMS)), GRID.cells(ARMS[2])[0][0]
    labels = {each: CellLabels(40, 10, (), "pool", "start") for each in CELLS}
    refuse_unequal(pairings, GRID, labels)
    refuse_unequal(pairings, GRID, labels | {cell: CellLabels()})  # not known yet
    for other, words in (
        (CellLabels(41, 10, (), "pool", "start"), "labelled tiles 41"),
        (CellLabels(40, 10, (), "other", "start"), "pool of digest other"),
        (CellLabels(40, 10, (), "pool", "begin"), "initial tiles of digest begin"),
    ):
        with pytest.raises(DataError, match=f"{cell.name} has .*{words}"):
            refuse_unequal(pairings, GRID, labels | {cell: other})
