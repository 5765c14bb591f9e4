"""Segmentation scores from confusion matrices: of everything together, or of each tile."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from utils.imagery.labels import IGNORE_INDEX

CLASS_SCORES = ("iou", "producers_accuracy", "users_accuracy", "f1")
Counts = TypeVar("Counts", Tensor, np.ndarray)


class ConfusionMatrix:
    """Counts of (true class, predicted class) over pixels, kept on the device.

    Args:
        num_classes: C; `counts` is int64 of shape (C, C), rows are the truth.
        device: where the maps are.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_classes = num_classes
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    def update(self, truth: Tensor, prediction: Tensor, ignore_index: int = IGNORE_INDEX) -> None:
        """Add the pixels of maps of any equal shape; pixels whose truth is `ignore_index` do not count."""
        self.counts += _counted(truth[None], prediction[None], self.num_classes, ignore_index)[0]

    def scores(self) -> "Scores":
        """The scores of everything added so far."""
        return Scores.of(self.counts.cpu())


class TileMatrices:
    """A confusion matrix for each tile, kept on the device: 4·C² bytes a tile, 1.3 kB for 18 classes.

    Args:
        num_classes: C.
        device: where the maps are.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_classes, self.device = num_classes, torch.device(device)
        self._parts = [torch.zeros(0, num_classes, num_classes, dtype=torch.int32, device=device)]

    def update(self, truth: Tensor, prediction: Tensor, ignore_index: int = IGNORE_INDEX) -> None:
        """Add tiles: class maps of shape (B, H, W); pixels whose truth is `ignore_index` do not count."""
        self._parts.append(_counted(truth, prediction, self.num_classes, ignore_index).to(torch.int32))

    def add(self, tile: ConfusionMatrix) -> None:
        """Add one tile, counted part by part."""
        self._parts.append(tile.counts[None].to(self.device, torch.int32))

    @property
    def tiles(self) -> Tensor:
        """The tiles' matrices in the order of their adding, int32, shape (N, C, C), rows are the truth."""
        self._parts = [torch.cat(self._parts)]
        return self._parts[0]

    @property
    def counts(self) -> Tensor:
        """Their sum, int64, shape (C, C)."""
        return self.tiles.sum(dim=0, dtype=torch.int64)

    def scores(self) -> "Scores":
        """The scores of all tiles together."""
        return Scores.of(self.counts.cpu())


def _counted(truth: Tensor, prediction: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """A confusion matrix for each of B pairs of maps (B, ...), int64, shape (B, C, C).

    Pixels to ignore go to a bin of their own, the first, so that ids beyond C have none. Unlike `bincount` and indexing
    by a mask, this reads nothing on the host, which would wait for the device.
    """
    bins = (truth.long() * num_classes + prediction + 1).masked_fill(truth == ignore_index, 0).flatten(1)
    counts = bins.new_zeros(len(bins), num_classes**2 + 1).scatter_add_(1, bins, torch.ones_like(bins))
    return counts[:, 1:].unflatten(1, (num_classes, num_classes))


@dataclass(frozen=True)
class Scores:
    """Scores as fractions; None where nothing was counted.

    Attributes:
        pixel_accuracy: share of pixels predicted right.
        mean_accuracy: mean over classes in the truth of the share of their pixels predicted right.
        frequency_weighted_iou: IoU weighted by each class's share of the truth.
        mean_iou: mean IoU over classes present in the truth.
        class_iou: IoU of each class; None for a class that is not in the truth.
        class_pixels: pixels of each class in the truth.
        class_producers_accuracy: of each class, the share of its true pixels that are predicted as it (recall); None
            for a class that is not in the truth.
        class_users_accuracy: of each class, the share of the pixels predicted as it that are right (precision); None
            for a class that is never predicted, 0 for one that is predicted and not in the truth.
        class_f1: harmonic mean of both (Dice); None for a class that is not in the truth.
    """

    pixel_accuracy: float | None
    mean_accuracy: float | None
    frequency_weighted_iou: float | None
    mean_iou: float | None
    class_iou: tuple[float | None, ...]
    class_pixels: tuple[int, ...]
    class_producers_accuracy: tuple[float | None, ...]
    class_users_accuracy: tuple[float | None, ...]
    class_f1: tuple[float | None, ...]

    @classmethod
    def of(cls, counts: Tensor) -> "Scores":
        """The scores of a confusion matrix, shape (C, C), rows are the truth."""
        counts = counts.double()
        right, truth, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
        present = truth > 0
        pixels = tuple(int(n) for n in truth.tolist())
        absent = (None,) * len(counts)
        if not present.any():
            return cls(None, None, None, None, absent, pixels, absent, absent, absent)
        ratios = class_ratios(right, truth, predicted)
        iou, producers, users, f1 = (part / whole for part, whole in (ratios[name] for name in CLASS_SCORES))
        return cls(
            pixel_accuracy=float(right.sum() / counts.sum()),
            mean_accuracy=float((right[present] / truth[present]).mean()),
            frequency_weighted_iou=float((truth[present] * iou[present]).sum() / counts.sum()),
            mean_iou=float(iou[present].mean()),
            class_iou=_where(present, iou),
            class_pixels=pixels,
            class_producers_accuracy=_where(present, producers),
            class_users_accuracy=_where(predicted > 0, users),
            class_f1=_where(present, f1),
        )

    def of_classes(self) -> dict[str, tuple[float | None, ...]]:
        """What is scored for each class, under the names of `CLASS_SCORES`."""
        values = (self.class_iou, self.class_producers_accuracy, self.class_users_accuracy, self.class_f1)
        return dict(zip(CLASS_SCORES, values, strict=True))

    def published(self) -> dict[str, Any]:
        """The scores under the keys of the published `best_scores_<step>.json`."""
        return {
            "Pixel Accuracy": self.pixel_accuracy,
            "Mean Accuracy": self.mean_accuracy,
            "Frequency Weighted IoU": self.frequency_weighted_iou,
            "Mean IoU": self.mean_iou,
            "Class IoU": {str(index): iou for index, iou in enumerate(self.class_iou)},
        }


def _where(known: Tensor, values: Tensor) -> tuple[float | None, ...]:
    return tuple(float(value) if k else None for k, value in zip(known, values, strict=True))


def class_ratios(right: Counts, truth: Counts, predicted: Counts) -> dict[str, tuple[Counts, Counts]]:
    """The scores of classes as numerators and denominators, under the names of `CLASS_SCORES`.

    Producer's and user's accuracy are those of accuracy assessment in remote sensing (Congalton, 1991).

    Args:
        right: pixels of each class that are predicted right, shape (..., C).
        truth: pixels of each class in the truth.
        predicted: pixels predicted as each class.
    """
    return {
        "iou": (right, truth + predicted - right),
        "producers_accuracy": (right, truth),
        "users_accuracy": (right, predicted),
        "f1": (2 * right, truth + predicted),
    }


def fraction(value: float | None, digits: int = 3) -> str:
    """A score as text; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def tile_mean_iou(tiles: Tensor) -> Tensor:
    """Mean IoU of each tile over the classes in its truth.

    Args:
        tiles: confusion matrices, shape (N, C, C), rows are the truth.

    Returns:
        Fractions, float64, shape (N,); NaN for a tile without a labelled pixel.
    """
    counts = tiles.double()
    right, truth, predicted = counts.diagonal(dim1=1, dim2=2), counts.sum(dim=2), counts.sum(dim=1)
    iou = right / (truth + predicted - right)
    return iou.where(truth > 0, torch.nan).nanmean(dim=1)
