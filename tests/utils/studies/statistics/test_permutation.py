import itertools

import numpy as np
import pytest

from utils.studies.statistics.permutation import flips_of, p_of_areas, permute_areas, permute_pairs


def test_five_areas_cannot_claim_anything_about_a_new_one():
    all_agree = permute_areas(np.full((5, 3), 0.1))
    assert all_agree.p == all_agree.floor == 2 / 2**5 > 0.05
    assert all_agree.short_of == "5 areas"
    assert permute_areas(np.full((6, 3), 0.1)).floor == pytest.approx(2 / 2**6)


def test_p_of_areas_is_the_share_of_all_flips():
    means = np.array([0.9, 1.1, -0.2, 0.4, 0.3, 0.8])
    flipped = [abs(np.dot(signs, means)) for signs in itertools.product((1, -1), repeat=6)]
    expected = np.mean(np.array(flipped) >= abs(means.sum()) - 1e-12)
    assert permute_areas(means[:, None]).p == pytest.approx(expected)


def test_pairs_of_one_area_follow_fishers_randomisation():
    # With one area, |t| grows with |mean| as the squares stay the same: the test is the one on the mean.
    differences = np.array([[2.0, 1.0, 3.0, -0.5, 1.5, 0.7]])
    flipped = [abs(np.dot(signs, differences[0])) for signs in itertools.product((1, -1), repeat=6)]
    assert permute_pairs(differences).p == pytest.approx(np.mean(np.array(flipped) >= differences.sum() - 1e-12))


def test_four_pairs_have_a_floor_above_five_percent():
    test = permute_pairs(np.full((1, 4), -0.05))
    assert (test.p, test.floor, test.short_of) == (0.125, 0.125, "4 pairs")


def test_seeds_tell_noise_from_effects_of_areas():
    assert permute_pairs(np.ones((5, 1))).p is None
    # A small effect that seeds repeat exactly, beside areas that cancel.
    effects = np.array([[3.0], [-3.0], [1.0], [-1.0]])
    noise = np.array([[0.1, -0.1, 0.0]])
    assert permute_pairs(effects + noise).p > 0.5
    assert permute_pairs(effects + noise + 1).p < 0.05


def test_many_units_are_sampled_and_never_reach_zero():
    test = permute_areas(np.ones((30, 1)), seed=3)
    assert not test.exact
    assert test.p == test.floor == 1e-4
    assert permute_areas(np.ones((30, 1)), seed=3) == test


def test_nothing_differs_at_all():
    assert permute_areas(np.zeros((6, 2))).p == 1
    assert permute_pairs(np.zeros((6, 2))).p == 1


def test_direction_and_scale_change_nothing():
    differences = np.random.default_rng(1).normal(0.5, 1, (6, 2))
    for test in (permute_pairs, permute_areas):
        assert test(differences).p == test(-differences).p == pytest.approx(test(differences * 1e-3).p)


def test_studies_side_by_side_are_each_for_itself():
    studies = np.random.default_rng(2).normal(0.3, 1, (7, 8, 2))
    together = p_of_areas(studies, flips_of(8))
    assert together == pytest.approx([permute_areas(study).p for study in studies])
