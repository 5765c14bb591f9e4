import numpy as np
import pytest
import torch

from tests.utils.evaluation.areas.test_stratified import POINTS, WEIGHTS
from utils.errors import DataError
from utils.evaluation.areas.resampled import adjusted_areas, adjusted_areas_of_units
from utils.evaluation.areas.stratified import Z_95, standard_errors_of_points
from utils.evaluation.areas.units import Units


def drawn_tiles(rng: np.random.Generator, count: int) -> torch.Tensor:
    """Confusion matrices, rows are the truth, of a made-up population of three classes: each tile has its own mixture
    of classes and its own difficulty, which all of its pixels share."""
    truth = 1000 * rng.dirichlet([2.0, 1.0, 0.6], count)
    right = rng.beta([8, 5, 4], [2, 3, 3], (count, 3))
    confused = np.array([[0, 0.7, 0.3], [0.8, 0, 0.2], [0.5, 0.5, 0]])
    rows = right[:, :, None] * np.eye(3) + (1 - right)[:, :, None] * confused
    return torch.from_numpy((truth[:, :, None] * rows).round()).to(torch.int64)


def test_intervals_cover_the_truth_as_often_as_they_say_and_those_of_pixels_do_not():
    rng = np.random.default_rng(0)
    population = drawn_tiles(rng, 300_000).sum(dim=0).double().numpy()
    truth, weights = population.sum(axis=1) / population.sum(), population.sum(axis=0) / population.sum()
    covered, of_pixels = [], []
    for _ in range(150):
        tiles = drawn_tiles(rng, 80)
        found = adjusted_areas(tiles, weights, resamples=200)
        covered.append([low <= share <= high for share, (low, high) in zip(truth, found.ends, strict=True)])
        margins = Z_95 * standard_errors_of_points(tiles.sum(dim=0).numpy().T, weights).shares
        of_pixels.append(np.abs(np.array(found.areas) - truth) <= margins)
    assert 0.89 <= np.mean(covered) <= 0.99
    assert np.mean(of_pixels) < 0.5


def test_the_worked_example_as_tiles_of_one_point_each_has_the_paper_s_areas():
    tiles = torch.zeros(int(POINTS.sum()), 4, 4, dtype=torch.int32)
    mapped, true = (np.repeat(index.ravel(), POINTS.ravel()) for index in np.indices((4, 4)))
    tiles[np.arange(len(tiles)), true, mapped] = 1
    found = adjusted_areas(tiles, 900_000 * WEIGHTS, resamples=2000)
    np.testing.assert_allclose(found.areas, [21_158, 11_686, 285_770, 581_386], atol=0.5)
    assert found.overall == pytest.approx(0.947, abs=5e-4)
    margins = np.array([high - low for low, high in found.ends]) / 2
    np.testing.assert_allclose(margins, [6_158, 3_756, 15_510, 16_282], rtol=0.1)  # points are independent


def test_tiles_of_a_scene_are_drawn_together():
    tiles = drawn_tiles(np.random.default_rng(1), 60).repeat_interleave(8, dim=0)
    scenes = [number // 8 for number in range(480)]
    together, alone = (adjusted_areas(tiles, [3, 1, 1], groups) for groups in (scenes, None))
    assert (together.units, together.unit, alone.units, alone.unit) == (60, "scenes", 480, "tiles")
    assert together.areas == pytest.approx(alone.areas)
    ratio = np.divide(*(np.ptp(np.array(found.ends), axis=1) for found in (together, alone)))
    assert (ratio > 2).all()  # about the root of 8


def test_units_that_are_put_together_scatter_as_much():
    tiles = drawn_tiles(np.random.default_rng(2), 3000)
    units = Units.of(tiles)
    few = units.put_together(150)
    assert (len(few.counts), few.number) == (150, 3000)
    np.testing.assert_array_equal(few.total, units.total)
    widths = [np.ptp(np.array(adjusted_areas_of_units(u, [5, 3, 2]).ends), axis=1) for u in (units, few)]
    np.testing.assert_allclose(widths[1], widths[0], rtol=0.25)
    assert units.put_together(3000) is units


def test_few_units_have_areas_and_no_interval():
    found = adjusted_areas(drawn_tiles(np.random.default_rng(3), 49), [5, 3, 2])
    assert found.ends == ((None, None),) * 3
    assert found.why_none == "too few for intervals (49 tiles, 50 are needed)"
    assert sum(found.areas) == pytest.approx(10)


def test_a_class_in_few_units_has_no_interval_and_the_others_do():
    tiles = torch.zeros(60, 3, 3, dtype=torch.int64)
    tiles[:, :2, :2] = drawn_tiles(np.random.default_rng(4), 60)[:, :2, :2]
    tiles[:29, 2, 2] = 5
    found = adjusted_areas(tiles, [6, 3, 1])
    assert [low is None for low, _ in found.ends] == [False, False, True]
    assert found.why_none == ""
    tiles[:29, 0, 2] = 500  # much of the first class hides where few units tell
    assert adjusted_areas(tiles, [6, 3, 1]).ends[0] == (None, None)


def test_a_class_that_was_never_mapped_on_the_tiles_stays_as_mapped_where_it_is_small():
    tiles = torch.zeros(60, 3, 3, dtype=torch.int64)
    tiles[:, 0, 0], tiles[:, 1, 1] = 9, 3
    found = adjusted_areas(tiles, [60, 39.9, 0.1])
    assert found.areas == pytest.approx((60, 39.9, 0.1))
    assert found.as_mapped == (2,)
    with pytest.raises(DataError, match=r"20\.0% of the map are of classes \(ids 2\) that the network never predicted"):
        adjusted_areas(tiles, [60, 20, 20])


@pytest.mark.parametrize("mapped", [[0, 0, 0], [1, -1, 3], [1, float("nan"), 1], [1, float("inf"), 1]])
def test_areas_that_are_none_are_refused(mapped: list[float]):
    with pytest.raises(DataError, match="the mapped areas are"):
        adjusted_areas(torch.ones(3, 3, 3), mapped)
