"""Changes of brightness, contrast and colour on batches of images, each image by its own factor.

Images are float32 in [0, 1], shape (B, bands, H, W); those called `rgb` have red, green and blue. Factors have shape
(B,); those of brightness and contrast may be (B, bands). A factor that asks for no change gives the very image back.
"""

import torch
from torch import Tensor


def brightened(images: Tensor, factors: Tensor) -> Tensor:
    """Every band times the factor."""
    return (images * per_image(factors)).clamp(0, 1)


def contrasted(images: Tensor, inside: Tensor, factors: Tensor) -> Tensor:
    """Each band's distance from its own mean times the factor.

    Args:
        images: 0 where they hold no data.
        inside: where they hold data, bool, shape (B, 1, H, W); the mean is taken there.
        factors: of each image.
    """
    pixels = inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    means = images.sum(dim=(2, 3), keepdim=True) / pixels
    return torch.lerp(means.expand_as(images), images, per_image(factors)).clamp(0, 1)


def saturated(rgb: Tensor, factors: Tensor) -> Tensor:
    """Each pixel's distance from its grey value times the factor."""
    return torch.lerp(greyed(rgb), rgb, per_image(factors)).clamp(0, 1)


def greyed(rgb: Tensor) -> Tensor:
    """The luma of each pixel in all three bands (ITU-R BT.601, with torchvision's digits)."""
    red, green, blue = rgb.unbind(dim=1)
    luma = 0.2989 * red + 0.587 * green + 0.114 * blue
    return luma.unsqueeze(1).expand_as(rgb)


def hue_turned(rgb: Tensor, turns: Tensor) -> Tensor:
    """Colours of the same value and chroma, so many turns further on the colour circle.

    From red, green and blue to hue, value and chroma and back, in the form of Smith (SIGGRAPH 1978).
    """
    red, green, blue = rgb.unbind(dim=1)
    value, least = rgb.amax(dim=1), rgb.amin(dim=1)
    chroma = value - least
    safe = torch.where(chroma > 0, chroma, 1)  # grey has no hue, and needs none
    of_blue_or_green = torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    sixths = torch.where(value == red, (green - blue) / safe, of_blue_or_green)
    sixths = sixths + 6 * turns.view(-1, 1, 1)
    turned = torch.stack([value - chroma * _falls(sixths + offset) for offset in (5, 3, 1)], dim=1)
    return torch.where(per_image(turns) == 0, rgb, turned)


def _falls(sixths: Tensor) -> Tensor:
    """How far a colour's red, green or blue lies below the value, in chromas, by where it is on the circle."""
    place = sixths.remainder(6)
    return torch.minimum(place, 4 - place).clamp(0, 1)


def per_image(values: Tensor) -> Tensor:
    """Numbers of images (B,), or of their bands (B, bands), in the shape that goes with (B, bands, H, W)."""
    return values.view(*values.shape, *(1,) * (4 - values.ndim))
