from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.footprints.counting import CountedOnce
from data.footprints.records import TileRecord


def tile(name: str, row: int, column: int, height: int = 4, width: int = 4, scene: str = "s") -> TileRecord:
    return TileRecord(name, scene, row, column, height, width)


def test_the_nearer_centre_counts_a_pixel_and_of_equal_ones_the_first():
    once = CountedOnce([tile("a", 0, 0), tile("b", 0, 3), tile("c", 0, 7), tile("other", 0, 0, scene="t")])
    assert once.overlapping == 2  # b ends where c begins
    assert once.mask("c") is None
    assert once.mask("other") is None
    assert once.mask("a").tolist() == [[True] * 4] * 4  # column 3 is as far from both centres
    assert once.mask("b").tolist() == [[False, True, True, True]] * 4


def test_the_last_tile_moved_inwards_shares_its_columns():
    once = CountedOnce([tile("b", 0, 2), tile("a", 0, 0)])
    assert once.mask("a").tolist() == [[True, True, True, False]] * 4
    assert once.mask("b").tolist() == [[False, True, True, True]] * 4


def counted(tiles: Sequence[TileRecord]) -> dict[str, np.ndarray]:
    """The definition, pixel by pixel."""
    found = {t.name: np.zeros((t.height, t.width), bool) for t in tiles}
    for y in range(20):
        for x in range(20):
            over = [
                (
                    (2 * y + 1 - 2 * t.row - t.height) ** 2 + (2 * x + 1 - 2 * t.column - t.width) ** 2,
                    t.row,
                    t.column,
                    i,
                )
                for i, t in enumerate(tiles)
                if t.row <= y < t.row + t.height and t.column <= x < t.column + t.width
            ]
            if over:
                t = tiles[min(over)[3]]
                found[t.name][y - t.row, x - t.column] = True
    return found


SIDES = st.integers(1, 8)
PLACES = st.integers(0, 10)


@given(st.lists(st.tuples(PLACES, PLACES, SIDES, SIDES), min_size=1, max_size=6))
def test_each_pixel_counts_for_the_tile_with_the_nearest_centre(places: list[tuple[int, int, int, int]]):
    tiles = [tile(str(i), *place) for i, place in enumerate(places)]
    once, expected = CountedOnce(tiles), counted(tiles)
    for t in tiles:
        mask = once.mask(t.name)
        assert (np.ones((t.height, t.width), bool) if mask is None else mask).tolist() == expected[t.name].tolist()
    assert once.overlapping >= sum(not pixels.all() for pixels in expected.values())
