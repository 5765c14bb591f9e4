"""Which tile comes next: orders that are a function of (seed, stream, position), for any number of workers.

A draw knows its number; its random numbers come from a generator seeded by (seed, stream, draw number). Where a run
stands is therefore one integer, however far a worker has prefetched, and every worker and process count sees the
same samples.
"""

import signal
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

GRACE = 60  # seconds that a worker goes on after SIGTERM, in which the main process ends its step and saves


class Draw(NamedTuple):
    """The number-th draw of a stream: a tile, by its position in the list, with its own random numbers."""

    tile: int
    number: int = 0

    @classmethod
    def of(cls, draw: "Draw | int") -> "Draw":
        """A draw from a plain position, as `dataset[3]` gives it: draw number 0."""
        return draw if isinstance(draw, Draw) else cls(int(draw))

    def generator(self, seed: int, stream: str) -> np.random.Generator:
        """The random numbers of this draw."""
        return generator(seed, stream, self.number)


def generator(seed: int, stream: str, *position: int) -> np.random.Generator:
    """Random numbers that depend on (seed, stream, position) alone."""
    return np.random.default_rng((seed, zlib.crc32(stream.encode()), *position))


class EndlessBatches(Sampler[list[Draw]]):
    """Batches of draws without end: every epoch a new order, batches run across epochs.

    Args:
        indices: the tiles to draw from; fewer than a batch is fine.
        batch_size: draws of a batch, over all processes.
        seed, stream: what the order depends on.
        first_batch: where to start; the state of this sampler is the number of batches used.
        rank, world_size: this process takes its share of each batch.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        seed: int,
        stream: str,
        first_batch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not indices:
            raise ValueError("there are no tiles to draw from")
        if batch_size % world_size:
            raise ValueError(f"a batch of {batch_size} cannot be shared by {world_size} processes")
        self.indices, self.batch_size = list(indices), batch_size
        self.seed, self.stream, self.first_batch = seed, stream, first_batch
        self.rank, self.share = rank, batch_size // world_size
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def _draw_order(self, epoch: int) -> np.ndarray:
        return generator(self.seed, f"{self.stream}/order", epoch).permutation(len(self.indices))

    def draw(self, number: int) -> Draw:
        """The number-th draw since the beginning."""
        epoch, place = divmod(number, len(self.indices))
        return Draw(self.indices[self._order(epoch)[place]], number)

    def batch(self, number: int) -> list[Draw]:
        """This process's share of the number-th batch."""
        first = number * self.batch_size + self.rank * self.share
        return [self.draw(n) for n in range(first, first + self.share)]

    def __iter__(self) -> Iterator[list[Draw]]:
        number = self.first_batch
        while True:
            yield self.batch(number)
            number += 1

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "_order"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._order = lru_cache(maxsize=2)(self._draw_order)


class OrderedBatches(Sampler[list[Draw]]):
    """The tiles in their order, once: for scoring and evaluation.

    Args:
        indices: the tiles.
        batch_size: draws of a batch.
        first_batch: where to start.
        rank, world_size: the processes take whole batches in turn, so that each batch is the one of a single process.
    """

    def __init__(
        self, indices: Sequence[int], batch_size: int, first_batch: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        self.indices, self.batch_size = indices, batch_size
        self.numbers = range(first_batch + rank, -(-len(indices) // batch_size), world_size)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[list[Draw]]:
        for number in self.numbers:
            start = number * self.batch_size
            yield [Draw(int(tile)) for tile in self.indices[start : start + self.batch_size]]


class EpochBatches(Sampler[list[Draw]]):
    """Whole epochs over the tiles, each in a new order; an epoch's last batch may be smaller.

    Args:
        indices: the tiles.
        batch_size: draws of a batch, over all processes.
        epochs: how often each tile is drawn.
        seed, stream: what the orders depend on.
        first_batch: where to start.
        rank, world_size: this process takes its share of each batch, which may be empty.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        epochs: int,
        seed: int,
        stream: str,
        first_batch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.indices, self.batch_size, self.epochs = list(indices), batch_size, epochs
        self.seed, self.stream, self.first_batch = seed, stream, first_batch
        self.rank, self.world_size = rank, world_size
        self.batches_per_epoch = -(-len(self.indices) // batch_size)

    def __len__(self) -> int:
        return self.epochs * self.batches_per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[Draw]]:
        for epoch in range(self.first_batch // max(1, self.batches_per_epoch), self.epochs):
            order = generator(self.seed, f"{self.stream}/order", epoch).permutation(len(self.indices))
            draws = [Draw(self.indices[i], epoch * len(order) + n) for n, i in enumerate(order)]
            for number in range(self.batches_per_epoch):
                if epoch * self.batches_per_epoch + number >= self.first_batch:
                    batch = draws[number * self.batch_size : (number + 1) * self.batch_size]
                    yield batch[self.rank :: self.world_size]


def build_loader(
    dataset: Dataset[Any], batches: Sampler[list[Draw]], workers: int, pin_memory: bool, keep_workers: bool = False
) -> DataLoader[Any]:
    """A loader over batches of draws; it has its own generator, so that it leaves torch's global one alone.

    A batch without draws, a process's empty share, comes as None. With `keep_workers` its processes outlive a pass, for
    a loader that is used again and again.
    """
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pin_memory,
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_begin_worker if workers else None,
        persistent_workers=keep_workers and workers > 0,
    )


def _collate(samples: list[Any]) -> Any:
    return default_collate(samples) if samples else None


def _begin_worker(_: int) -> None:
    torch.set_num_threads(1)  # workers share the machine with training
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches them too; the main process decides when they end
    if hasattr(signal, "alarm"):  # not on Windows, which ends them without a signal
        signal.signal(
            signal.SIGTERM, lambda *_: signal.alarm(GRACE)
        )  # so may a queue's SIGTERM, in the middle of a step
