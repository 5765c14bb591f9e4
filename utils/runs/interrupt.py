"""Ending a long loop between two steps, so that what is saved is whole."""

import signal
import time
from types import FrameType, TracebackType


class Stopped(Exception):
    """Ends a loop from within after its state was saved; `StopRequest` knows the reason."""


class StopRequest:
    """Notes SIGTERM, Ctrl-C and a time limit; the loop asks `reason` after each step.

    A Ctrl-C after that ends at once; a further SIGTERM does not: launchers pass on what the queue has sent to all
    processes already. Use as a context manager around the loop.

    Args:
        max_hours: time limit; None: none.
    """

    def __init__(self, max_hours: float | None = None) -> None:
        self._deadline = time.monotonic() + 3600 * max_hours if max_hours is not None else None
        self._signal: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: signals go elsewhere
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signal is None:
            self._signal = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    @property
    def reason(self) -> str | None:
        """Why the loop should end after this step, or None."""
        if self._signal is not None:
            return "interrupted" if self._signal == signal.SIGINT else "terminated"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "the time limit of --max-hours was reached"
        return None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, else 0."""
        return 0 if self._signal is None else 128 + self._signal
