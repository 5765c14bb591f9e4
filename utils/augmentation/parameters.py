"""What is drawn of changed views of a tile: numbers that travel with a sample and are applied on the device."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Appearance(NamedTuple):
    """How colours and sharpness are changed; one number for each view: shape (V,), of a batch (B, V).

    brightness, contrast, saturation: factors, 1 for no change; float32; the first two may be of each band, (V, bands).
    hue: turns of the colour circle, 0 for none; float32. grey: whether colours are taken away; bool. blur: standard
    deviation in pixels, 0 for none; float32.
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grey: Tensor
    blur: Tensor


class StrongViews(NamedTuple):
    """The strongly changed views of a tile, into each of which a box of another tile, its partner, is pasted (CutMix).

    own, partner: how the tile and its partner are changed. box: top, left, height and width in pixels of what is
    pasted, all 0 for nothing; int64, shape (V, 4), of a batch (B, V, 4).
    """

    own: Appearance
    partner: Appearance
    box: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "StrongViews":
        """The same with every tensor changed."""
        return StrongViews(Appearance(*map(change, self.own)), Appearance(*map(change, self.partner)), change(self.box))

    def to(self, device: torch.device) -> "StrongViews":
        """A batch's numbers on the device."""
        return self.map(lambda values: values.to(device, non_blocking=True))

    def of(self, view: int) -> "StrongViews":
        """Of a batch's views the one with this number: fields of shape (B,), boxes (B, 4)."""
        return self.map(lambda values: values[:, view])
