"""Requests to end, and what a further one does, at which moment."""

import os
import signal

import pytest

from utils.runs.interrupt import EndedAtOnce, StopRequest


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def same_handlers():
    """Each test has the usual handlers, also where the suite runs in the background, which ignores Ctrl-C."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, (signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL), strict=True):
        signal.signal(number, handler)
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def press(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "the terminal was closed"),
    ],
)
def test_a_signal_is_noted(clock, capfd, number, code, reason):
    with StopRequest(clock=clock) as stop:
        assert (stop.reason, stop.exit_code) == (None, 0)
        press(number)
        assert (stop.reason, stop.exit_code) == (reason, code)
    assert capfd.readouterr().err == f"{reason}: ending after this step\n"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_soon_after_is_the_same_request_and_a_later_one_ends_at_once(clock, first):
    with pytest.raises(EndedAtOnce, match="step 7 is lost"), StopRequest(unsaved=lambda: "step 7 is lost", clock=clock):
        press(first)
        clock.now = 0.05
        press()
        clock.now = 1.9
        press()
        clock.now = 2.1
        press(signal.SIGTERM)  # a queue sends it as often as it likes
        press()


def test_what_is_lost_is_asked_for_when_the_message_is_read(clock):
    lost = ["step 7"]
    with pytest.raises(EndedAtOnce) as ended, StopRequest(unsaved=lambda: lost[0], clock=clock):
        press()
        clock.now = 3
        press()
    lost[0] = "nothing"
    assert str(ended.value) == "interrupted again, ended at once: nothing"


def test_ctrl_c_pressed_twice_leaves_the_saving_and_the_report_alone(clock):
    """The second one arrives when the loop has ended already."""
    with StopRequest(clock=clock) as stop:
        press()
    clock.now = 0.05
    press()
    press(signal.SIGTERM)
    assert stop.exit_code == 130
    clock.now = 3
    with pytest.raises(KeyboardInterrupt):
        press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_request_the_handlers_are_those_of_before(clock):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # another request may have ended a moment ago
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest(clock=clock):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_terminal_that_may_go_is_not_minded(clock):
    """Under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest(clock=clock) as stop:
        press(signal.SIGHUP)
        assert stop.reason is None


def test_a_time_limit_is_a_reason(clock):
    stop = StopRequest(max_hours=1, clock=clock)
    clock.now = 3599
    assert stop.reason is None
    clock.now = 3600
    assert stop.reason == "the time limit of max_hours was reached"
    assert stop.exit_code == 0
