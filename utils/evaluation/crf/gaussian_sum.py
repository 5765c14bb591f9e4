"""Gaussian kernel sums over many points: sum_j exp(-|x_i - x_j|² / 2) v_j at every point x_i.

The points i at which the sum is wanted are called targets, the points j that contribute to it sources. Three steps
keep the number of kernel values far below N²:

1. The points are sorted by a k-d tree, so that consecutive points are close together.
2. Where 4 to 64 consecutive sources have a small variance, a cluster replaces them: its centre, the sum of their values
   and their first moments. The kernel is expanded to first order around the centre and widened by the variance, so the
   error is of second order in the distance of a point from its centre. Targets are not clustered.
3. A block of sources is left out where the bounding boxes say that its kernel values are negligible.

Sources whose values are all zero cost nothing.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from utils.compute.machine import usable_cores
from utils.evaluation.crf.clusters import LEAF, Clusters, find_clusters, padded

_ALWAYS_SUMMED = 0.05  # a block of sources is kept if one of its kernel values may reach this
_NEGLIGIBLE = 32.0  # and if one, normalised, may reach this over N; `GaussianSum` says what is lost
_GROUP = 4 * LEAF  # targets that share one choice of blocks: fewer make tighter boxes, more make larger products
_CHUNK = 64  # blocks multiplied at once: 4 MB of kernel values for each thread
_FAR = 32  # coordinates beyond it are squared in double precision
_MIN_EXPONENT = -80  # e^-80 counts for nothing; below e^-87, outside float32's normal range, exp is many times slower


class GaussianSum:
    """Sum over all points j of exp(-|x_i - x_j|² / 2) v_j, at each point i.

    A block of sources is left out of the sums of a group of targets if all its kernel values are below 0.05 and,
    divided by sqrt(D_i D_j), below 32 / N, where D is the kernel's sum. Both bounds hold every source for as near as
    the two bounding boxes are, so much less is lost: on ten images of 256×256, D was off by at most 2.3 %, and
    where no clusters form by at most 1.1 %.

    Args:
        points: x, shape (N, D), float32, in `leaf_order`.
        max_variance: largest variance, summed over the features, of a cluster that holds the point, shape (N,).
        mass: the kernel's sum D at each point, shape (N,), estimated or a lower bound: 1, of the point itself, is one.
    """

    def __init__(self, points: np.ndarray, max_variance: np.ndarray, mass: np.ndarray) -> None:
        self.num_points = len(points)
        self.points = padded(points, mode="edge")
        self.mass = padded(mass, mode="edge")
        self.clusters = find_clusters(self.points, padded(max_variance, mode="edge"))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Sums, shape (N, C), for values v of shape (N, C), both float32, both in the order of the points."""
        sources = self._sources(padded(values, mode="constant"))
        with ThreadPoolExecutor(usable_cores()) as pool:  # more would push one another out of the caches
            groups = range(0, len(self.points), _GROUP)
            sums = list(pool.map(lambda first: self._sums_at(first, sources, values.shape[1]), groups))
        return np.concatenate(sums)[: self.num_points]

    def _sources(self, values: np.ndarray) -> list["_Sources"]:
        """The sources that carry a value: single points, which need no moments, apart from clusters."""
        clusters = self.clusters
        mass = np.minimum.reduceat(self.mass, clusters.starts)
        carries = np.logical_or.reduceat(values.any(axis=1), clusters.starts)
        is_single = clusters.sizes == 1
        kinds = [carries & is_single, carries & ~is_single]
        return [_Sources.of(clusters, np.flatnonzero(kind), mass, values) for kind in kinds if kind.any()]

    def _sums_at(self, first: int, kinds: list["_Sources"], num_values: int) -> np.ndarray:
        """Sums at a group of targets, shape (T, C), given the number of the first one and C."""
        group = slice(first, first + _GROUP)
        points = self.points[group]
        negligible = _NEGLIGIBLE / self.num_points * np.sqrt(self.mass[group].min())
        centre = points.mean(axis=0)  # |t|² - 2ts + |s|² loses digits far from the origin
        targets = points - centre
        sums = np.zeros((len(targets), num_values), np.float32)
        buffer = np.empty((_CHUNK, len(targets), LEAF), np.float32)
        for sources in kinds:
            bound = sources.largest_kernel(points)
            near = np.flatnonzero(bound >= np.minimum(_ALWAYS_SUMMED, negligible * np.sqrt(sources.mass)))
            for start in range(0, len(near), _CHUNK):
                sums += sources.sums(targets, centre, near[start : start + _CHUNK], buffer)
        return sums


@dataclass(frozen=True)
class _Sources:
    """Clusters that carry values, in blocks of S = 64; copies of the last one, with values 0, fill up the last block.

    Attributes:
        positions: centres, shape (B, D, S).
        precision: of the kernel around each, shape (B, S).
        low, high: corners of each block's bounding box, shape (B, D).
        mass: smallest kernel sum in each block, shape (B,).
        totals: sums of the values of each cluster, shape (B, S, C).
        moments: sums of value times offset from the centre times precision, shape (B, S, D, C); None for single points.
    """

    positions: np.ndarray
    precision: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mass: np.ndarray
    totals: np.ndarray
    moments: np.ndarray | None

    @classmethod
    def of(cls, clusters: Clusters, chosen: np.ndarray, mass: np.ndarray, values: np.ndarray) -> "_Sources":
        """Sources of some of the clusters, either single points or none.

        Args:
            clusters: M clusters of N points.
            chosen: numbers of the clusters, shape (K,), K > 0.
            mass: smallest kernel sum in each cluster, shape (M,).
            values: v at each point, shape (N, C).
        """

        def blocks(values: np.ndarray, mode: Literal["edge", "constant"] = "edge") -> np.ndarray:
            return padded(values, mode).reshape(-1, LEAF, *values.shape[1:])

        centres, precision = blocks(clusters.centres[chosen]), blocks(clusters.precision[chosen])
        totals, moments = clusters.moments(values, chosen)
        if moments is not None:
            moments = blocks(moments, mode="constant") * precision[:, :, None, None]
        return cls(
            positions=np.ascontiguousarray(centres.swapaxes(1, 2)),
            precision=precision,
            low=centres.min(axis=1),
            high=centres.max(axis=1),
            mass=blocks(mass[chosen]).min(axis=1),
            totals=blocks(totals, mode="constant"),
            moments=moments,
        )

    def largest_kernel(self, targets: np.ndarray) -> np.ndarray:
        """Upper bound of the kernel between any of the targets, (T, D), and any source of each block, shape (B,)."""
        gap = np.maximum(self.low - targets.max(axis=0), targets.min(axis=0) - self.high).clip(min=0)
        return np.exp(-0.5 * np.square(gap).sum(axis=1))

    def sums(self, targets: np.ndarray, centre: np.ndarray, near: np.ndarray, buffer: np.ndarray) -> np.ndarray:
        """Sums over the blocks numbered `near`, shape (T, C), at targets t, given as t - centre, shape (T, D).

        Clusters add k(t, s) (sum of v + precision (t - s) · sum of offset v), the Taylor expansion in the offsets.
        """
        s = self.positions[near] - centre[:, None]
        kernel = gaussian(targets, s, self.precision[near], out=buffer[: len(near)])
        totals = self.totals[near]
        if self.moments is None:
            return (kernel @ totals).sum(axis=0)
        moments = self.moments[near]
        constant = totals - (s.swapaxes(1, 2)[..., None] * moments).sum(axis=2)
        terms = np.concatenate([constant[:, :, None], moments], axis=2)  # (B, S, 1 + D, C), in powers of t
        sums = (kernel @ terms.reshape(*totals.shape[:2], -1)).sum(axis=0).reshape(len(targets), *terms.shape[2:])
        return sums[:, 0] + (targets[..., None] * sums[:, 1:]).sum(axis=1)


def gaussian(targets: np.ndarray, sources: np.ndarray, precision: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Kernel between targets and sources, widened to the precision of each source.

    Args:
        targets: t, shape (T, D), near the origin.
        sources: s, in blocks, shape (B, D, S).
        precision: p, shape (B, S).
        out: takes the result.

    Returns:
        p^(D/2) exp(-p |t - s|² / 2), shape (B, T, S), float32: for p < 1 the mean of the kernel over a normal
        distribution of sources around s.
    """
    t, s, p = targets, sources, precision[:, None]
    if np.abs(t).max() > _FAR:
        t, s = t.astype(np.float64), s.astype(np.float64)
    t = np.hstack([t, -0.5 * np.square(t).sum(axis=1, keepdims=True), np.ones_like(t[:, :1])])
    constant = 0.5 * (s.shape[1] * np.log(p) - p * np.square(s).sum(axis=1, keepdims=True))
    s = np.hstack([p * s, p.astype(s.dtype), constant])
    exponents = np.matmul(t, s, out=out)
    np.clip(exponents, _MIN_EXPONENT, 0, out=exponents)
    return np.exp(exponents, out=exponents)
