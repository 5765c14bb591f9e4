from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from utils.studies.cells import Cell
from utils.studies.redundancy import Redundancy, by_choice, redundancy


def like(count: int, *pairs: tuple[int, int]) -> np.ndarray:
    matrix = np.zeros((count, count), bool)
    for first, second in pairs:
        matrix[first, second] = matrix[second, first] = True
    return matrix


def test_by_chance_is_the_mean_over_all_choices():
    matrix, pool = like(7, (0, 1), (1, 2), (3, 4)), range(7)
    every = [redundancy(matrix, pool, chosen, 7) for chosen in combinations(pool, 3)]
    assert every[0].found == 3  # 0 and 1, 1 and 2
    assert {each.by_chance for each in every} == {every[0].by_chance}
    assert every[0].by_chance == pytest.approx(np.mean([each.found for each in every]))


def test_of_a_part_of_the_pool_the_chance_is_that_of_the_whole():
    """Half of the tiles that are known have a twin; the pool holds ten times as many, so each tile has ten."""
    matrix = like(40, *((2 * n, 2 * n + 1) for n in range(10)))
    whole = redundancy(matrix, range(40), range(20), 40)
    part = redundancy(matrix, range(40), range(20), 400)
    assert whole.found == part.found == 20
    assert whole.by_chance == pytest.approx(20 * 0.5 * 19 / 39)
    assert part.by_chance == pytest.approx(20 * 0.5 * (1 - (1 - 1 / 39) ** 19))


def test_one_tile_has_no_other():
    assert redundancy(like(3, (0, 1)), range(3), [0], 3) == Redundancy(1, 0, 0.0)


def test_means_over_areas_and_seeds():
    cell = Cell("town", "a", "tiny", "0.1", "random", "", 1)
    found = {cell: Redundancy(10, 2, 1.0), replace(cell, seed=2): Redundancy(12, 4, 2.0)}
    assert by_choice(found) == {("random", "town", "0.1"): Redundancy(11, 3, 1.5)}
