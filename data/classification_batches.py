"""The batches of tiles that a scene classifier is fitted on and that it scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from data.samplers import EpochBatches, OrderedBatches, build_loader
from data.samples import ClassificationTiles
from data.tiles import Tiles
from data.transforms import JointTransform, classification
from data.unreadable import MarkedTiles
from utils import distributed


@dataclass(frozen=True)
class ClassificationBatches:
    """Batches of the tiles of a list, this process's part of them; see `utils.batches.TileBatches`.

    Attributes:
        tiles: the list.
        labels: scene class id of each tile or -1, int64, shape (N,).
        input_size: height and width that tiles are resized to.
        batch_size: tiles of a batch to fit on, over all processes.
        epochs: how often a fit draws each tile.
        score_batch_size: tiles of a batch to score.
        random_scale: scale tiles to fit on by 0.5 to 1.6.
        random_mirror: mirror them left-right.
        seed: of their order and of these changes.
        workers: processes of a loader.
        pin_memory: whether batches go to a GPU.
    """

    tiles: Tiles
    labels: np.ndarray
    input_size: tuple[int, int] = (320, 320)
    batch_size: int = 4
    epochs: int = 1
    score_batch_size: int = 32
    random_scale: bool = False
    random_mirror: bool = False
    seed: int = 0
    workers: int = 0
    pin_memory: bool = False

    def fitting(self, tiles: Sequence[int], round_number: int, first_batch: int = 0) -> DataLoader[Any]:
        """All epochs of a round over labelled tiles, with the augmentation asked for."""
        stream = f"fit {round_number}"
        transform = classification(self.input_size, self.random_scale, self.random_mirror)
        share = (first_batch, distributed.rank(), distributed.world_size())
        batches = EpochBatches(tiles, self.batch_size, self.epochs, self.seed, stream, *share)
        return self._load(batches, transform, stream)

    def scoring(self, tiles: Sequence[int], first_batch: int = 0) -> DataLoader[Any]:
        """Tiles in their order, as they are."""
        share = (first_batch, distributed.rank(), distributed.world_size())
        batches = OrderedBatches(tiles, self.score_batch_size, *share)
        return self._load(batches, classification(self.input_size), "scoring")

    def _load(self, batches: EpochBatches | OrderedBatches, transform: JointTransform, stream: str) -> DataLoader[Any]:
        dataset = ClassificationTiles(self.tiles, self.labels.tolist(), transform, self.seed, stream)
        return build_loader(MarkedTiles(dataset), batches, self.workers, self.pin_memory)
