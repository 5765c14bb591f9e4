import numpy as np
import pytest

from utils.studies.statistics.comparison import HIGHER, LOWER, NO_DIFFERENCE, compare, corrected_together

NOISE = np.random.default_rng(0).normal(0, 0.01, (10, 3))


def test_a_clear_effect_is_claimed_with_ten_areas_in_its_direction():
    compared = compare(0.5 + NOISE, np.full((10, 3), 0.4))
    assert compared.on_these_areas.verdict == compared.on_a_new_area.verdict == HIGHER
    assert compare(np.full((10, 3), 0.4), 0.5 + NOISE).on_a_new_area.verdict == LOWER
    assert (compared.wins, compared.ties, compared.losses, compared.pairs) == (30, 0, 0, 30)
    assert compared.on_a_new_area.mean == pytest.approx(0.1, abs=0.01)


def test_five_areas_say_something_of_themselves_and_nothing_of_a_new_one():
    compared = compare(0.5 + NOISE[:5], np.full((5, 3), 0.4))
    assert compared.on_these_areas.verdict == HIGHER
    assert compared.on_a_new_area.verdict == "cannot be said with 5 areas"


def test_no_difference_is_not_called_equal():
    verdict = compare(0.4 + NOISE, 0.4 + NOISE[::-1]).on_a_new_area.verdict
    assert verdict == NO_DIFFERENCE == "no difference shown"


def test_one_area_and_one_seed():
    compared = compare(np.array([[0.5]]), np.array([[0.5]]))
    assert compared.ties == 1
    assert compared.on_these_areas.verdict == "cannot be said with 1 seed"
    assert compared.on_a_new_area.verdict == "cannot be said with 1 area"


def test_a_missing_score_is_never_averaged_away():
    first = np.array([[0.5, np.nan], [0.5, 0.3]])
    compared = compare(first, np.full((2, 2), 0.4))
    assert (compared.wins, compared.losses, compared.missing, compared.pairs) == (2, 1, 1, 4)
    assert compared.on_these_areas is None
    assert compared.on_a_new_area is None


def test_holm_over_all_comparisons_of_a_question():
    clear = compare(0.5 + NOISE, np.full((10, 3), 0.4))
    none = compare(0.4 + NOISE, 0.4 + NOISE[::-1])
    missing = compare(np.full((10, 3), np.nan), NOISE)
    corrected = corrected_together([clear, none, missing, clear])
    floor = clear.on_a_new_area.p
    assert corrected[0].on_a_new_area.corrected == pytest.approx(3 * floor)  # the missing one is no comparison
    assert corrected[3].on_a_new_area.corrected == pytest.approx(3 * floor)
    assert corrected[1].on_a_new_area.verdict == NO_DIFFERENCE
    assert corrected[2].on_a_new_area is None


def test_more_comparisons_than_the_areas_can_carry():
    six = compare(0.5 + NOISE[:6], np.full((6, 3), 0.4))
    assert six.on_a_new_area.verdict == HIGHER
    assert corrected_together([six] * 2)[0].on_a_new_area.verdict == "cannot be said with 6 areas and 2 comparisons"


def test_arms_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected the same"):
        compare(np.ones((5, 3)), np.ones((5, 2)))
