"""Order of points by a k-d tree, and clusters of consecutive points that are close together."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

LEAF = 64  # points of a leaf; matrix products of this size run in one BLAS thread each, so that the threads are ours

_MIN_CLUSTER = 4  # points; the first moments of a smaller cluster cost more than it saves
_MAX_CLUSTERS = 16  # of a leaf; with more of them, summing its points singly is quicker


def leaf_order(points: np.ndarray) -> np.ndarray:
    """Order of points (N, D) by the leaves of a k-d tree with 64 points each, fewer in the last one only.

    Each box is cut across its longest side; leaves are cut on, in halves, down to the smallest cluster.
    """

    def ordered(index: np.ndarray) -> np.ndarray:
        if len(index) <= _MIN_CLUSTER:
            return index
        unit = LEAF if len(index) > LEAF else _MIN_CLUSTER
        inside = points[index]
        axis = np.ptp(inside, axis=0).argmax()
        half = -(-len(index) // unit) // 2 * unit
        index = index[np.argpartition(inside[:, axis], half)]
        return np.concatenate([ordered(index[:half]), ordered(index[half:])])

    return ordered(np.arange(len(points)))


@dataclass(frozen=True)
class Clusters:
    """Runs of consecutive points, many of them of one point only.

    Attributes:
        starts: number of the first point of each, shape (M,).
        sizes: number of points of each, shape (M,).
        centres: means of their points, shape (M, D).
        offsets: of each point from the centre of its cluster, shape (N, D).
        precision: 1 / (1 + variance), shape (M,): inverse variance of the kernel once it is widened by the variance of
            the points, taken as equal in all features; 1 for a single point.
    """

    starts: np.ndarray
    sizes: np.ndarray
    centres: np.ndarray
    offsets: np.ndarray
    precision: np.ndarray

    def moments(self, values: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Sums of values, and of values times the offsets of their points, over some of the clusters.

        Args:
            values: at each point, shape (N, C).
            chosen: numbers of the clusters, shape (K,), in ascending order: either single points or none.

        Returns:
            Sums, shape (K, C), and first moments, shape (K, D, C); None for single points, whose offsets are 0.
        """
        sizes = self.sizes[chosen]
        if sizes.max() == 1:
            return values[self.starts[chosen]], None
        is_chosen = np.zeros(len(self.starts), bool)
        is_chosen[chosen] = True
        inside = is_chosen.repeat(self.sizes)
        values, starts = values[inside], np.cumsum(sizes) - sizes
        return np.add.reduceat(values, starts), np.add.reduceat(self.offsets[inside, :, None] * values[:, None], starts)


def find_clusters(points: np.ndarray, max_variance: np.ndarray) -> Clusters:
    """The largest halves, quarters … of leaves that are narrow enough, else single points.

    Args:
        points: shape (N, D), in `leaf_order`, N a multiple of 64.
        max_variance: largest variance, summed over the features, of a cluster that holds the point, shape (N,).
    """
    is_start = np.ones(len(points), bool)
    size = _MIN_CLUSTER
    while size <= LEAF:
        variance = points.reshape(-1, size, points.shape[1]).var(axis=1).sum(axis=1)
        is_narrow = variance <= max_variance.reshape(-1, size).min(axis=1)
        is_start.reshape(-1, size)[is_narrow, 1:] = False
        size *= 2
    by_leaf = is_start.reshape(-1, LEAF)
    by_leaf[by_leaf.sum(axis=1) > _MAX_CLUSTERS] = True
    starts = np.flatnonzero(is_start)
    sizes = np.diff(starts, append=len(points))
    centres = np.add.reduceat(points.astype(np.float64), starts) / sizes[:, None]
    offsets = (points - centres.repeat(sizes, axis=0)).astype(np.float32)
    variance = np.add.reduceat(np.square(offsets).mean(axis=1), starts) / sizes
    return Clusters(starts, sizes, centres.astype(np.float32), offsets, (1 / (1 + variance)).astype(np.float32))


def padded(values: np.ndarray, mode: Literal["edge", "constant"]) -> np.ndarray:
    """Values (N, ...) filled up to a multiple of 64, with zeros ("constant") or copies of the last one ("edge")."""
    padding = [(0, -len(values) % LEAF)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, padding, mode=mode)
