"""VICReg (Bardes, Ponce and LeCun, ICLR 2022): two views of a tile are embedded alike, tiles differently.

Three terms on embeddings of two views: their distance (invariance), a hinge that keeps the deviation of each dimension
over the batch above 1 (variance), and the correlations of dimensions (covariance). No negatives, no queue, no second
network: it works with batches of 32 to 64 tiles.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0  # weights of the terms, as published
_SMALL = 1e-4  # below the root, so that it has a slope at 0


class VICRegTerms(NamedTuple):
    """The terms without their weights, scalars."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor

    @property
    def loss(self) -> Tensor:
        """Their weighted sum."""
        return INVARIANCE * self.invariance + VARIANCE * self.variance + COVARIANCE * self.covariance


def vicreg(first: Tensor, second: Tensor) -> VICRegTerms:
    """The terms of a batch, as the published code has them: the hinge is the mean of both views.

    Args:
        first, second: embeddings of two views of the same N tiles, float32, shape (N, D) each, N >= 2.
    """
    views = (first, second)
    hinges = torch.stack([F.relu(1 - (view.var(dim=0) + _SMALL).sqrt()).mean() for view in views])
    covariances = torch.stack([_off_diagonal_squares(_covariance(view)) for view in views])
    return VICRegTerms(F.mse_loss(first, second), hinges.mean(), covariances.sum())


def _covariance(view: Tensor) -> Tensor:
    """Covariance of the dimensions of (N, D); torch.cov waits for the device."""
    centred = view - view.mean(dim=0)
    return centred.T @ centred / (len(view) - 1)


def _off_diagonal_squares(covariance: Tensor) -> Tensor:
    """Sum of the squares beside the diagonal over the number of dimensions D; of a matrix (D, D)."""
    squares = covariance.square()
    return (squares.sum() - squares.diagonal().sum()) / len(covariance)
