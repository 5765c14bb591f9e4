import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from scipy.special import softmax

from utils.errors import DataError, OptionError
from utils.evaluation.crf.mean_field import dense_crf
from utils.evaluation.settings import CRFSettings

SIZE = 24
SETTINGS = {
    "defaults": CRFSettings(),
    "wide colours": CRFSettings(bilateral_sigma_xy=80, bilateral_sigma_rgb=13, bilateral_weight=10),
    "short reach": CRFSettings(gaussian_sigma=2.5, bilateral_sigma_xy=3, bilateral_sigma_rgb=8, iterations=5),
    "narrow colours": CRFSettings(bilateral_sigma_rgb=0.5),
}


def dense_crf_direct(probabilities: np.ndarray, image: np.ndarray, settings: CRFSettings) -> np.ndarray:
    """The same mean field with all N x N kernel values in double precision."""

    def normalised_kernel(features: np.ndarray) -> np.ndarray:
        kernel = np.exp(-0.5 * cdist(features, features, "sqeuclidean"))
        scale = kernel.sum(axis=1) ** -0.5
        return scale[:, None] * kernel * scale

    height, width, _ = image.shape
    position = np.stack(np.unravel_index(np.arange(height * width), (height, width)), axis=1)
    colour = image.reshape(-1, 3) / settings.bilateral_sigma_rgb
    kernel = settings.gaussian_weight * normalised_kernel(position / settings.gaussian_sigma)
    bilateral = np.hstack([position / settings.bilateral_sigma_xy, colour])
    kernel += settings.bilateral_weight * normalised_kernel(bilateral)
    unary = np.log(np.maximum(probabilities.astype(np.float64), 1e-5)).reshape(len(probabilities), -1)
    mean_field = softmax(unary, axis=0)
    for _ in range(settings.iterations):
        mean_field = softmax(unary + mean_field @ kernel, axis=0)
    return mean_field.reshape(probabilities.shape)


def draw_image(kind: str, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    disc = np.where(((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.09)[..., None], [150, 90, 60], [70, 110, 80])
    smooth = gaussian_filter(rng.normal(size=(SIZE, SIZE, 3)), (3, 3, 0))
    images = {
        "constant": np.full((SIZE, SIZE, 3), 77),
        "colour noise": rng.integers(0, 256, (SIZE, SIZE, 3)),
        "dim noise": rng.integers(100, 116, (SIZE, SIZE, 3)),
        "gradient": np.stack([255 * x, 255 * y, 128 * (x + y)], axis=2),
        "disc": disc,
        "noisy disc": disc + rng.normal(0, 3, (SIZE, SIZE, 3)),
        "texture": 128 + 40 * smooth / smooth.std() + rng.normal(0, 2, (SIZE, SIZE, 3)),
    }
    return np.clip(images[kind], 0, 255).round().astype(np.uint8)


def draw_probabilities(num_classes: int, confidence: float, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] * 4 // SIZE
    labels = (3 * y + x) % num_classes
    logits = confidence * np.eye(num_classes)[labels].transpose(2, 0, 1)
    return softmax(logits + rng.normal(size=logits.shape), axis=0).astype(np.float32)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", ["constant", "colour noise", "dim noise", "gradient", "noisy disc", "texture"])
def test_agrees_with_the_direct_sum_over_all_pairs(kind, settings):
    rng = np.random.default_rng(1)
    image = draw_image(kind, rng)
    probabilities = draw_probabilities(6, 1.0, rng)
    expected = dense_crf_direct(probabilities, image, settings)
    assert np.abs(dense_crf(probabilities, image, settings) - expected).max() < 0.02


@pytest.mark.parametrize("kind", ["flat", "noise", "strong noise", "ramp", "two grounds"])
@pytest.mark.parametrize("confidence", [1.0, 1.5])
def test_clusters_of_similar_pixels_stay_close_to_the_direct_sum(kind, confidence):
    rng = np.random.default_rng(0)
    size = 56  # large enough for clusters to form; the last leaf is whole for 3136 = 49 · 64 points
    x = np.mgrid[:size, :size][1][..., None] / size
    ground, deviation = {
        "flat": (120, 0),
        "noise": (120, 1),
        "strong noise": (120, 2),
        "ramp": (120 + 12 * x, 1.5),
        "two grounds": (120 + 8 * (x > 0.5), 1.5),
    }[kind]
    image = np.clip(ground + rng.normal(0, deviation, (size, size, 3)), 0, 255).round().astype(np.uint8)
    labels = (np.mgrid[:size, :size] // 9).sum(axis=0) % 4
    logits = confidence * np.eye(4)[labels].transpose(2, 0, 1) + rng.normal(size=(4, size, size))
    probabilities = softmax(logits, axis=0).astype(np.float32)
    expected = dense_crf_direct(probabilities, image, CRFSettings())
    assert np.abs(dense_crf(probabilities, image) - expected).max() < 0.02


def test_result_does_not_depend_on_the_run():
    rng = np.random.default_rng(4)
    image, probabilities = draw_image("texture", rng), draw_probabilities(5, 1.0, rng)
    np.testing.assert_array_equal(dense_crf(probabilities, image), dense_crf(probabilities, image))


def test_two_pixels_by_hand():
    # Two pixels of one colour, one step apart, sigma 1: k = e^-0.5 in both kernels, D = 1 + k for both pixels.
    # The logits of class 0 over class 1 start at log(0.8 / 0.2) and log(0.4 / 0.6).
    settings = CRFSettings(
        iterations=1,
        gaussian_weight=3,
        gaussian_sigma=1,
        bilateral_weight=4,
        bilateral_sigma_xy=1,
        bilateral_sigma_rgb=1,
    )
    probabilities = np.array([[[0.8, 0.4]], [[0.2, 0.6]]])
    image = np.full((1, 2, 3), 9, np.uint8)
    own, other = 1 / (1 + np.exp(-0.5)), np.exp(-0.5) / (1 + np.exp(-0.5))
    logits = [
        np.log(0.8 / 0.2) + 7 * (own * (0.8 - 0.2) + other * (0.4 - 0.6)),
        np.log(0.4 / 0.6) + 7 * (own * (0.4 - 0.6) + other * (0.8 - 0.2)),
    ]
    first = 1 / (1 + np.exp(-np.array(logits)))
    np.testing.assert_allclose(dense_crf(probabilities, image, settings), [[first], [1 - first]], atol=1e-5)


def test_bilateral_message_of_a_unique_colour_is_its_own_probability():
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 200
    settings = CRFSettings(iterations=1, gaussian_weight=0)
    probabilities = np.array([[[0.6, 0.3]], [[0.4, 0.7]]])
    expected = softmax(np.log(probabilities) + 4 * probabilities, axis=0)
    np.testing.assert_allclose(dense_crf(probabilities, image, settings), expected, atol=1e-5)


def test_probabilities_sum_to_one_and_keep_shape_and_type():
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet(np.ones(4), (9, 13)).transpose(2, 0, 1)
    refined = dense_crf(probabilities, rng.integers(0, 256, (9, 13, 3), np.uint8))
    assert refined.shape == (4, 9, 13)
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined.sum(axis=0), 1, atol=1e-5)


def test_uniform_unary_on_a_uniform_image_stays_uniform():
    refined = dense_crf(np.full((4, 10, 12), 0.25), np.full((10, 12, 3), 50, np.uint8))
    np.testing.assert_allclose(refined, 0.25, atol=1e-4)


def test_no_iterations_or_no_weights_return_the_input():
    rng = np.random.default_rng(6)
    image, probabilities = draw_image("disc", rng), draw_probabilities(3, 1.0, rng)
    for settings in (CRFSettings(iterations=0), CRFSettings(gaussian_weight=0, bilateral_weight=0)):
        np.testing.assert_allclose(dense_crf(probabilities, image, settings), probabilities, atol=1e-5)


def test_corrects_an_isolated_pixel_in_a_flat_region():
    labels = np.zeros((16, 16), int)
    labels[7, 9] = 1
    refined = dense_crf(np.where(labels == [[[0]], [[1]]], 0.8, 0.2), np.full((16, 16, 3), 120, np.uint8))
    assert (refined.argmax(axis=0) == 0).all()


def test_keeps_a_colour_edge_and_moves_a_ragged_boundary_onto_it():
    truth = np.repeat([[0] * 8 + [1] * 8], 16, axis=0)
    image = np.where(truth[..., None] == 0, 60, 160).astype(np.uint8).repeat(3, axis=2)
    ragged = truth.copy()
    ragged[::3, 8] = 0
    ragged[1::3, 7] = 1
    for labels in (truth, ragged):
        refined = dense_crf(np.where(labels == [[[0]], [[1]]], 0.8, 0.2), image)
        np.testing.assert_array_equal(refined.argmax(axis=0), truth)


@pytest.mark.parametrize(
    ("probabilities", "image", "message"),
    [
        (np.ones((4, 4)), np.zeros((4, 4, 3), np.uint8), r"expected floats of shape \(C, H, W\)"),
        (np.ones((2, 4, 4), int), np.zeros((4, 4, 3), np.uint8), "expected floats"),
        (np.ones((2, 4, 5)), np.zeros((4, 4, 3), np.uint8), r"expected uint8 of shape \(4, 5, 3\)"),
        (np.ones((2, 4, 4)), np.zeros((4, 4), np.uint8), "bring both to one size"),
        (np.ones((2, 4, 4)), np.zeros((4, 4, 3)), "the image is float64"),
        (np.full((2, 4, 4), np.nan), np.zeros((4, 4, 3), np.uint8), "not finite"),
        (np.full((2, 4, 4), -1.0), np.zeros((4, 4, 3), np.uint8), "pass no logits"),
    ],
)
def test_rejects_arrays_that_do_not_fit(probabilities, image, message):
    with pytest.raises(DataError, match=message):
        dense_crf(probabilities, image)


def test_tensors_are_refused_in_words():
    probabilities, image = torch.full((2, 4, 4), 0.5), np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(DataError, match=r"probabilities are of type Tensor, expected a NumPy array"):
        dense_crf(probabilities, image)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"the image is of type Tensor, expected a NumPy array"):
        dense_crf(probabilities.numpy(), torch.from_numpy(image))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [{"gaussian_sigma": 0}, {"bilateral_sigma_rgb": 0.1}, {"iterations": -1}, {"bilateral_weight": np.nan}]
)
def test_rejects_settings_out_of_range(values):
    with pytest.raises(OptionError, match=next(iter(values))):
        CRFSettings(**values)
