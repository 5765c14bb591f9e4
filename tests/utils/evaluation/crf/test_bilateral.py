import numpy as np
from scipy.spatial.distance import cdist

from utils.evaluation.crf.bilateral import BilateralFilter


def test_messages_of_successive_mean_fields_agree_with_the_direct_sum():
    rng = np.random.default_rng(0)
    image = np.clip(120 + rng.normal(0, 4, (20, 25, 3)), 0, 255).astype(np.uint8)
    y, x = np.indices((20, 25)) / 10
    features = np.dstack([x, y, image / 3]).reshape(-1, 5)
    kernel = np.exp(-0.5 * cdist(features, features, "sqeuclidean"))
    scale = kernel.sum(axis=1) ** -0.5
    messages = BilateralFilter(image, 10, 3, num_classes=4)
    mean_field = rng.dirichlet(np.ones(4), (20, 25)).transpose(2, 0, 1).astype(np.float32)
    for changed in (1, 0.5, 0.1, 0):  # share of the pixels that have changed; the others move too little to be summed
        moved = rng.random((20, 25)) < changed
        other = rng.dirichlet(np.ones(4), (20, 25)).transpose(2, 0, 1)
        mean_field = np.where(moved, other, mean_field + rng.uniform(-1e-4, 1e-4, mean_field.shape)).astype(np.float32)
        expected = (scale * (kernel @ (scale * mean_field.reshape(4, -1)).T).T).reshape(4, 20, 25)
        np.testing.assert_allclose(messages.update(mean_field), expected, atol=2e-3)


def test_small_changes_are_summed_once_they_have_added_up():
    image = np.full((8, 8, 3), 100, np.uint8)
    messages = BilateralFilter(image, 67, 3, num_classes=2)
    mean_field = np.full((2, 8, 8), 0.5, np.float32)
    first = messages.update(mean_field)
    drift = np.array([4e-4, -4e-4], np.float32)[:, None, None]
    np.testing.assert_array_equal(messages.update(mean_field + drift), first)
    np.testing.assert_array_equal(messages.update(mean_field + 2 * drift), first)
    np.testing.assert_allclose(messages.update(mean_field + 3 * drift), first + 3 * drift, atol=1e-5)
