"""Fully connected CRF by mean-field inference (Krähenbühl and Koltun, NeurIPS 2011), in NumPy and SciPy.

Every pair of pixels is joined by a Potts term under two Gaussian kernels: the smoothness kernel, of position, is a
separable filter; the appearance kernel, of position and colour, is summed by `utils.evaluation.crf.bilateral`. Against
the sum over all pairs, no probability of the tiles measured moved by more than 0.02, nor by more than 0.002 on average.

Time grows with the number of pixel pairs of similar colour: filter tiles, not whole scenes.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from torch import Tensor

from utils.errors import DataError
from utils.evaluation.crf.bilateral import BilateralFilter
from utils.evaluation.settings import CRFSettings

MIN_PROBABILITY = 1e-5  # a class ruled out by the network can still be brought back by its neighbours

Messages = Callable[[np.ndarray], np.ndarray]


def refine_batch(probabilities: Tensor, images: Tensor, settings: CRFSettings) -> Tensor:
    """`dense_crf` on each tile of a batch.

    Args:
        probabilities: softmax output on any device, shape (B, C, H, W).
        images: uint8 RGB, shape (B, 3, H, W).
        settings: parameters of the kernels.

    Returns:
        float32 on the CPU, shape (B, C, H, W).
    """
    pixels = np.ascontiguousarray(images.cpu().permute(0, 2, 3, 1).numpy())
    pairs = zip(probabilities.cpu().numpy(), pixels, strict=True)
    return torch.from_numpy(np.stack([dense_crf(one, image, settings) for one, image in pairs]))


def dense_crf(probabilities: np.ndarray, image: np.ndarray, settings: CRFSettings | None = None) -> np.ndarray:
    """Sharpen class probabilities along the colour edges of their image.

    One update of the mean field Q, which starts at the given probabilities p, is

        Q_i <- softmax(log p_i + sum_m w_m sum_j D_i^-1/2 k_m(i, j) D_j^-1/2 Q_j),    D_i = sum_j k_m(i, j),

    the Potts model with kernels k_m of weight w_m, normalised symmetrically. The sums include j = i, where k_m = 1, as
    in the authors' code and in pydensecrf (NORMALIZE_SYMMETRIC, DIAG_KERNEL). The bilateral message of a pixel whose
    colour is unique, as in colour noise much wider than bilateral_sigma_rgb, is therefore its own probabilities, and
    its likeliest class grows.

    Args:
        probabilities: softmax output, shape (C, H, W), 0 or more; values below 1e-5 count as 1e-5.
        image: RGB image, shape (H, W, 3), uint8.
        settings: parameters of the kernels, by default `CRFSettings()`.

    Returns:
        Probabilities, shape (C, H, W), float32, summing to 1 over classes.

    Raises:
        DataError: shapes or types do not fit, or probabilities are negative or not finite.
    """
    settings = settings or CRFSettings()
    _check(probabilities, image)
    unary = np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=np.float32))
    messages = _messages(image, len(probabilities), settings)
    mean_field = softmax(unary, axis=0)
    for _ in range(settings.iterations):
        mean_field = softmax(unary + sum(weight * message(mean_field) for weight, message in messages), axis=0)
    return mean_field


def _messages(image: np.ndarray, num_classes: int, settings: CRFSettings) -> list[tuple[float, Messages]]:
    """Weight of each kernel in use, with the function from a mean field to its messages, both (C, H, W)."""
    messages: list[tuple[float, Messages]] = []
    if settings.gaussian_weight > 0:
        messages.append((settings.gaussian_weight, _gaussian_messages(image.shape[:2], settings.gaussian_sigma)))
    if settings.bilateral_weight > 0 and settings.iterations > 0:
        bilateral = BilateralFilter(image, settings.bilateral_sigma_xy, settings.bilateral_sigma_rgb, num_classes)
        messages.append((settings.bilateral_weight, bilateral.update))
    return messages


def _check(probabilities: np.ndarray, image: np.ndarray) -> None:
    for what, array in (("probabilities are", probabilities), ("the image is", image)):
        if not isinstance(array, np.ndarray):
            kind = type(array).__name__
            raise DataError(f"{what} of type {kind}, expected a NumPy array (of a tensor: tensor.cpu().numpy())")
    if probabilities.ndim != 3 or not np.issubdtype(probabilities.dtype, np.floating) or not probabilities.size:
        raise DataError(
            f"probabilities are {probabilities.dtype} of shape {probabilities.shape}, "
            "expected floats of shape (C, H, W)"
        )
    if image.dtype != np.uint8 or image.shape != (*probabilities.shape[1:], 3):
        raise DataError(
            f"the image is {image.dtype} of shape {image.shape}, expected uint8 of shape "
            f"{(*probabilities.shape[1:], 3)} to fit the probabilities; bring both to one size"
        )
    if not np.isfinite(probabilities).all() or probabilities.min() < 0:
        raise DataError("probabilities are negative or not finite, expected a softmax output; pass no logits")


def _gaussian_messages(shape: tuple[int, ...], sigma: float) -> Messages:
    """The kernel of position, normalised symmetrically, on arrays of shape (C, H, W), cut off at 6 sigma (e^-18)."""

    def blur(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, (0, sigma, sigma), mode="constant", truncate=6)  # nothing beyond the border

    scale = blur(np.ones((1, *shape), np.float32)) ** -0.5
    return lambda values: scale * blur(scale * values)
