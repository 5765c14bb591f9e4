import numpy as np
import pytest
import torch

from utils.evaluation.intervals import (
    FEWEST_UNITS_OF_A_CLASS,
    class_intervals,
    mean_iou_interval,
    resampled_mean_iou,
    resampled_sums,
    unit_sums,
)
from utils.evaluation.metric import CLASS_SCORES, Scores


def some_tiles(count: int, seed: int = 0, classes: int = 3) -> torch.Tensor:
    return torch.randint(0, 50, (count, classes, classes), generator=torch.Generator().manual_seed(seed))


def drawn_units(rng: np.random.Generator, simulations: int, units: int, rarest: float = 1 / 3) -> np.ndarray:
    """Units of a made-up population of 4 classes, shape (simulations, units, 3, 4): each has its own mixture of classes
    and its own difficulty, shared by its pixels; the rarest class is in a share of the units only."""
    share = rng.dirichlet([2.0, 1.5, 1.0, 0.5], (simulations, units))
    share[..., 3] *= rng.random((simulations, units)) < rarest
    truth = 1000 * share
    skill = rng.beta([8, 6, 4, 3], [2, 3, 4, 4], (simulations, units, 4))
    right = truth * skill
    wrong = (truth - right).sum(axis=-1, keepdims=True)
    predicted = right + wrong * [0.4, 0.3, 0.2, 0.1]
    return np.stack([right, truth, predicted], axis=2)


def mean_iou(sums: np.ndarray) -> np.ndarray:
    right, truth, predicted = np.moveaxis(sums, -2, 0)
    return (right / (truth + predicted - right)).mean(axis=-1)


@pytest.mark.parametrize("units", [150, 400])
def test_the_interval_covers_the_truth_as_often_as_it_says(units):
    rng = np.random.default_rng(1)
    truth = mean_iou(drawn_units(rng, 1, 1_000_000).mean(axis=1))[0]
    covered = []
    for sums in drawn_units(rng, 600, units):
        low, high = np.percentile(resampled_mean_iou(sums, 300, rng), [2.5, 97.5])
        covered.append(low <= truth <= high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_an_interval_that_ignored_the_scenes_would_cover_too_seldom():
    """Eight tiles of one scene are one draw: resampling them as if they were eight is where coverage is lost."""
    rng = np.random.default_rng(2)
    truth = mean_iou(drawn_units(rng, 1, 1_000_000).mean(axis=1))[0]
    covered = []
    for scenes in drawn_units(rng, 200, 60):
        tiles = np.repeat(scenes / 8, 8, axis=0)
        low, high = np.percentile(resampled_mean_iou(tiles, 200, rng), [2.5, 97.5])
        covered.append(low <= truth <= high)
    assert np.mean(covered) < 0.75


def test_resamples_scatter_around_the_score_of_all_tiles():
    tiles = some_tiles(100)
    interval = mean_iou_interval(tiles)
    score = Scores.of(tiles.sum(dim=0)).mean_iou
    assert interval.low < score < interval.high
    assert interval.high - interval.low < 0.05
    assert (interval.units, interval.unit) == (100, "tiles")


def test_equal_tiles_leave_nothing_to_chance():
    tiles = some_tiles(1).expand(60, -1, -1)
    interval = mean_iou_interval(tiles)
    expected = pytest.approx(Scores.of(tiles[0]).mean_iou)
    assert (interval.low, interval.high) == (expected, expected)


def test_tiles_of_a_scene_are_drawn_together():
    tiles = some_tiles(240)
    scenes = [number // 4 for number in range(240)]
    interval = mean_iou_interval(tiles, scenes)
    assert (interval.units, interval.unit) == (60, "scenes")
    summed = mean_iou_interval(tiles.view(60, 4, 3, 3).sum(dim=1))
    assert (interval.low, interval.high) == (summed.low, summed.high)
    shuffled = torch.randperm(240, generator=torch.Generator().manual_seed(0))
    again = unit_sums(tiles[shuffled], [scenes[i] for i in shuffled])
    np.testing.assert_array_equal(np.sort(again, axis=0), np.sort(unit_sums(tiles, scenes), axis=0))


@pytest.mark.parametrize("units", [0, 1, 49])
def test_too_few_units_have_no_interval(units):
    interval = mean_iou_interval(some_tiles(units))
    assert (interval.low, interval.high, interval.units) == (None, None, units)
    assert f"too few for an interval ({units} tile{'s' * (units != 1)}, 50 are needed)" in str(interval)
    scenes = mean_iou_interval(some_tiles(200), [number % 49 for number in range(200)])
    assert "49 scenes" in str(scenes)


def test_no_labelled_pixel_has_no_interval():
    assert mean_iou_interval(torch.zeros(60, 3, 3, dtype=torch.int32)).low is None


def test_a_seed_gives_one_interval():
    tiles = some_tiles(80)
    first, again, other = (mean_iou_interval(tiles, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert abs(first.low - other.low) < 0.01


def test_classes_are_those_of_all_tiles():
    """Class 2 is in one tile: resamples without it, where it is predicted as well, count it as zero; classes that no
    tile holds never count."""
    tiles = torch.zeros(60, 4, 4, dtype=torch.int64)
    tiles[:, 0, 0], tiles[:, 0, 2] = 9, 1
    tiles[0, 2, 2] = 600
    scores = resampled_mean_iou(unit_sums(tiles)[:, :, [0, 2]], 500, np.random.default_rng(0))
    without = np.isclose(scores, (0.9 + 0) / 2)
    assert without.mean() == pytest.approx((1 - 1 / 60) ** 60, abs=0.06)
    assert (scores[~without] > 0.8).all()


def test_a_class_that_a_resample_neither_holds_nor_predicts_is_left_out_of_its_mean():
    tiles = torch.zeros(60, 2, 2, dtype=torch.int64)
    tiles[:, 0, 0] = 10
    tiles[0] = torch.tensor([[10, 0], [5, 5]])
    scores = resampled_mean_iou(unit_sums(tiles), 500, np.random.default_rng(0))
    assert (scores == 1).mean() == pytest.approx((1 - 1 / 60) ** 60, abs=0.06)


def test_counts_beyond_float32_are_added_exactly():
    tiles = torch.full((2, 1, 1), 2**30 + 1, dtype=torch.int32)
    assert unit_sums(tiles, ["scene", "scene"])[0, 0, 0] == 2**31 + 2


# --- classes ----------------------------------------------------------------------------------------------------------


def test_the_interval_of_a_class_covers_the_truth_where_enough_units_hold_it():
    rng = np.random.default_rng(4)
    covered = {}
    for holding in (FEWEST_UNITS_OF_A_CLASS, 6):
        rarest = holding / 150
        right, truth, predicted = drawn_units(rng, 1, 300_000, rarest).mean(axis=1)[0, :, 3]
        ends = []
        for sums in drawn_units(rng, 200, 150, rarest)[..., 3:]:
            drawn = np.concatenate([*resampled_sums(sums, 200, rng)])[..., 0]
            ends.append(np.percentile(drawn[:, 0] / (drawn[:, 1] + drawn[:, 2] - drawn[:, 0]), [2.5, 97.5]))
        score = right / (truth + predicted - right)
        covered[holding] = np.mean([low <= score <= high for low, high in ends])
    assert covered[FEWEST_UNITS_OF_A_CLASS] > 0.88 > 0.85 > covered[6]


def test_intervals_of_classes_are_those_of_a_plain_loop():
    tiles = some_tiles(60)
    intervals = class_intervals(tiles, resamples=200, seed=3)
    rng = np.random.default_rng(3)
    drawn = [Scores.of(tiles[torch.from_numpy(rng.integers(60, size=60))].sum(dim=0)).of_classes() for _ in range(200)]
    for name in CLASS_SCORES:
        for index, ends in enumerate(intervals[name]):
            assert ends == pytest.approx(np.percentile([scores[name][index] for scores in drawn], [2.5, 97.5]))


def test_equal_tiles_give_a_class_its_score_twice():
    tiles = some_tiles(1).expand(60, -1, -1)
    scores = Scores.of(tiles[0]).of_classes()
    for name, ends in class_intervals(tiles, resamples=20).items():
        assert ends == [pytest.approx((score, score)) for score in scores[name]]


def test_a_class_of_few_tiles_has_no_interval():
    tiles = some_tiles(60)
    tiles[FEWEST_UNITS_OF_A_CLASS - 1 :, 2] = 0  # predicted in all tiles, true in too few
    assert class_intervals(tiles, resamples=20)["iou"][2] == (None, None)
    tiles[FEWEST_UNITS_OF_A_CLASS - 1, 2, 2] = 1
    assert None not in class_intervals(tiles, resamples=20)["iou"][2]


def test_scenes_count_for_classes_as_for_the_mean():
    tiles = some_tiles(120)
    assert class_intervals(tiles, [number // 4 for number in range(120)])["f1"] == [(None, None)] * 3
    summed = tiles.view(60, 2, 3, 3).sum(dim=1)
    assert class_intervals(tiles, [number // 2 for number in range(120)]) == class_intervals(summed)


def test_a_class_that_is_never_predicted_has_no_interval_of_its_users_accuracy():
    tiles = some_tiles(60)
    tiles[:, :, 1] = 0
    intervals = class_intervals(tiles, resamples=20)
    assert intervals["users_accuracy"][1] == (None, None)
    assert intervals["producers_accuracy"][1] == (0, 0)
