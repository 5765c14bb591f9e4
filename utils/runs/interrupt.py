"""Ending a long loop between two steps, so that what is saved is whole."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from utils.console import is_main_process
from utils.wording import worded

SAME_KEYPRESS = 2.0  # seconds: Ctrl-C pressed twice, or sent to a group of processes and passed on by their launcher
_REASONS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}


class Stopped(Exception):
    """Ends a loop from within after its state was saved; `StopRequest` knows the reason."""


class EndedAtOnce(KeyboardInterrupt):
    """A Ctrl-C that did not wait for the end that was asked for.

    Args:
        unsaved: says what is lost; asked when the message is read, after writes under way have come to their end.
    """

    def __init__(self, unsaved: Callable[[], str]) -> None:
        super().__init__()
        self._unsaved = unsaved

    def __str__(self) -> str:
        return f"interrupted again, ended at once: {self._unsaved()}"


class StopRequest:
    """Notes SIGTERM, Ctrl-C, a closed terminal and a time limit; the loop asks `reason` after each step.

    A Ctrl-C more than `SAME_KEYPRESS` seconds later ends at once, with an error that says what is lost. Nothing else
    does: launchers pass on what the queue has sent to all processes already. Use as a context manager around the loop
    and the saving that follows it.

    Args:
        max_hours: time limit; None: none.
        unsaved: says what an end at this moment loses, and from where the run can go on.
        clock: seconds that pass.
    """

    def __init__(
        self,
        max_hours: float | None = None,
        unsaved: Callable[[], str] = lambda: "what was not saved yet is lost",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._unsaved = clock, unsaved
        self._deadline = clock() + 3600 * max_hours if max_hours is not None else None
        self._signal: int | None = None
        self._came = 0.0
        self._is_over = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._is_over = False
        for name in _REASONS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # under nohup
                continue
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: signals go elsewhere
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        if not self._is_same_keypress():
            self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._is_over and not self._is_same_keypress():
            self._restore()
            signal.raise_signal(number)
        elif self._signal is None and not self._is_over:
            self._signal, self._came = number, self._clock()
            if is_main_process():
                with contextlib.suppress(OSError):  # print may be at work already: a handler cannot call it again
                    os.write(2, f"{self.reason}: ending after this step\n".encode())
        elif number == signal.SIGINT and not self._is_same_keypress():
            raise EndedAtOnce(self._unsaved)

    def _is_same_keypress(self) -> bool:
        return self._signal is not None and self._clock() - self._came < SAME_KEYPRESS

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @property
    def reason(self) -> str | None:
        """Why the loop should end after this step, or None."""
        if self._signal is not None:
            return _REASONS[signal.Signals(self._signal).name]
        if self._deadline is not None and self._clock() >= self._deadline:
            return worded("the time limit of {max_hours} was reached")
        return None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, else 0."""
        return 0 if self._signal is None else 128 + self._signal
