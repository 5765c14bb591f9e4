"""Samples of tiles under a joint transform, addressed by draw: for segmentation and for scene classification."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.batches.samplers import Draw
from data.batches.transforms import JointTransform
from data.tiles import Tiles


class SegmentationSample(NamedTuple):
    """One tile for segmentation; a batch holds the same fields with a leading dimension B.

    image: uint8 (C, H, W), padding 0. mask: uint8 ids (H, W), 255 = ignore. size: int64 (2,), height and width
    inside the padding, which is right and below. tile: the tile's position in its list.
    """

    image: Tensor
    mask: Tensor
    size: Tensor
    tile: int


class SegmentationTiles(Dataset[SegmentationSample]):
    """Tiles with their masks under a joint transform, addressed by draw."""

    def __init__(self, tiles: Tiles, transform: JointTransform, seed: int = 0, stream: str = "segmentation") -> None:
        self.tiles, self.transform, self.seed, self.stream = tiles, transform, seed, stream

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> SegmentationSample:
        draw = Draw.of(draw)
        return self.sample(draw, draw.generator(self.seed, self.stream))

    def sample(self, draw: Draw, rng: np.random.Generator) -> SegmentationSample:
        """A draw's tile, changed by these random numbers."""
        image = to_channels_first(self.tiles.image(draw.tile))
        mask = torch.from_numpy(np.array(self.tiles.mask(draw.tile)))
        image, mask, size = self.transform(image, mask, rng)
        return SegmentationSample(image, mask, torch.tensor(size), draw.tile)


class ClassificationSample(NamedTuple):
    """One tile for scene classification; a batch holds the same fields with a leading dimension B.

    image: uint8 (C, H, W), padding 0. label: scene class id, -1 where it is not known. size, tile: as in
    `SegmentationSample`.
    """

    image: Tensor
    label: int
    size: Tensor
    tile: int


class ClassificationTiles(Dataset[ClassificationSample]):
    """Tiles with their scene labels, addressed by draw."""

    def __init__(
        self,
        tiles: Tiles,
        labels: Sequence[int],
        transform: JointTransform,
        seed: int = 0,
        stream: str = "classification",
    ) -> None:
        self.tiles, self.labels, self.transform = tiles, labels, transform
        self.seed, self.stream = seed, stream

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> ClassificationSample:
        draw = Draw.of(draw)
        image = to_channels_first(self.tiles.image(draw.tile))
        image, _, size = self.transform(image, None, draw.generator(self.seed, self.stream))
        return ClassificationSample(image, int(self.labels[draw.tile]), torch.tensor(size), draw.tile)


def to_channels_first(image: np.ndarray) -> Tensor:
    """(H, W, C) to (C, H, W), a view in channels-last memory of a copy that may be written."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
