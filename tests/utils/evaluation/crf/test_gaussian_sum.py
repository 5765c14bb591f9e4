import numpy as np
import pytest
from scipy.spatial.distance import cdist

from utils.evaluation.crf.clusters import LEAF, leaf_order
from utils.evaluation.crf.gaussian_sum import GaussianSum, gaussian


def in_leaf_order(points: np.ndarray) -> np.ndarray:
    return points[leaf_order(points)].astype(np.float32)


def kernel_sum(points: np.ndarray, max_variance: float) -> GaussianSum:
    return GaussianSum(points, np.full(len(points), max_variance), np.ones(len(points)))


def direct_sum(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * cdist(points, points, "sqeuclidean")) @ values


@pytest.mark.parametrize("far", [20, 500])
def test_sums_of_single_points_are_exact_near_and_far_from_the_origin(far):
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 3, (1500, 5))
    points[700:] += far  # two groups between which the kernel is negligible
    points = in_leaf_order(points)
    values = rng.random((1500, 2), np.float32)
    np.testing.assert_allclose(kernel_sum(points, 0)(values), direct_sum(points, values), rtol=1e-3)


def test_negligible_blocks_are_left_out():
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 3, (1500, 5))
    points[700:] += 20
    kernel = kernel_sum(in_leaf_order(points), 0)
    (sources,) = kernel._sources(np.ones((24 * LEAF, 1), np.float32))
    assert len(sources.totals) == 24
    bounds = sources.largest_kernel(kernel.points[:LEAF])
    assert 8 < (bounds > 1e-3).sum() < 16
    assert (bounds < 1e-20).sum() > 8


def test_clusters_are_few_and_keep_where_their_values_lie():
    rng = np.random.default_rng(8)
    points = in_leaf_order(rng.uniform(0, 1, (3001, 3)))
    values = np.stack([np.ones(3001), points[:, 0] > 0.5, points[:, 1]], axis=1).astype(np.float32)
    kernel = kernel_sum(points, 0.4)
    assert len(kernel.clusters.starts) < 300
    np.testing.assert_allclose(kernel(values), direct_sum(points, values), rtol=0.005)


@pytest.mark.parametrize("max_variance", [0, 0.4])
def test_few_values_in_many_zeros_are_summed_alone(max_variance):
    rng = np.random.default_rng(3)
    points = in_leaf_order(rng.uniform(0, 1, (1000, 3)))
    values = np.zeros((1000, 2), np.float32)
    values[::211] = rng.random((5, 2))
    kernel = kernel_sum(points, max_variance)
    padded = np.zeros((1024, 2), np.float32)
    padded[:1000] = values
    assert sum(len(sources.totals) for sources in kernel._sources(padded)) == 1
    np.testing.assert_allclose(kernel(values), direct_sum(points, values), rtol=0.03)
    np.testing.assert_array_equal(kernel(np.zeros_like(values)), np.zeros_like(values))


def test_widened_kernel_is_the_mean_over_the_points_of_a_cluster():
    rng = np.random.default_rng(5)
    points = rng.normal(0, np.sqrt(0.1), (200_000, 2))  # variance 0.1 in each feature
    targets = np.array([[0, 0], [0.5, 1]], np.float32)
    expected = np.exp(-0.5 * cdist(targets, points, "sqeuclidean")).mean(axis=1)
    precision = np.full((1, 1), 1 / 1.1, np.float32)
    kernel = gaussian(targets, np.zeros((1, 2, 1), np.float32), precision, out=np.empty((1, 2, 1), np.float32))
    np.testing.assert_allclose(kernel[0, :, 0], expected, rtol=5e-3)
