"""Percentile bootstrap intervals for mean IoU and for scores of classes (Efron and Tibshirani 1993, chapter 13)."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.evaluation.metric import CLASS_SCORES, class_ratios

LEVEL = 0.95
FEWEST_UNITS = 50  # below, percentiles of resampled means are too narrow to be believed
FEWEST_UNITS_OF_A_CLASS = 30  # that hold it: simulated intervals then cover the truth in 91 %, with 10 in 80 %
_DRAWS_AT_A_TIME = 2_000_000  # resampled units, 8 bytes each
_SUMS_AT_A_TIME = 8_000_000  # numbers that they add up to, likewise
Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval for mean IoU.

    Attributes:
        low, high: its ends as fractions; None where there are too few units or no labelled pixel.
        units: how many were resampled.
        unit: what they are, "scenes" or "tiles".
    """

    low: float | None
    high: float | None
    units: int
    unit: str

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            unit = self.unit.removesuffix("s") if self.units == 1 else self.unit
            return f"too few for an interval ({self.units} {unit}, {FEWEST_UNITS} are needed)"
        return f"95 % interval {self.low:.3f} to {self.high:.3f} over {self.units} {self.unit}"

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"level": LEVEL, "low": self.low, "high": self.high, "units": self.units, "unit": self.unit}


def mean_iou_interval(
    tiles: Tensor, groups: Sequence[Hashable] | None = None, resamples: int = 1000, seed: int = 0
) -> Interval:
    """How far mean IoU would scatter if other tiles, or other scenes, had been drawn.

    Whole units are drawn with replacement, for the pixels of a tile and the tiles of a scene are alike. The mean is
    over the classes in the truth of all tiles, whichever a resample holds; a class that a resample neither holds nor
    predicts is left out of its mean.

    Args:
        tiles: confusion matrices, shape (N, C, C), rows are the truth.
        groups: the scene of each tile; None: each tile stands for itself.
        resamples: how many to draw.
        seed: of the drawing.
    """
    sums = unit_sums(tiles, groups)
    unit = "tiles" if groups is None else "scenes"
    present = sums[:, 1].sum(axis=0) > 0
    if len(sums) < FEWEST_UNITS or not present.any():
        return Interval(None, None, len(sums), unit)
    scores = resampled_mean_iou(sums[:, :, present], resamples, np.random.default_rng(seed))
    low, high = ends_of(scores)
    return Interval(float(low), float(high), len(sums), unit)


def class_intervals(
    tiles: Tensor, groups: Sequence[Hashable] | None = None, resamples: int = 1000, seed: int = 0
) -> dict[str, list[Ends]]:
    """How far the scores of each class would scatter, from the same resamples as `mean_iou_interval`.

    A resample in which a score is not defined, such as one without the class, is left out.

    Args:
        tiles, groups, resamples, seed: as of `mean_iou_interval`.

    Returns:
        By name of the score (`CLASS_SCORES`) the 95 % interval of each class as fractions; (None, None) for all where
        there are fewer than `FEWEST_UNITS`, and for a class that fewer than `FEWEST_UNITS_OF_A_CLASS` of them hold.
    """
    sums = unit_sums(tiles, groups)
    known = np.flatnonzero((sums[:, 1] > 0).sum(axis=0) >= FEWEST_UNITS_OF_A_CLASS)
    intervals: dict[str, list[Ends]] = {name: [(None, None)] * sums.shape[2] for name in CLASS_SCORES}
    if len(sums) < FEWEST_UNITS or not len(known):
        return intervals
    drawn = np.concatenate([*resampled_sums(sums[:, :, known], resamples, np.random.default_rng(seed))])
    for name, (part, whole) in class_ratios(*drawn.transpose(1, 0, 2)).items():
        scores = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
        for column in np.flatnonzero(np.isfinite(scores).any(axis=0)):  # else: never predicted, no user's accuracy
            low, high = ends_of(scores[:, column])
            intervals[name][known[column]] = (float(low), float(high))
    return intervals


def ends_of(scores: np.ndarray) -> np.ndarray:
    """Both ends of the middle 95 % of resampled scores, shape (resamples, ...) -> (2, ...)."""
    tail = 50 * (1 - LEVEL)
    return np.nanpercentile(scores, [tail, 100 - tail], axis=0)


def unit_sums(tiles: Tensor, groups: Sequence[Hashable] | None = None) -> np.ndarray:
    """Pixels of each class that a unit has right, in the truth, and predicted: float64, shape (U, 3, C)."""
    counts = tiles.cpu().to(torch.int64)
    sums = torch.stack([counts.diagonal(dim1=1, dim2=2), counts.sum(dim=2), counts.sum(dim=1)], dim=1)
    return added_up(sums, groups).numpy()


def added_up(of_tiles: Tensor, groups: Sequence[Hashable] | None = None) -> Tensor:
    """What tiles hold, (N, ...), added up over those of a group, in the order in which groups occur: float64."""
    values = of_tiles.double()
    if groups is None:
        return values
    order = {group: row for row, group in enumerate(dict.fromkeys(groups))}
    rows = torch.tensor([order[group] for group in groups], dtype=torch.int64)
    return torch.zeros(len(order), *values.shape[1:], dtype=values.dtype).index_add_(0, rows, values)


def resampled_mean_iou(sums: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Mean IoU of each resample, shape (resamples,).

    Args:
        sums: as of `unit_sums`, the classes that count alone, shape (U, 3, C).
        resamples: how many to draw.
        rng: of the drawing.
    """
    scores = []
    for drawn in resampled_sums(sums, resamples, rng):
        right, truth, predicted = drawn.transpose(1, 0, 2)
        union = truth + predicted - right
        iou = np.divide(right, union, out=np.full_like(right, np.nan), where=union > 0)
        with_any = (union > 0).any(axis=1)
        scores.append(np.where(with_any, np.nansum(iou, axis=1) / np.maximum(1, (union > 0).sum(axis=1)), np.nan))
    return np.concatenate(scores)


def resampled_sums(sums: np.ndarray, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The sums of as many units as there are, drawn with replacement: shapes (some resamples, ...).

    Args:
        sums: of each unit, shape (U, ...).
        resamples, rng: as of `resampled_mean_iou`.
    """
    units = len(sums)
    flat = sums.reshape(units, -1)
    rows = max(1, min(_DRAWS_AT_A_TIME // units, _SUMS_AT_A_TIME // flat.shape[1]))
    for start in range(0, resamples, rows):
        number = min(rows, resamples - start)
        drawn = rng.integers(units, size=(number, units)) + units * np.arange(number)[:, None]
        times = np.bincount(drawn.ravel(), minlength=number * units).reshape(number, units)
        yield (times @ flat).reshape(number, *sums.shape[1:])
