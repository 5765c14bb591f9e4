"""A list of tiles that checkpoints are evaluated on, and what comes out for one of them."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.descriptions import Description
from data.labelled import require_labelled_pixels
from data.reader import check_files, open_reader
from data.samplers import OrderedBatches, build_loader
from data.samples import SegmentationSample, SegmentationTiles
from data.splits import read_names
from data.tiles import open_masks_as_filed, open_tiles
from data.transforms import segmentation_evaluation
from tools.cli.evaluate_options import views_of
from tools.cli.shared_options import resolve_cache, resolve_workers
from utils import distributed
from utils.errors import DataError
from utils.evaluation.evaluate import Network, Refine, evaluate, predict_probabilities
from utils.evaluation.intervals import Ends, Interval, class_intervals, mean_iou_interval
from utils.evaluation.metric import Scores, TileMatrices
from utils.progress import progress
from utils.suggest import first_names

_NAMED = 5  # tiles in a message
_KEPT_BYTES = 32_000_000  # of predictions that wait for being pictured; of longer lists they are made again
BATCH_SIZES = {"cpu": 4, "cuda": 16}  # on a CPU a larger batch takes memory and saves no time


@dataclass(frozen=True)
class Outcome:
    """What one kind of maps scores on a list.

    Attributes:
        tiles: the tiles' confusion matrices, int32, shape (N, C, C), rows are the truth.
        scores: of all tiles together.
        interval: of mean IoU.
    """

    tiles: Tensor
    scores: Scores
    interval: Interval


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint scores on a list.

    Attributes:
        step: of the checkpoint.
        plain, refined: of its maps, and of those that the CRF refined.
        predictions: class ids by tile, uint8, as far as they were kept.
        seconds: it took.
    """

    step: int
    plain: Outcome
    refined: Outcome | None
    predictions: Mapping[int, np.ndarray]
    seconds: float


class TileList:
    """The tiles of a list in batches, opened once for all checkpoints.

    Args:
        args: the command's options.
        description: the data set.
        path: the list.
        device: where the network runs.
        precision: its number format.

    Raises:
        OptionError: no such file.
        DataError: a tile has no mask, a file cannot be used, or no pixel has a class.
    """

    def __init__(
        self, args: argparse.Namespace, description: Description, path: Path, device: torch.device, precision: str
    ) -> None:
        self.args, self.description, self.path = args, description, path
        self.device, self.precision = device, precision
        names = read_names(path, description)
        check_masks(description, args.data_dir, names, path)
        cache = resolve_cache(args)
        self.tiles = distributed.main_first(lambda: open_tiles(description, args.data_dir, names, names, cache))
        require_labelled_pixels(self.tiles.masks, str(path))
        self.seen: int | None = None  # labelled training tiles among them, once the run's names are known
        self.file_masks = None
        if args.eval_size == "file":
            self.file_masks = distributed.main_first(lambda: open_masks_as_filed(self.tiles, cache))
        self.scenes = (
            None if description.group is None else [g or name for name, g in description.groups_of(names).items()]
        )
        self.batch_size = args.batch_size or BATCH_SIZES[device.type]
        transform = segmentation_evaluation(args.input_size, self.tiles.reader.tile_size)
        self.dataset = SegmentationTiles(self.tiles, transform)
        share = (0, distributed.rank(), distributed.world_size())
        self.loader = build_loader(
            self.dataset,
            OrderedBatches(range(len(names)), self.batch_size, *share),
            resolve_workers(args, device),
            pin_memory=device.type == "cuda",
            keep_workers=True,
        )

    def evaluate(self, network: Network, step: int, refine: Refine | None) -> Evaluation:
        """Evaluate the network on every tile; each process takes its share and knows the whole result."""
        started = time.perf_counter()
        kept: dict[int, np.ndarray] = {}
        height, width = self.tiles.reader.tile_size

        def keep(batch: SegmentationSample, prediction: Tensor) -> None:
            kept.update(
                zip(torch.as_tensor(batch.tile).tolist(), prediction.to("cpu", torch.uint8).numpy(), strict=True)
            )

        plain, refined = evaluate(
            network,
            progress(self.loader, len(self.loader), f"evaluating step {step}", "batch"),
            self.description.num_classes,
            self.device,
            self.precision,
            refine,
            views_of(self.args),
            self._masks_of if self.file_masks is not None else None,
            keep if len(self.tiles) * height * width <= _KEPT_BYTES else None,
        )
        outcomes = self._outcome(plain), self._outcome(refined) if refined else None
        return Evaluation(step, *outcomes, kept, time.perf_counter() - started)

    def _masks_of(self, batch: SegmentationSample) -> list[Tensor]:
        assert self.file_masks is not None
        return [torch.from_numpy(np.array(self.file_masks[int(tile)])) for tile in torch.as_tensor(batch.tile)]

    def _outcome(self, matrices: TileMatrices) -> Outcome:
        tiles = distributed.gather_batches(matrices.tiles, self.batch_size, len(self.tiles)).cpu()
        interval = mean_iou_interval(tiles, self.scenes, self.args.resamples, self.args.random_seed)
        return Outcome(tiles, Scores.of(tiles.sum(dim=0, dtype=torch.int64)), interval)

    def class_intervals(self, outcome: Outcome) -> dict[str, list[Ends]]:
        """Intervals of the scores of each class, from the same resamples as that of mean IoU."""
        return class_intervals(outcome.tiles, self.scenes, self.args.resamples, self.args.random_seed)

    @torch.inference_mode()
    def predictions(self, network: Network, tiles: Sequence[int]) -> list[np.ndarray]:
        """Class ids that the network predicts for some tiles, uint8, at tile size."""
        predict = partial(
            predict_probabilities, device=self.device, precision=self.precision, views=views_of(self.args)
        )
        batches = build_loader(self.dataset, OrderedBatches(tiles, 1), 0, pin_memory=False)
        return [predict(network, batch).argmax(dim=1)[0].to("cpu", torch.uint8).numpy() for batch in batches]


def check_masks(description: Description, data_dir: Path, names: Sequence[str], path: Path) -> None:
    """Stop before any work where a tile of a list has no mask.

    Raises:
        DataError: names the tiles and the first file.
    """
    reader = open_reader(description, data_dir, names)
    without = [name for name in names if not reader.has_mask(name)]
    if without:
        check_files(reader, names)  # without the images, masks are not what is missing
        raise DataError(
            f"{path}: {len(without)} of {len(names)} masks are missing ({first_names(without, _NAMED)}), the first is "
            f"{reader.mask_path(without[0])}; evaluation needs the mask of every tile: take these out of the list, or "
            "check --data-dir"
        )
