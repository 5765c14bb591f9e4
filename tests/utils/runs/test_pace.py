import pytest

from utils.runs.pace import Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def launch(pace, clock, steps, seconds=0.001):
    for _ in range(steps):
        clock.now += seconds
        pace.step()


def test_a_steps_time_is_that_until_it_is_done_not_that_of_its_launch(clock):
    pace = Pace(clock)
    launch(pace, clock, 10)
    clock.now += 0.99  # waiting for the device
    pace.pause()
    assert pace.take() == pytest.approx(0.1)


def test_what_is_done_between_steps_does_not_count(clock):
    pace = Pace(clock)
    for _ in range(2):
        launch(pace, clock, 5, seconds=0.2)
        pace.pause()
        clock.now += 60  # a validation
        pace.resume()
    assert pace.take() == pytest.approx(0.2)


def test_each_answer_is_about_the_steps_since_the_last(clock):
    pace = Pace(clock)
    for seconds in (0.5, 0.1):
        launch(pace, clock, 4, seconds)
        pace.pause()
        assert pace.take() == pytest.approx(seconds)
        pace.resume()


def test_without_a_step_there_is_nothing_to_divide_by(clock):
    assert Pace(clock).take() > 0
