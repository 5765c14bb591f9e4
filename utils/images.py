"""Images on the device: from bytes to [0, 1], and to what networks trained on ImageNet expect."""

from functools import lru_cache

import torch
from torch import Tensor

from utils.device import MEMORY_FORMAT

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of torchvision's ImageNet weights
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_unit_range(images: Tensor, device: torch.device, memory_format: torch.memory_format = MEMORY_FORMAT) -> Tensor:
    """uint8 (B, 3, H, W) on any device -> float32 in [0, 1] on `device`.

    The bytes travel and become floats on the device: a quarter of the traffic.
    """
    images = images.to(device, non_blocking=True)
    return images.to(torch.float32, memory_format=memory_format).div_(255.0)


def normalise(images: Tensor, inside: Tensor | None = None) -> Tensor:
    """Subtract the ImageNet mean and divide by the deviation; padding is 0 afterwards.

    Args:
        images: RGB in [0, 1], shape (B, 3, H, W).
        inside: True where a pixel is not padding, shape (B, 1, H, W); None: no padding.
    """
    mean, deviation = (channel_constants(values, images.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    normalised = (images - mean) / deviation
    return normalised if inside is None else normalised * inside


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # whoever asks first: it may be asked for in training next
def channel_constants(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A float32 constant for each channel, shape (C, 1, 1), kept on its device: copies from the host wait for it."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)


def inside_mask(sizes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Where images are not padding, which lies right and below.

    Args:
        sizes: height and width inside the padding, shape (B, 2).
        shape: height and width of the padded images.

    Returns:
        bool, shape (B, 1, H, W).
    """
    rows = torch.arange(shape[0], device=sizes.device)
    columns = torch.arange(shape[1], device=sizes.device)
    return ((rows < sizes[:, :1])[:, :, None] & (columns < sizes[:, 1:])[:, None, :]).unsqueeze(1)
