"""A batch on the device that a method trains on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from utils.batches import MaskedBatch
from utils.compute.device import MEMORY_FORMAT
from utils.imagery.images import unpack
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, PixelFormat


@dataclass(frozen=True)
class DeviceBatch:
    """A batch on the device: bands in [0, 1], int64 ids, and where pixels hold data and are no padding (B, 1, H, W)."""

    images: Tensor
    masks: Tensor
    inside: Tensor

    @classmethod
    def of(
        cls,
        batch: MaskedBatch,
        device: torch.device,
        ignore_label: int = IGNORE_INDEX,
        memory_format: torch.memory_format = MEMORY_FORMAT,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> Self:
        """Move bytes to the device and make numbers of them there; pixels of the ignore label become 255."""
        images, inside = unpack(batch.image, batch.size, device, pixels, memory_format)
        masks = batch.mask.to(device, non_blocking=True).long()
        if ignore_label != IGNORE_INDEX:
            masks = masks.masked_fill(masks == ignore_label, IGNORE_INDEX)
        if pixels.has_validity:
            masks = masks.masked_fill(~inside.squeeze(1), IGNORE_INDEX)
        return cls(images, masks, inside)

    def __len__(self) -> int:
        return len(self.images)

    def followed_by(self, other: "DeviceBatch") -> "DeviceBatch":
        """One batch of both."""
        fields = ((self.images, other.images), (self.masks, other.masks), (self.inside, other.inside))
        return DeviceBatch(*map(torch.cat, fields))

    def parts(self, count: int) -> Iterator["DeviceBatch"]:
        """The batch in `count` equal parts."""
        fields = (self.images.chunk(count), self.masks.chunk(count), self.inside.chunk(count))
        return (DeviceBatch(*part) for part in zip(*fields, strict=True))
