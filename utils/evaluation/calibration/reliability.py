"""How often a network is right where it is so sure: the reliability curve and the expected calibration error."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True)
class Reliability:
    """Pixels in bins of equal width by their confidence, the probability of their likeliest class.

    Attributes:
        share: of the pixels, by bin; they add up to 1.
        confidence: its mean in each bin; None where no pixel is.
        accuracy: share of a bin's pixels whose likeliest class is right; None where no pixel is.
    """

    share: tuple[float, ...]
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]

    @classmethod
    def of(cls, probabilities: Tensor, labels: Tensor, weights: Tensor) -> "Reliability":
        """Of pixels (P, C), their classes (P,), int64, and their weights (P,), one of them above 0.

        The bin m of M holds confidences in ((m - 1)/M, m/M].
        """
        confidence, predicted = probabilities.max(dim=1)
        bins = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
        sums = torch.zeros(3, BINS, dtype=torch.float64)
        weight = weights.double()
        for row, value in zip(sums, (weight, weight * confidence, weight * (predicted == labels)), strict=True):
            row.index_add_(0, bins, value)
        whole, sure, right = sums
        filled = (whole > 0).tolist()
        means = [
            tuple(
                value if is_filled else None for value, is_filled in zip((part / whole).tolist(), filled, strict=True)
            )
            for part in (sure, right)
        ]
        return cls(tuple((whole / whole.sum()).tolist()), means[0], means[1])

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence| over bins, weighted by their share.

        Guo et al. 2017, equation 3 (Naeini et al. 2015), with M = 15 bins of equal width; 0 for a network that is
        right as often as it says.
        """
        filled = [row for row in zip(self.share, self.confidence, self.accuracy, strict=True) if row[1] is not None]
        return sum(share * abs((right or 0.0) - (sure or 0.0)) for share, sure, right in filled)

    @property
    def mean_confidence(self) -> float:
        """Over all pixels."""
        return sum(share * (sure or 0.0) for share, sure in zip(self.share, self.confidence, strict=True))

    @property
    def overall_accuracy(self) -> float:
        """Share of all pixels whose likeliest class is right."""
        return sum(share * (right or 0.0) for share, right in zip(self.share, self.accuracy, strict=True))

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "expected_calibration_error": self.error,
            "mean_confidence": self.mean_confidence,
            "share": list(self.share),
            "confidence": list(self.confidence),
            "accuracy": list(self.accuracy),
        }
