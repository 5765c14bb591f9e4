"""The batches of tiles that the active learner fits and scores."""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from data.samplers import EpochBatches, OrderedBatches, build_loader
from data.samples import ClassificationTiles
from data.transforms import classification
from data.unreadable import MarkedTiles
from tools.al_results import LabelledList
from tools.cli.shared_options import resolve_workers
from utils import distributed


@dataclass(frozen=True)
class Feed:
    """Batches of tiles, this process's part of them.

    Attributes:
        args: the command's options.
        input_size: height and width that tiles are resized to.
        device: where they go.
    """

    args: argparse.Namespace
    input_size: tuple[int, int]
    device: torch.device

    def fitting(self, listed: LabelledList, tiles: list[int], round_number: int, first_batch: int) -> DataLoader[Any]:
        """All epochs of a round over labelled tiles, with the augmentation asked for."""
        args, stream = self.args, f"fit {round_number}"
        transform = classification(self.input_size, args.random_scale, args.random_mirror)
        dataset = ClassificationTiles(listed.tiles, listed.labels, transform, args.random_seed, stream)  # type: ignore[arg-type]
        share = (first_batch, distributed.rank(), distributed.world_size())
        batches = EpochBatches(tiles, args.batch_size, args.num_epochs, args.random_seed, stream, *share)
        return self._load(dataset, batches)

    def scoring(self, listed: LabelledList, tiles: np.ndarray | list[int], first_batch: int = 0) -> DataLoader[Any]:
        """Tiles in their order, as they are."""
        dataset = ClassificationTiles(listed.tiles, listed.labels, classification(self.input_size))  # type: ignore[arg-type]
        share = (first_batch, distributed.rank(), distributed.world_size())
        return self._load(dataset, OrderedBatches(tiles, self.args.score_batch_size, *share))  # type: ignore[arg-type]

    def _load(self, dataset: ClassificationTiles, batches: EpochBatches | OrderedBatches) -> DataLoader[Any]:
        workers = resolve_workers(self.args, self.device)
        return build_loader(MarkedTiles(dataset), batches, workers, pin_memory=self.device.type == "cuda")
