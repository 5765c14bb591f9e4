import pytest

from utils.evaluation import CRFSettings, ViewSettings, WindowSettings
from utils.evaluation.settings import RangeSettings
from utils.settings import SettingsError


def numbers(settings: RangeSettings) -> tuple[int | None, int | None, int | None]:
    return settings.start_eval, settings.end_eval, settings.step_eval


def test_the_published_range_is_settled_without_a_run():
    assert numbers(RangeSettings().settled()) == (100, 20000, 100)
    assert numbers(RangeSettings(end_eval=700, step_eval=50).settled(num_steps=30)) == (100, 700, 50)
    assert RangeSettings(end_eval=400).steps() == range(100, 401, 100)


@pytest.mark.parametrize(
    ("given", "run", "settled", "steps"),
    [
        ({}, (30, 7), (7, 30, 7), [7, 14, 21, 28, 30]),  # a run writes a checkpoint at its end, whatever its step
        ({}, (30, 100), (30, 30, 30), [30]),
        ({"end_eval": 20}, (30, 7), (7, 20, 7), [7, 14]),
        ({"start_eval": 30, "end_eval": 20000, "step_eval": 10}, (30, 7), (30, 30, 10), [30]),
        ({"end_eval": 300}, (None, None), (100, 300, 100), [100, 200, 300]),
    ],
)
def test_a_range_that_is_followed_ends_with_its_run(given, run, settled, steps):
    settings = RangeSettings(follow=True, **given)
    assert numbers(settings.settled(*run)) == settled
    assert list(settings.steps(*run)) == steps


def test_settling_twice_changes_nothing():
    settled = RangeSettings(follow=True).settled(30, 7)
    assert settled.settled(30, 7) == settled


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RangeSettings(end_eval=50), "end_eval 50 lies before start_eval 100"),
        (lambda: RangeSettings(start_eval=0), "start_eval is 0, expected 1 or more"),
        (lambda: RangeSettings(end_eval=10**9, step_eval=1), "999999901 checkpoints, and 1000000 are the most"),
        (lambda: RangeSettings(follow=True, start_eval=300).settled(200, 50), "start_eval 300 is never reached"),
        (lambda: ViewSettings((1.0, 1.0)), "scales repeats a factor"),
        (lambda: WindowSettings(overlap=1.0), "overlap is 1.0"),
        (lambda: CRFSettings(bilateral_sigma_rgb=0.1), "bilateral_sigma_rgb is 0.1, expected 0.25 or more"),
    ],
)
def test_what_contradicts_itself_is_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


def test_every_checkpoint_may_be_asked_for_whatever_the_range():
    assert RangeSettings(end_eval=10**9, step_eval=1, all=True).all
