"""The estimator against the worked example of Olofsson et al. 2014, section 5."""

import numpy as np
import pytest

from utils.evaluation.areas.stratified import Z_95, adjusted, standard_errors_of_points

POINTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])  # rows are the map
WEIGHTS = np.array([0.020, 0.015, 0.320, 0.645])
HECTARES = 900_000


def test_adjusted_areas_of_the_worked_example():
    areas = HECTARES * adjusted(POINTS, WEIGHTS).shares
    np.testing.assert_allclose(areas, [21_158, 11_686, 285_770, 581_386], atol=0.5)
    assert areas.sum() == pytest.approx(HECTARES)


def test_intervals_of_the_worked_example():
    margins = 1.96 * HECTARES * standard_errors_of_points(POINTS, WEIGHTS).shares  # the paper rounds to 1.96
    np.testing.assert_allclose(margins, [6_158, 3_756, 15_510, 16_282], atol=0.5)
    assert pytest.approx(1.96, abs=1e-4) == Z_95


def test_accuracies_of_the_worked_example():
    estimates = adjusted(POINTS, WEIGHTS)
    assert estimates.overall == pytest.approx(0.947, abs=5e-4)
    np.testing.assert_allclose(estimates.users, [66 / 75, 55 / 75, 153 / 165, 313 / 325])
    deforestation = 0.020 * 66 / 75
    assert estimates.producers[0] == pytest.approx(deforestation / (deforestation + 0.320 / 165 + 0.645 * 2 / 325))


def test_errors_of_points_are_those_of_drawing_them_again():
    """The formulas against a simulation: points are drawn anew from what each mapped class is in truth."""
    rng, rows = np.random.default_rng(0), POINTS / POINTS.sum(axis=1, keepdims=True)
    drawn = np.stack([rng.multinomial(n, row, 4000) for n, row in zip(POINTS.sum(axis=1), rows, strict=True)], axis=1)
    estimates, errors = adjusted(drawn, WEIGHTS), standard_errors_of_points(POINTS, WEIGHTS)
    np.testing.assert_allclose(estimates.shares.std(axis=0), errors.shares, rtol=0.05)
    assert estimates.overall.std() == pytest.approx(errors.overall, rel=0.05)
    np.testing.assert_allclose(estimates.users.std(axis=0), errors.users, rtol=0.05)
    np.testing.assert_allclose(estimates.producers.std(axis=0), errors.producers, rtol=0.15)  # a linearised formula


def test_with_the_map_s_own_weights_the_adjusted_shares_are_those_in_truth():
    counts = np.random.default_rng(1).integers(1, 50, (3, 3))
    estimates = adjusted(counts, counts.sum(axis=1) / counts.sum())
    np.testing.assert_allclose(estimates.shares, counts.sum(axis=0) / counts.sum())
    assert estimates.overall == pytest.approx(np.trace(counts) / counts.sum())


def test_a_class_that_is_not_mapped_needs_no_sample_and_one_that_is_does():
    counts = np.array([[8, 0, 2], [1, 9, 0], [0, 0, 0]])
    np.testing.assert_allclose(adjusted(counts, np.array([0.5, 0.5, 0])).shares, [0.45, 0.45, 0.1])
    assert np.isfinite(standard_errors_of_points(counts, np.array([0.5, 0.5, 0])).shares).all()
    assert np.isnan(adjusted(counts, np.array([0.4, 0.4, 0.2])).shares).all()
    assert np.isnan(adjusted(counts, np.array([0.4, 0.4, 0.2])).overall)


def test_a_single_point_of_a_class_has_no_error():
    counts = np.array([[1, 0], [3, 7]])
    assert np.isnan(standard_errors_of_points(counts, np.array([0.5, 0.5])).shares).all()
