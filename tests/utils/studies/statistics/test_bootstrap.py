import numpy as np
import pytest

from utils.studies.statistics.bootstrap import bounds_on_a_new_area, bounds_on_these_areas


def test_intervals_come_near_students_where_data_are_normal():
    values = np.random.default_rng(0).normal(3, 1, (1, 12))
    bounds = bounds_on_these_areas(values, resamples=20_000)
    half = 2.200985 * values.std(ddof=1) / np.sqrt(12)  # Student, 11 degrees of freedom
    assert bounds.high - bounds.low == pytest.approx(2 * half, rel=0.08)
    assert bounds.low < values.mean() < bounds.high


def test_areas_that_differ_widen_only_the_interval_of_a_new_area():
    effects = np.linspace(-2, 2, 8)[:, None]
    values = effects + np.random.default_rng(1).normal(0, 0.1, (8, 3))
    here, there = bounds_on_these_areas(values), bounds_on_a_new_area(values)
    assert here.high - here.low < 0.2
    assert there.high - there.low > 1.5


def test_too_few_units_have_no_interval():
    assert bounds_on_these_areas(np.ones((5, 1))).low is None
    assert bounds_on_these_areas(np.ones((1, 5))).low is None  # simulated: it would cover the truth too rarely
    assert bounds_on_these_areas(np.ones((1, 6))).low == pytest.approx(1)
    assert bounds_on_a_new_area(np.ones((4, 3))).high is None
    assert bounds_on_a_new_area(np.ones((4, 3))).mirrored().low is None


def test_a_seed_gives_one_interval_and_mirrors():
    values = np.random.default_rng(2).normal(size=(6, 3))
    assert bounds_on_a_new_area(values) == bounds_on_a_new_area(values)
    assert bounds_on_a_new_area(values).mirrored().low == -bounds_on_a_new_area(values).high


def test_constant_differences_have_an_interval_of_no_width():
    bounds = bounds_on_these_areas(np.full((5, 3), 0.25))
    assert (bounds.low, bounds.high) == pytest.approx((0.25, 0.25))
