"""Unlabelled tiles with what strong views of them need: another tile, and numbers that say how both are changed.

Tiles travel as bytes, weakly changed like all others; the strong views are made of them on the device, a batch at a
time (`utils.augmentation.strong`). What is drawn comes from the sample's own generator, after what its weak view has
taken from it, so that weak views are the same whether or not strong ones are asked for.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.batches.samplers import Draw, EndlessBatches
from data.batches.samples import SegmentationTiles, to_channels_first
from utils.augmentation.parameters import Appearance, StrongViews

# Probabilities and ranges of FixMatch and UniMatch for segmentation (Yang et al., CVPR 2023).
JITTER, GREY, BLUR, CUTMIX = 0.8, 0.2, 0.5, 0.5
FACTORS, HUE, DEVIATIONS = (0.5, 1.5), 0.25, (0.1, 2.0)
AREAS, RATIOS = (0.02, 0.4), (0.3, 1 / 0.3)


class PartnerTile(NamedTuple):
    """The tile of which boxes are pasted in; image and size as in `SegmentationSample`."""

    image: Tensor
    size: Tensor


class ViewedSample(NamedTuple):
    """An unlabelled tile with its partner and its strong views; a batch holds the same with a leading dimension B.

    image, mask, size, tile: as in `SegmentationSample`. seed: int64, of what else is drawn for this sample.
    """

    image: Tensor
    mask: Tensor
    size: Tensor
    tile: int
    partner: PartnerTile
    views: StrongViews
    seed: int


class ViewedTiles(Dataset[ViewedSample]):
    """Tiles of a stream, each with a partner that is a second draw of it, addressed by draw.

    Args:
        samples: the tiles under the joint transform of weak views.
        partners: which tile is the partner of which draw.
        views: strong views of a tile.
    """

    def __init__(self, samples: SegmentationTiles, partners: EndlessBatches, views: int) -> None:
        self.samples, self.partners, self.views = samples, partners, views

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw | int) -> ViewedSample:
        draw = Draw.of(draw)
        rng = draw.generator(self.samples.seed, self.samples.stream)
        sample = self.samples.sample(draw, rng)
        views = draw_views(rng, (sample.image.shape[-2], sample.image.shape[-1]), self.views)
        return ViewedSample(*sample, self._partner(draw.number), views, int(rng.integers(2**63)))

    def _partner(self, number: int) -> PartnerTile:
        draw = self.partners.draw(number)
        image = to_channels_first(self.samples.tiles.image(draw.tile))
        image, _, size = self.samples.transform(image, None, draw.generator(self.partners.seed, self.partners.stream))
        return PartnerTile(image, torch.tensor(size))


def draw_views(rng: np.random.Generator, window: tuple[int, int], count: int) -> StrongViews:
    """Draw how some strong views of a tile and its partner are changed.

    Args:
        rng: the sample's random numbers.
        window: height and width of the tile in pixels.
        count: of the views.
    """
    drawn = [(_appearance(rng), _appearance(rng), _box(rng, window)) for _ in range(count)]
    own, partner, boxes = zip(*drawn, strict=True)
    return StrongViews(_stacked(own), _stacked(partner), torch.tensor(boxes))


def _appearance(rng: np.random.Generator) -> tuple[float, ...]:
    """Fields of `Appearance`, of one view."""
    brightness, contrast, saturation = rng.uniform(*FACTORS, size=3)
    hue, blur = rng.uniform(-HUE, HUE), rng.uniform(*DEVIATIONS)
    is_jittered, is_grey, is_blurred = rng.random(3) < (JITTER, GREY, BLUR)
    jitter = (brightness, contrast, saturation, hue) if is_jittered else (1.0, 1.0, 1.0, 0.0)
    return (*jitter, bool(is_grey), blur if is_blurred else 0.0)


def _stacked(appearances: tuple[tuple[float, ...], ...]) -> Appearance:
    brightness, contrast, saturation, hue, grey, blur = torch.tensor(appearances, dtype=torch.float32).unbind(dim=1)
    return Appearance(brightness, contrast, saturation, hue, grey.bool(), blur)


def _box(rng: np.random.Generator, window: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of what is pasted in: of a random area and shape, anywhere in the window."""
    is_mixed = rng.random() < CUTMIX
    area, shape, down, across = rng.uniform(*AREAS) * window[0] * window[1], *rng.random(3)
    if not is_mixed:
        return 0, 0, 0, 0
    lowest, highest = max(RATIOS[0], area / window[1] ** 2), min(RATIOS[1], window[0] ** 2 / area)
    ratio = lowest + shape * (highest - lowest) if lowest < highest else window[0] / window[1]
    height, width = (
        min(side, max(1, round(pixels)))
        for side, pixels in zip(window, (math.sqrt(area * ratio), math.sqrt(area / ratio)), strict=True)
    )
    return int(down * (window[0] - height + 1)), int(across * (window[1] - width + 1)), height, width
