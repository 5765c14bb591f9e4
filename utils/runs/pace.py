"""Mean duration of training steps on a device that works asynchronously: measured between synchronisations."""

import time
from collections.abc import Callable


class Pace:
    """Mean seconds of a step, over all steps between two synchronisations with the device.

    A GPU works asynchronously: the time of a single step on the host is that of launching its kernels.

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
        """Stop the clock; the device has finished all steps, and what follows, such as a validation, does not count."""
        now = self._clock()
        self._seconds += now - self._since
        self._since = now

    def resume(self) -> None:
        """Start the clock again."""
        self._since = self._clock()

    def take(self) -> float:
        """Mean seconds of a step from the last call to the last pause, at least a nanosecond."""
        seconds = max(self._seconds, 1e-9) / max(1, self._steps)
        self._steps, self._seconds = 0, 0.0
        return seconds
