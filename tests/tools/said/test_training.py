import re

import pytest

from model.methods.settings import FixMatchSettings, SupervisedSettings
from tools.said.training import on_slow_teacher


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            FixMatchSettings(400),
            "0.996 averages about 250 steps, in a training of 400: .* with --ema 0.99 faster",
        ),
        (FixMatchSettings(20_000, ema=0.9999), "averages about 10000 steps, .* with --ema 0.9998 faster"),
        (FixMatchSettings(20_000, ema=1), "averages all steps alike, .* with --ema 0.9998 faster"),
        (SupervisedSettings(100, ema=0.99), "with --ema 0.96 faster"),
    ],
)
def test_a_teacher_that_is_slow_for_a_short_training(settings, said):
    assert re.search(said, on_slow_teacher(settings))


@pytest.mark.parametrize(
    "settings",
    [
        SupervisedSettings(400),
        FixMatchSettings(400, ema=0.99),
        FixMatchSettings(900),
        FixMatchSettings(4),
        FixMatchSettings(8, ema=0.4),
    ],
)
def test_nothing_is_said_of_others(settings):
    assert on_slow_teacher(settings) == ""
