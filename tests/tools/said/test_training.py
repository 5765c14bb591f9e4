import pytest

from model.methods.settings import FixMatchSettings, SupervisedSettings
from tools.said.training import on_memory


def test_a_teacher_that_lags_behind_in_a_short_training():
    said = on_memory(FixMatchSettings(400))
    assert "--ema 0.996 averages over about 250 steps, and lags behind in a training of 400" in said
    assert said.endswith("with --ema 0.975 it would follow")


def test_a_teacher_that_never_learns():
    assert "nothing but the first steps" in on_memory(FixMatchSettings(20_000, ema=1))


@pytest.mark.parametrize(
    "settings", [SupervisedSettings(400), FixMatchSettings(400, ema=0.9), FixMatchSettings(1250, ema=0.996)]
)
def test_nothing_is_said_of_others(settings):
    assert on_memory(settings) == ""
