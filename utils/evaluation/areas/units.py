"""The confusion matrices of what is resampled: tiles, or the scenes that they were cut from."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from utils.evaluation.intervals import added_up

MOST_UNITS = 200  # that a summary keeps; more are put together at random


@dataclass(frozen=True)
class Units:
    """What is resampled for intervals.

    Attributes:
        counts: confusion matrices, rows are the truth, float64 of whole numbers, shape (U, C, C).
        unit: what they are, "scenes" or "tiles".
        number: of those; more than U where several were put together.
        with_truth, with_map: in how many of them each class is in the truth, or in the map; int64, shape (C,).
    """

    counts: np.ndarray
    unit: str
    number: int
    with_truth: np.ndarray
    with_map: np.ndarray

    @classmethod
    def of(cls, tiles: Tensor, groups: Sequence[Hashable] | None = None) -> "Units":
        """Of the matrices of tiles, (N, C, C), and the scene of each; None: each tile stands for itself."""
        counts = added_up(tiles.cpu(), groups).numpy()
        counts = counts[counts.any(axis=(1, 2))]  # without a labelled pixel they tell nothing
        with_truth, with_map = ((counts.sum(axis=axis) > 0).sum(axis=0) for axis in (2, 1))
        return cls(counts, "tiles" if groups is None else "scenes", len(counts), with_truth, with_map)

    @property
    def total(self) -> np.ndarray:
        """All pixels: rows are the truth, shape (C, C)."""
        return self.counts.sum(axis=0)

    def put_together(self, at_most: int = MOST_UNITS, seed: int = 0) -> "Units":
        """The same pixels in no more than so many matrices, each the sum of units drawn at random.

        Resampled sums scatter as much as before, as long as there are many of them.
        """
        if len(self.counts) <= at_most:
            return self
        parts = np.array_split(np.random.default_rng(seed).permutation(len(self.counts)), at_most)
        counts = np.stack([self.counts[part].sum(axis=0) for part in parts])
        return Units(counts, self.unit, self.number, self.with_truth, self.with_map)
