"""One kind of work on many items, in threads: for decoders and encoders, which release Python's lock."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from utils.compute.machine import usable_cores
from utils.progress import Progress

_AHEAD = 16  # items begun or queued before the first result is taken, per thread

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], label: str, unit: str, threads: int | None = None
) -> list[Result]:
    """Work on items in threads, and say how far it has come; the first error ends it.

    Args:
        work: called once for each item.
        items: what to work on.
        label, unit: what is done, and what an item is, for the user.
        threads: at most so many; None: one for each core.

    Returns:
        The results, in the order of `items`.
    """
    return list(stream_in_threads(work, items, label, unit, threads))


def stream_in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], label: str, unit: str, threads: int | None = None
) -> Generator[Result, None, None]:
    """As `in_threads`, one result after the other, with few of them in memory at a time; closing it ends the work."""
    cores = usable_cores()
    threads = min(cores, threads or cores)
    with ThreadPoolExecutor(threads) as pool, Progress(len(items), label, unit) as progress:
        ahead = deque(pool.submit(work, item) for item in items[: threads * _AHEAD])
        try:
            for place in range(len(items)):
                yield ahead.popleft().result()
                progress.update()
                if place + threads * _AHEAD < len(items):
                    ahead.append(pool.submit(work, items[place + threads * _AHEAD]))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
