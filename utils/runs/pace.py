"""How long steps take where they are only launched, and the device is waited for now and then."""

import time
from collections.abc import Callable


class Pace:
    """Seconds of a step, over the steps between two moments at which nothing of them is under way any more.

    A GPU works while the host is already at the next steps: the time of one step on the host is that of its launch.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._steps, self._seconds, self._since = 0, 0.0, clock()

    def step(self) -> None:
        """Count a step that was launched."""
        self._steps += 1

    def pause(self) -> None:
        """The steps so far are done: what follows, such as a validation, is no part of them."""
        now = self._clock()
        self._seconds += now - self._since
        self._since = now

    def resume(self) -> None:
        """Steps go on."""
        self._since = self._clock()

    def take(self) -> float:
        """Seconds of a step since the last call, up to the last pause; they are at least a nanosecond."""
        seconds = max(self._seconds, 1e-9) / max(1, self._steps)
        self._steps, self._seconds = 0, 0.0
        return seconds
