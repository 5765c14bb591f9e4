import pytest

from utils.studies.statistics.holm import holm


def test_holms_own_steps():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_none_exceeds_one_and_one_comparison_is_left_as_it_is():
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
