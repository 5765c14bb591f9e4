"""How far long work has come: a bar on a terminal, and a line now and then elsewhere, as in a queue's log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

from utils.console import is_main_process, say

FIRST_LINE, NEXT_LINES = 10.0, 30.0  # seconds until the first line, and between two

Item = TypeVar("Item")


class Progress:
    """Counts finished items of one piece of work, on stderr and in the main process only; a context manager.

    Args:
        total: items of the whole work.
        label: what is being done, such as `training`.
        unit: what an item is, in the singular.
        first: items finished before, by a run that is taken up again.
        leave: whether a bar stays when the work is done.
        clock: seconds that pass.
    """

    def __init__(
        self,
        total: int,
        label: str,
        unit: str,
        first: int = 0,
        leave: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.label, self.unit, self.finished = total, label, unit, float(first)
        self._clock = clock
        self._values: dict[str, float] = {}
        self._bar: tqdm[None] | None = None
        if is_main_process() and sys.stderr.isatty():
            self._bar = tqdm(desc=label, total=total, initial=first, unit=unit, leave=leave)
        self._last = clock(), self.finished  # time and items of the last line
        self._began = self._last
        self._due = self._last[0] + FIRST_LINE
        self._has_lines = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._has_lines and error is None:
            self._say(f"{_seconds(self._clock() - self._began[0])} in all")

    def update(self, items: float = 1) -> None:
        """Count items that are finished, or a part of one that takes long."""
        before, self.finished = self._whole, self.finished + items
        if self._bar is not None:
            self._bar.update(self._whole - before)
        elif self._clock() >= self._due:
            self._say(self._rate())
            self._last = self._clock(), self.finished
            self._due, self._has_lines = self._last[0] + NEXT_LINES, True

    def end_item(self) -> None:
        """Count what is left of the item under way, which ends early, or a whole one that did not begin."""
        self.update(self._whole + 1 - self.finished)

    def show(self, values: Mapping[str, float]) -> None:
        """Show some numbers, such as losses, from now on."""
        self._values = dict(values)
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()}, refresh=False)

    @property
    def _whole(self) -> int:
        return int(self.finished + 1e-6)  # parts may add up to a little less than an item

    def _say(self, end: str) -> None:
        values = "".join(f", {name} {value:.3f}" for name, value in self._values.items())
        say(f"{self.label}: {self._whole} of {_plural(self.total, self.unit)}{values}, {end}", file=sys.stderr)

    def _rate(self) -> str:
        """Items a second since the last line, and the time left at that rate."""
        seconds, items = self._clock() - self._last[0], self.finished - self._last[1]
        each = seconds / max(1e-9, items)
        article = "an" if self.unit[0] in "aeiou" else "a"
        a_second = f"{_plural(1 / max(each, 1e-9), self.unit)} a second"
        rate = f"{each:.1f} s {article} {self.unit}" if each > 1 else a_second
        return f"{rate}, {_seconds(each * (self.total - self.finished))} left"


def progress(items: Iterable[Item], total: int, label: str, unit: str) -> Iterator[Item]:
    """Pass items on, and count one when the next is asked for."""
    with Progress(total, label, unit) as counted:
        for item in items:
            yield item
            counted.update()


def _plural(count: float, unit: str) -> str:
    number = f"{count:.1f}" if isinstance(count, float) else str(count)
    ending = "" if count == 1 else "es" if unit.endswith("ch") else "s"
    return f"{number} {unit}{ending}"


def _seconds(seconds: float) -> str:
    """A time in the two largest units that it has."""
    minutes, hours = round(seconds / 60), round(seconds / 60) // 60
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{hours} h {minutes - 60 * hours:02d} min"
