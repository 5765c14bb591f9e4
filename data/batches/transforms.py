"""Joint transforms of image and mask: one set of random numbers for the pair."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from utils.imagery.labels import IGNORE_INDEX

SCALES = tuple(0.5 + k / 10 for k in range(12))  # 0.5 to 1.6, as published


@dataclass(frozen=True)
class JointTransform:
    """Resize, scale at random, mirror at random, then crop or pad to the window.

    Images are resized bilinearly (with antialiasing where they shrink), masks by nearest neighbour, both on the same
    pixel grid. Padding is right and below: 0 in images, 255 in masks.

    Attributes:
        window: height and width that come out; None leaves the size as it is.
        base: height and width before scaling; None: the tile's own.
        random_scale: scale by 0.5, 0.6, … 1.6.
        random_mirror: left-right with probability one half.
    """

    window: tuple[int, int] | None
    base: tuple[int, int] | None = None
    random_scale: bool = False
    random_mirror: bool = False

    def __call__(
        self, image: Tensor, mask: Tensor | None, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """Apply the transform.

        Args:
            image: uint8, shape (C, H, W).
            mask: uint8, shape (H, W), or None (then a mask of 255 comes back).
            rng: this draw's random numbers.

        Returns:
            Image (C, *window), mask (*window), and height and width inside the padding.
        """
        scale = SCALES[rng.integers(len(SCALES))] if self.random_scale else 1.0
        mirror = bool(rng.random() < 0.5) if self.random_mirror else False
        height, width = self.base or (image.shape[-2], image.shape[-1])
        size = [max(1, round(height * scale)), max(1, round(width * scale))]

        top, left = 0, 0
        window = self.window or (size[0], size[1])
        if size[0] > window[0]:
            top = int(rng.integers(size[0] - window[0] + 1))
        if size[1] > window[1]:
            left = int(rng.integers(size[1] - window[1] + 1))
        crop = [top, left, min(size[0], window[0]), min(size[1], window[1])]
        padding = [0, 0, window[1] - crop[3], window[0] - crop[2]]

        image = F.crop(F.resize(image, size, InterpolationMode.BILINEAR, antialias=True), *crop)
        image = F.pad(F.horizontal_flip(image) if mirror else image, padding, fill=0)
        if mask is None:
            return image, torch.full(window, IGNORE_INDEX, dtype=torch.uint8), (crop[2], crop[3])
        mask = F.crop(F.resize(mask[None], size, InterpolationMode.NEAREST_EXACT), *crop)
        mask = F.pad(F.horizontal_flip(mask) if mirror else mask, padding, fill=IGNORE_INDEX)
        return image, mask[0], (crop[2], crop[3])


def segmentation_training(input_size: tuple[int, int], random_scale: bool, random_mirror: bool) -> JointTransform:
    """Random scale of the tile, mirror, random crop to the input size, padding right and below."""
    return JointTransform(input_size, None, random_scale, random_mirror)


def segmentation_evaluation(input_size: tuple[int, int], tile_size: tuple[int, int]) -> JointTransform:
    """The whole tile, padded right and below where the input size is larger; never cropped, never resized."""
    return JointTransform((max(input_size[0], tile_size[0]), max(input_size[1], tile_size[1])))


def classification(
    input_size: tuple[int, int], random_scale: bool = False, random_mirror: bool = False
) -> JointTransform:
    """The tile resized to the input size; scale and mirror where asked for, then crop or pad back to it."""
    return JointTransform(input_size, input_size, random_scale, random_mirror)
