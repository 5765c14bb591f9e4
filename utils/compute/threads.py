"""One kind of work on many items, in threads: for decoders and encoders, which release Python's lock."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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


def one_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Work on items in one thread, which begins with the next item while the caller has the result of the last.

    At most two results are in memory beside the caller's; closing the generator ends the work.
    """
    with ThreadPoolExecutor(1) as thread:
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                ahead.append(thread.submit(work, item))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
