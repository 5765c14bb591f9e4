import numpy as np
import pytest

from utils.evaluation.crf.clusters import LEAF, find_clusters, leaf_order, padded


@pytest.mark.parametrize("count", [1, 4, 63, 64, 65, 1000, 3136])
def test_leaf_order_is_a_permutation_that_keeps_neighbours_together(count):
    points = np.random.default_rng(0).uniform(size=(count, 2)).astype(np.float32)
    order = leaf_order(points)
    assert sorted(order) == list(range(count))
    leaves = [points[order[first : first + LEAF]] for first in range(0, count, LEAF)]
    assert all(np.prod(np.ptp(leaf, axis=0)) < 3 * LEAF / count for leaf in leaves)  # of area 64 / N each


def test_clusters_are_the_widest_runs_within_the_variance():
    points = np.zeros((2 * LEAF, 2), np.float32)
    points[LEAF:, 0] = np.arange(LEAF) // 8  # eight runs of eight equal points
    clusters = find_clusters(points, np.full(len(points), 0.1))
    assert clusters.sizes.tolist() == [64] + 8 * [8]
    assert clusters.centres[:, 0].tolist() == [0, *range(8)]
    np.testing.assert_array_equal(clusters.offsets, 0)
    np.testing.assert_array_equal(clusters.precision, 1)


def test_centres_offsets_and_precision_describe_the_points():
    points = np.random.default_rng(1).normal(scale=0.1, size=(LEAF, 3)).astype(np.float32)
    clusters = find_clusters(points, np.full(LEAF, 1.0))
    assert clusters.sizes.tolist() == [LEAF]
    np.testing.assert_allclose(clusters.centres, points.mean(axis=0, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(clusters.offsets, points - points.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(clusters.precision, 1 / (1 + points.var(axis=0).mean()), rtol=1e-5)


def test_a_point_that_allows_no_variance_is_not_clustered():
    max_variance = np.full(LEAF, 10.0)
    max_variance[40] = 0
    points = np.random.default_rng(2).uniform(size=(LEAF, 2)).astype(np.float32)
    clusters = find_clusters(points, max_variance)
    cluster_of_40 = np.searchsorted(clusters.starts, 40, side="right") - 1
    assert clusters.sizes[cluster_of_40] == 1
    assert clusters.sizes.max() == 32


def test_leaves_with_many_clusters_are_left_to_single_points():
    points = np.arange(LEAF, dtype=np.float32)[:, None]
    points[:8] = 0  # one cluster of eight and 56 single points
    assert find_clusters(points, np.full(LEAF, 0.01)).sizes.tolist() == LEAF * [1]


def test_padding_repeats_the_last_value_or_adds_zeros():
    values = np.arange(1, 66)
    assert padded(values, "edge").tolist() == [*range(1, 66), *63 * [65]]
    assert padded(values, "constant").tolist() == [*range(1, 66), *63 * [0]]
    assert padded(values[:LEAF], "edge").tolist() == [*range(1, 65)]
