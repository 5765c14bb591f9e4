import itertools

import pytest

from utils.optimisation.lr_scheduler import cosine, poly


@pytest.mark.parametrize(
    ("step", "num_steps", "power", "expected"),
    [
        (0, 20000, 0.9, 1),
        (50, 100, 1.0, 0.5),
        (50, 100, 2.0, 0.25),
        (19000, 20000, 0.9, 0.05**0.9),
        (3, 4, 0.5, 0.5),
        (7, 9, 0.0, 1),
    ],
)
def test_factor_by_hand(step, num_steps, power, expected):
    assert poly(step, num_steps, power) == pytest.approx(expected)


def test_rate_falls_at_every_step_and_never_reaches_zero():
    factors = [poly(step, 100, 0.9) for step in range(100)]
    assert all(later < earlier for earlier, later in itertools.pairwise(factors))
    assert factors[-1] == pytest.approx(0.01**0.9)


def test_the_cosine_rises_linearly_and_falls_to_almost_nothing():
    factors = [cosine(step, 100, rise=0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert 0 < factors[99] < 0.001
    assert cosine(0, 1) == 1
