"""Gaussian blur on batches of images, each image by its own deviation, as two products with banded matrices."""

import torch
from torch import Tensor

from utils.augmentation.colours import per_image
from utils.compute.precision import exact_float32

_SHARP = 1e-3  # pixels; a Gaussian of this deviation is 1 at its centre and 0 at every other pixel


def blurred(images: Tensor, inside: Tensor, deviations: Tensor) -> Tensor:
    """Weighted means of the pixels that hold data; where none are near, and outside, 0.

    Args:
        images: float32, shape (B, bands, H, W).
        inside: where they hold data, bool, shape (B, 1, H, W); nothing else is mixed in.
        deviations: in pixels, shape (B,); an image whose deviation is 0 comes back as it is.
    """
    weights = inside.to(images.dtype)
    rows, columns = (_gaussian(size, deviations) for size in images.shape[2:])
    with exact_float32(images.device):
        sums = rows @ torch.cat([images * weights, weights], dim=1) @ columns
    means = sums[:, :-1] / sums[:, -1:].clamp(min=torch.finfo(sums.dtype).tiny)
    return torch.where(per_image(deviations) > 0, means, images) * weights


def _gaussian(size: int, deviations: Tensor) -> Tensor:
    """The weight of each pixel of a line for each other one, shape (B, 1, size, size); rows do not sum to 1."""
    places = torch.arange(size, device=deviations.device, dtype=torch.float32)
    distances = (places[:, None] - places[None, :]) / per_image(deviations.clamp(min=_SHARP))
    return torch.exp(-0.5 * distances.square())
