"""Work that processes share by taking turns: item i is computed by process i % n, and all get all items in order."""

from collections.abc import Iterator
from typing import TypeVar

from utils.compute import distributed
from utils.errors import DataError

T = TypeVar("T")


def in_turn(own: Iterator[T], count: int) -> Iterator[T]:
    """Items of all processes in order, in each of them; in a single process, its own.

    Args:
        own: what this process computes: items rank, rank + n, rank + 2n, … of n processes. They travel to the others,
            so they have to be picklable, and not large.
        count: items of all processes; each has to ask for all of them.

    Raises:
        DataError: one that an item of any process raised, in all of them, when its turn comes.
    """
    if distributed.world_size() == 1:
        yield from own
        return
    processes = distributed.world_size()
    for first in range(0, count, processes):
        mine: tuple[T | None, DataError | None] = None, None
        if first + distributed.rank() < count:
            mine = _next(own)
        distributed.barrier()  # items take unequally long
        gathered = distributed.gather_objects(mine)
        for item, error in gathered[: count - first]:
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # one of the two is there


def _next(own: Iterator[T]) -> tuple[T | None, DataError | None]:
    try:
        return next(own), None
    except DataError as error:
        return None, error
