"""Changed colours and blur of a batch of images, on its device, each image by factors of its own.

Images are float, shape (B, C, H, W), in [0, 1], and come back so. Pixels without data are 0 and count as such: whoever
has some masks them afterwards.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.imagery.images import channel_constants

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
_IN_SIGMAS = 3.0  # half the width of a kernel of a Gaussian, in its deviations


class JitterFactors(NamedTuple):
    """By how much each of B images is changed; see the functions below.

    brightness, contrast: of each band, shape (B, C). saturation, hue: of RGB, shape (B,). grey: 0 or 1, shape (B,).
    blur: standard deviation in pixels, shape (B,).
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grey: Tensor
    blur: Tensor


def jittered(images: Tensor, factors: JitterFactors, most_blur: float, is_rgb: bool = True) -> Tensor:
    """Images after all changes, in the order of the factors.

    Args:
        images: shape (B, C, H, W).
        factors: on the same device.
        most_blur: deviation in pixels that no image exceeds; 0: none is blurred.
        is_rgb: the bands are red, green and blue; others have no hue and no saturation.
    """
    images = contrast(brightness(images, factors.brightness), factors.contrast)
    if is_rgb:
        images = hue(saturation(images, factors.saturation), factors.hue)
    images = grey(images, factors.grey, LUMINANCE if is_rgb else None)
    return blur(images, factors.blur, most_blur) if most_blur > 0 else images


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Each band times its factor, clipped to [0, 1]; factors of shape (B, C)."""
    return (images * factors[:, :, None, None]).clamp(0, 1)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Differences from a band's mean times its factor, clipped to [0, 1]; factors of shape (B, C)."""
    means = images.mean(dim=(2, 3), keepdim=True)
    return torch.lerp(means, images, factors[:, :, None, None]).clamp(0, 1)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Differences of RGB from its luminance times a factor, clipped to [0, 1]: 0 is grey; factors of shape (B,)."""
    return torch.lerp(_weighted(images, LUMINANCE), images, _per_image(factors)).clamp(0, 1)


def hue(images: Tensor, turns: Tensor) -> Tensor:
    """RGB turned about the axis of greys, clipped to [0, 1]: a third of a turn makes green of red, and greys stay.

    It is linear, in place of HSV's hexagon, so that it is one product of matrices.

    Args:
        images: shape (B, 3, H, W).
        turns: 1 is once around, shape (B,).
    """
    cosine, sine = torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
    same = (1 + 2 * cosine) / 3  # Rodrigues' formula about (1, 1, 1)
    last = (1 - cosine) / 3 - sine / math.sqrt(3)  # what a channel gets of the one after it
    before = (1 - cosine) / 3 + sine / math.sqrt(3)
    rows = [(same, last, before), (before, same, last), (last, before, same)]
    matrices = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return torch.einsum("bij,bjhw->bihw", matrices, images).clamp(0, 1)


def grey(images: Tensor, shares: Tensor, weights: Sequence[float] | None = LUMINANCE) -> Tensor:
    """All bands replaced by one grey of them, or mixed with it.

    Args:
        images: shape (B, C, H, W).
        shares: of the grey, in [0, 1], shape (B,).
        weights: of the bands in the grey; None: equal ones.
    """
    weights = weights or (1 / images.shape[1],) * images.shape[1]
    return torch.lerp(images, _weighted(images, weights).expand_as(images), _per_image(shares))


def blur(images: Tensor, deviations: Tensor, most: float) -> Tensor:
    """Convolution with a Gaussian, the image continued by reflection.

    Args:
        images: shape (B, C, H, W).
        deviations: in pixels, at most `most`, shape (B,); 0 leaves an image as it is.
        most: sets the kernel's width, which all images share.
    """
    count, bands, height, width = images.shape
    radius = min(math.ceil(_IN_SIGMAS * most), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets / deviations.clamp(min=1e-3)[:, None]) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(bands, dim=0)
    planes = F.pad(images.reshape(1, count * bands, height, width), (radius,) * 4, mode="reflect")
    planes = F.conv2d(planes, kernels[:, None, :, None], groups=count * bands)
    return F.conv2d(planes, kernels[:, None, None, :], groups=count * bands).view(count, bands, height, width)


def _weighted(images: Tensor, weights: Sequence[float]) -> Tensor:
    """The weighted sum of the bands, shape (B, 1, H, W)."""
    return (images * channel_constants(tuple(weights), images.device)).sum(dim=1, keepdim=True)


def _per_image(factors: Tensor) -> Tensor:
    return factors[:, None, None, None]
