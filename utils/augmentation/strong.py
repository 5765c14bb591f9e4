"""A strongly changed view of each tile of a batch: colours, sharpness, and a box of another tile.

The changes are those of UniMatch (Yang et al., CVPR 2023): colour jitter, grey, Gaussian blur, CutMix. Jitter changes
brightness, contrast, saturation and hue in this order, where torchvision draws one.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from utils.augmentation.blur import blurred
from utils.augmentation.colours import brightened, contrasted, greyed, hue_turned, per_image, saturated
from utils.augmentation.cutmix import in_boxes, pasted
from utils.augmentation.parameters import Appearance, StrongViews
from utils.imagery.pixels import PixelFormat


class Pixels(NamedTuple):
    """Images on the device: bands in [0, 1], (B, bands, H, W), 0 without data; where they hold data, (B, 1, H, W)."""

    images: Tensor
    inside: Tensor


def strong_view(own: Pixels, partner: Pixels, view: StrongViews, pixels: PixelFormat) -> tuple[Pixels, Tensor]:
    """One strongly changed view of each tile.

    Args:
        own, partner: the tiles, and for each another one.
        view: how they are changed, of a single view: fields of shape (B,).
        pixels: which bands are red, green and blue.

    Returns:
        The view; and which of its pixels are the partner's, bool, shape (B, 1, H, W): those in the box where the
        partner holds data.
    """
    height, width = own.images.shape[2:]
    from_partner = in_boxes(view.box, (height, width)) & partner.inside
    images = pasted(changed(own, view.own, pixels), changed(partner, view.partner, pixels), from_partner)
    return Pixels(images, own.inside | from_partner), from_partner


def changed(tiles: Pixels, appearance: Appearance, pixels: PixelFormat) -> Tensor:
    """Images in other colours and less sharp, in the same memory format; 0 where they hold no data.

    Args:
        tiles: the images.
        appearance: of each; fields of shape (B,).
        pixels: which bands are red, green and blue; saturation, hue and grey change these alone.
    """
    images = contrasted(brightened(tiles.images, appearance.brightness), tiles.inside, appearance.contrast)
    if pixels.rgb is not None:
        images = _with_colours(images, appearance, pixels.rgb)
    return torch.empty_like(tiles.images).copy_(blurred(images, tiles.inside, appearance.blur))


def _with_colours(images: Tensor, appearance: Appearance, places: tuple[int, int, int]) -> Tensor:
    """Saturation, hue and grey of the bands at these places."""
    bands = list(images.unbind(dim=1))
    rgb = torch.stack([bands[place] for place in places], dim=1)
    rgb = hue_turned(saturated(rgb, appearance.saturation), appearance.hue)
    rgb = torch.where(per_image(appearance.grey), greyed(rgb), rgb)
    for place, band in zip(places, rgb.unbind(dim=1), strict=True):
        bands[place] = band
    return torch.stack(bands, dim=1)
