"""The batches of tiles that a scene classifier is fitted on and that it scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from data.batches.samplers import EpochBatches, OrderedBatches, build_loader
from data.batches.samples import ClassificationTiles
from data.batches.transforms import JointTransform, classification
from data.lists.unreadable import MarkedTiles
from data.settings import SampleSettings
from data.tiles import Tiles
from utils.compute import distributed


@dataclass(frozen=True)
class ClassificationBatches:
    """Batches of the tiles of a list, this process's part of them; see `utils.batches.TileBatches`.

    Attributes:
        tiles: the list.
        labels: scene class id of each tile or -1, int64, shape (N,).
        samples: their size, the batches to fit on (over all processes), and how tiles to fit on are changed.
        epochs: how often a fit draws each tile.
        score_batch_size: tiles of a batch to score.
        seed: of the order of draws and of these changes.
        workers: processes of a loader.
        pin_memory: whether batches go to a GPU.
    """

    tiles: Tiles
    labels: np.ndarray
    samples: SampleSettings
    epochs: int = 1
    score_batch_size: int = 32
    seed: int = 0
    workers: int = 0
    pin_memory: bool = False

    def fitting(self, tiles: Sequence[int], round_number: int, first_batch: int = 0) -> DataLoader[Any]:
        """All epochs of a round over labelled tiles, with the augmentation asked for."""
        samples, stream = self.samples, f"fit {round_number}"
        transform = classification(samples.input_size, samples.random_scale, samples.random_mirror)
        share = (first_batch, distributed.rank(), distributed.world_size())
        batches = EpochBatches(tiles, samples.batch_size, self.epochs, self.seed, stream, *share)
        return self._load(batches, transform, stream)

    def scoring(self, tiles: Sequence[int], first_batch: int = 0) -> DataLoader[Any]:
        """Tiles in their order, as they are."""
        share = (first_batch, distributed.rank(), distributed.world_size())
        batches = OrderedBatches(tiles, self.score_batch_size, *share)
        return self._load(batches, classification(self.samples.input_size), "scoring")

    def _load(self, batches: EpochBatches | OrderedBatches, transform: JointTransform, stream: str) -> DataLoader[Any]:
        dataset = ClassificationTiles(self.tiles, self.labels.tolist(), transform, self.seed, stream)
        return build_loader(MarkedTiles(dataset), batches, self.workers, self.pin_memory)
