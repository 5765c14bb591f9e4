"""Error-adjusted areas: how much of each class there is, from a map and its confusion with the truth.

A map's own areas are biased: what it confuses is counted in the wrong class. Knowing what each mapped class is in
truth, on a part of the map, corrects the areas of the whole (Olofsson et al. 2014, "Good practices for estimating area
and assessing accuracy of land change", Remote Sensing of Environment 148; equations below have the paper's numbers).
"""

from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054  # of a normal distribution, for 95 %; the paper rounds it to 1.96


@dataclass(frozen=True)
class Adjusted:
    """Estimates of a stratified sample whose strata are the classes of the map; all are fractions, NaN where undefined.

    Attributes:
        shares: of each class in truth, shape (..., C).
        overall: share of the area that is mapped right, shape (...).
        users: of the area mapped as each class, the share that is right, shape (..., C).
        producers: of the true area of each class, the share that is mapped as it, shape (..., C).
    """

    shares: np.ndarray
    overall: np.ndarray
    users: np.ndarray
    producers: np.ndarray


def adjusted(counts: np.ndarray, weights: np.ndarray) -> Adjusted:
    """Adjusted shares and accuracies (equations 1 to 4 and 9).

    Args:
        counts: confusion matrices, rows are the mapped class and columns the true one, shape (..., C, C). Where a class
            is mapped and its row is empty, nothing tells what it is in truth, and all estimates are NaN.
        weights: share of the whole map that each class has, adding up to 1, shape (C,).
    """
    proportions = weights[:, None] * row_shares(counts)
    proportions = np.where(weights[:, None] > 0, proportions, 0.0)
    right = np.diagonal(proportions, axis1=-2, axis2=-1)
    shares = proportions.sum(axis=-2)
    users = np.diagonal(row_shares(counts), axis1=-2, axis2=-1)
    producers = np.divide(right, shares, out=np.full_like(shares, np.nan), where=shares > 0)
    return Adjusted(shares, right.sum(axis=-1), users, producers)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """What each mapped class is in truth: rows that add up to 1, or of NaN where nothing was mapped as the class."""
    totals = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def standard_errors_of_points(counts: np.ndarray, weights: np.ndarray) -> Adjusted:
    """Standard errors of `adjusted` where the reference is a random sample of points in each mapped class.

    Equations 5, 6, 7 and 10. They take the points as independent, which pixels of tiles are not: neighbours are alike,
    and errors come out far too small. For whole tiles use `utils.evaluation.areas.resampled`.

    Args:
        counts: points, rows are the mapped class and columns the true one, shape (C, C); a class that is mapped needs
            two at least, else the errors are NaN.
        weights: as of `adjusted`.
    """
    estimates, conditional = adjusted(counts, weights), row_shares(counts)
    points = counts.sum(axis=1)
    of_mean = np.divide(1.0, points - 1, out=np.full(len(points), np.nan), where=points > 1)
    variances = conditional * (1 - conditional) * of_mean[:, None]  # of each share of a row
    weighted = np.where(weights[:, None] > 0, weights[:, None] ** 2 * variances, 0.0)
    own, producers = np.diagonal(weighted), estimates.producers
    others = weighted.sum(axis=0) - own
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN for a class that is nowhere in truth
        of_producers = ((1 - producers) ** 2 * own + producers**2 * others) / estimates.shares**2
    return Adjusted(
        np.sqrt(weighted.sum(axis=0)), np.sqrt(own.sum()), np.sqrt(np.diagonal(variances)), np.sqrt(of_producers)
    )
