"""Temperature scaling: one number that makes a network's probabilities as sure as it is right (Guo et al. 2017).

"On calibration of modern neural networks", ICML 2017, section 4.2: logits are divided by a temperature T, which is
found by maximum likelihood on held-out data. Of probabilities that is p^(1/T), normalised; it changes no pixel's
likeliest class, and works on probabilities that were averaged over views or blended over windows too.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Probabilities = TypeVar("Probabilities", Tensor, np.ndarray)

LOWEST, HIGHEST = 0.05, 20.0  # temperatures; a fit beyond them has next to no errors, or next to no hits, to go by
_CLOSE = 1e-6  # relative change of the inverse temperature at which the fit ends
_TINY = 1e-30  # a probability of 0 in float32 is taken for this; no sum of probabilities is smaller
_FLAT = 1e-12  # curvature for each pixel's weight
_AT_ONCE = 100_000  # pixels


def tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Probabilities at a temperature: p^(1/T), normalised over the classes.

    Args:
        probabilities: classes first, in [0, 1], shape (C, ...), of NumPy or torch.
        temperature: above 0; above 1 makes the network less sure, 1 changes nothing.
    """
    if temperature == 1:
        return probabilities
    if isinstance(probabilities, Tensor):
        largest = probabilities.amax(dim=0, keepdim=True).clamp_min(_TINY)
        powers = (probabilities / largest) ** (1 / temperature)  # of small ones alone nothing would be left
        return powers / powers.sum(dim=0, keepdim=True).clamp_min(_TINY)
    largest_value = np.maximum(probabilities.max(axis=0, keepdims=True), _TINY)
    raised = (probabilities / largest_value) ** (1 / temperature)
    return raised / np.maximum(raised.sum(axis=0, keepdims=True), _TINY)


def fit_temperature(probabilities: Tensor, labels: Tensor, weights: Tensor) -> float:
    """The temperature under which the labels are likeliest: the minimum of the weighted negative log-likelihood.

    It is convex in 1/T, so that Newton's method finds it; steps out of bounds are halved.

    Args:
        probabilities: of pixels, shape (P, C).
        labels: their classes, int64, shape (P,).
        weights: of each, 0 or more, one above 0; shape (P,).
    """
    low, high, inverse = 1 / HIGHEST, 1 / LOWEST, 1.0
    for _ in range(100):
        slope, curvature = _slope(probabilities, labels, weights, inverse)
        if curvature <= _FLAT * float(weights.sum()):  # all classes are equally likely: no temperature changes that
            break
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        moved = inverse - slope / curvature
        if not low < moved < high:
            moved = (low + high) / 2
        if abs(moved - inverse) <= _CLOSE * inverse:
            break
        inverse = moved
    return 1 / inverse


def _slope(probabilities: Tensor, labels: Tensor, weights: Tensor, inverse: float) -> tuple[float, float]:
    """First and second derivative of the negative log-likelihood by 1/T, float64."""
    slope = curvature = 0.0
    for part in range(0, len(labels), _AT_ONCE):
        rows = slice(part, part + _AT_ONCE)
        logs, weight = probabilities[rows].double().clamp_min(_TINY).log(), weights[rows].double()
        expected = torch.softmax(inverse * logs, dim=1)
        mean = (expected * logs).sum(dim=1)
        own = logs.gather(1, labels[rows, None])[:, 0]
        slope += float((weight * (mean - own)).sum())
        curvature += float((weight * (expected * (logs - mean[:, None]) ** 2).sum(dim=1)).sum())
    return slope, curvature


def negative_log_likelihood(probabilities: Tensor, labels: Tensor, weights: Tensor) -> float:
    """Weighted mean over pixels; arguments as of `fit_temperature`."""
    own = probabilities.gather(1, labels[:, None])[:, 0].double().clamp_min(_TINY)
    return float((weights.double() * -own.log()).sum() / weights.double().sum())
