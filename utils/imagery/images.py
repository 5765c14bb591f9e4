"""Images on the device: from bytes to [0, 1], and to what networks trained on ImageNet expect."""

from functools import lru_cache

import torch
from torch import Tensor

from utils.compute.device import MEMORY_FORMAT
from utils.imagery.pixels import RGB_PIXELS, VALID, PixelFormat


def unpack(
    images: Tensor,
    sizes: Tensor,
    device: torch.device,
    pixels: PixelFormat = RGB_PIXELS,
    memory_format: torch.memory_format = MEMORY_FORMAT,
) -> tuple[Tensor, Tensor]:
    """Images on the device, and where they hold data.

    Args:
        images: uint8, shape (B, C, H, W), with the channel of validity where there is one.
        sizes: height and width inside the padding, which lies right and below, shape (B, 2).
        device: where to.
        pixels: how they are stored.
        memory_format: of the images there.

    Returns:
        The bands in [0, 1], float32, shape (B, bands, H, W), 0 in padding and where there are no data; and where
        there are, bool, shape (B, 1, H, W).

    Raises:
        ValueError: the images are not uint8.
    """
    images = images.to(device, non_blocking=True)
    inside = inside_mask(sizes.to(device, non_blocking=True), (images.shape[2], images.shape[3]))
    if not pixels.has_validity:
        return to_unit_range(images, device, memory_format), inside
    inside = inside & (images[:, -1:] == VALID)
    return to_unit_range(images[:, :-1], device, memory_format) * inside, inside


def network_input(images: Tensor, sizes: Tensor, device: torch.device, pixels: PixelFormat = RGB_PIXELS) -> Tensor:
    """Stored images as networks see them: normalised bands on the device, (B, bands, H, W), 0 where there are no data.

    Args:
        images, sizes, device, pixels: as for `unpack`.
    """
    return normalise(*unpack(images, sizes, device, pixels), pixels)


def to_unit_range(images: Tensor, device: torch.device, memory_format: torch.memory_format = MEMORY_FORMAT) -> Tensor:
    """uint8 (B, C, H, W) on any device -> float32 in [0, 1] on `device`.

    The bytes travel and become floats on the device: a quarter of the traffic.

    Raises:
        ValueError: the images are not uint8.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"images are {images.dtype}, expected uint8, 0 to 255; they are scaled to [0, 1] here")
    images = images.to(device, non_blocking=True)
    return images.to(torch.float32, memory_format=memory_format).div_(255.0)


def normalise(images: Tensor, inside: Tensor | None = None, pixels: PixelFormat = RGB_PIXELS) -> Tensor:
    """Subtract each band's mean and divide by its deviation; padding is 0 afterwards.

    Args:
        images: in [0, 1], shape (B, bands, H, W).
        inside: True where a pixel is not padding and holds data, shape (B, 1, H, W); None: everywhere.
        pixels: the mean and deviation of the bands.
    """
    mean, deviation = (channel_constants(values, images.device) for values in (pixels.mean, pixels.std))
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
