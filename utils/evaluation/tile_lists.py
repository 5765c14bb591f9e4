"""Scoring a network on the tiles of a list: the scores, their interval, and the maps that are pictured."""

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.evaluation.evaluate import IN_WINDOWS, evaluate
from utils.evaluation.intervals import Ends, Interval, class_intervals, mean_iou_interval
from utils.evaluation.large_tiles import Refine, likeliest
from utils.evaluation.metric import Scores, TileMatrices
from utils.evaluation.notes import count_labelled
from utils.evaluation.settings import ViewSettings
from utils.evaluation.views import PLAIN, maps_for_ids
from utils.evaluation.windows import Classify, Windows
from utils.imagery.colours import RGB
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.progress import progress

_KEPT_BYTES = 32_000_000  # of predictions that wait for being pictured; of longer lists they are made again


class TilePlace(NamedTuple):
    """Where a tile was cut: its scene, and row and column of its first pixel, height and width there, in pixels."""

    scene: str
    row: int
    column: int
    height: int
    width: int


class ListTiles(Protocol):
    """The tiles of a list with their masks; any object with these fields will do.

    Attributes:
        path: the list.
        names: of its tiles.
        classes, colours: pixel classes in the order of their ids, and RGB of each.
        legend: names and colours as pictures list them.
        tile_size: height and width of a tile.
        scenes: the scene of each tile; None: each tile stands for itself.
        batch_size: tiles of a batch.
        overlapping: how many tiles share pixels of a scene with another, which are scored once; None: not known.
        places: where each tile was cut, None for one of which it is not known; None: of none.
        metres_per_pixel: ground size of a tile's pixel; None: not known.
        loader: this process's share of the batches, in the order of the list; batches have a field `tile`, positions
            in the list.
    """

    path: Path
    names: Sequence[str]
    batch_size: int
    overlapping: int | None
    loader: Any

    @property
    def classes(self) -> Sequence[str]: ...  # noqa: D102 — described by the class
    @property
    def colours(self) -> Sequence[RGB]: ...  # noqa: D102
    @property
    def legend(self) -> tuple[Sequence[str], Sequence[RGB]]: ...  # noqa: D102
    @property
    def scenes(self) -> Sequence[Hashable] | None: ...  # noqa: D102
    @property
    def tile_size(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def places(self) -> Sequence[TilePlace | None] | None: ...  # noqa: D102
    @property
    def metres_per_pixel(self) -> float | None: ...  # noqa: D102

    def image(self, index: int) -> np.ndarray:
        """Image of a tile, uint8 (H, W, 3)."""
        ...

    def mask(self, index: int) -> np.ndarray:
        """Ids of a tile, uint8 (H, W)."""
        ...

    def counted(self, index: int) -> np.ndarray | None:
        """Pixels of the scene that a tile counts, bool, of the height and width of its place; None: all."""
        ...

    def one_by_one(self, tiles: Sequence[int]) -> Iterable[MaskedBatch]:
        """Some tiles, each as a batch."""
        ...

    def masks_as_filed(self, batch: Any) -> list[Tensor] | None:
        """Masks of a batch at the size of their files, uint8 (H, W) each; None where tile size is scored."""
        ...


@dataclass(frozen=True)
class ListScores:
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
class CheckpointScores:
    """What a checkpoint scores on a list.

    Attributes:
        step: of the checkpoint.
        plain, refined: of its maps, and of those that the CRF refined.
        predictions: class ids by tile, uint8, as far as they were kept.
        seconds: it took.
    """

    step: int
    plain: ListScores
    refined: ListScores | None
    predictions: Mapping[int, np.ndarray]
    seconds: float


class ListScorer:
    """Scores a network, with whatever weights it holds, on the tiles of a list.

    Args:
        network: normalised images (B, bands, H, W) -> logits (B, C, H, W), in evaluation mode.
        tiles: the list.
        device: where the network is.
        precision: its number format.
        views: whose probabilities are averaged.
        refine: also scores maps that this refines, as of `evaluate`; None: does not.
        resamples, seed: of the bootstrap, for intervals.
        labelled: names of the tiles whose masks the network has learned from; None: not known.
        pixels: how images are stored and normalised.
        windows: how tiles larger than a window are read.

    Attributes:
        num_labelled: how many tiles of the list are among those; None: not known.
    """

    def __init__(
        self,
        network: nn.Module,
        tiles: ListTiles,
        device: torch.device,
        precision: str = "fp32",
        views: ViewSettings = PLAIN,
        refine: Refine | None = None,
        resamples: int = 1000,
        seed: int = 0,
        labelled: Collection[str] | None = None,
        pixels: PixelFormat = RGB_PIXELS,
        windows: Windows = IN_WINDOWS,
    ) -> None:
        self.pixels, self.windows = pixels, windows
        self.network, self.tiles, self.device, self.precision = network, tiles, device, precision
        self.views, self.refine, self.resamples, self.seed = views, refine, resamples, seed
        self.num_labelled = None if labelled is None else count_labelled(tiles.names, labelled)

    def evaluate(self, step: int) -> CheckpointScores:
        """Score the network on every tile; each process takes its share and knows the whole result.

        Args:
            step: of the checkpoint that the network holds.

        Raises:
            BrokenMapsError: the network's output is not finite.
        """
        started, tiles = time.perf_counter(), self.tiles
        kept: dict[int, np.ndarray] = {}
        height, width = tiles.tile_size

        def keep(batch: Any, prediction: Tensor) -> None:
            kept.update(
                zip(torch.as_tensor(batch.tile).tolist(), prediction.to("cpu", torch.uint8).numpy(), strict=True)
            )

        plain, refined = evaluate(
            self.network,
            progress(tiles.loader, len(tiles.loader), f"evaluating step {step}", "batch"),
            len(tiles.classes),
            self.device,
            self.precision,
            self.refine,
            self.views,
            tiles.masks_as_filed,
            keep if len(tiles.names) * height * width <= _KEPT_BYTES else None,
            self.pixels,
            self.windows,
        )
        scores = self._scores(plain), self._scores(refined) if refined else None
        return CheckpointScores(step, *scores, kept, time.perf_counter() - started)

    def _scores(self, matrices: TileMatrices) -> ListScores:
        tiles = distributed.gather_batches(matrices.tiles, self.tiles.batch_size, len(self.tiles.names)).cpu()
        interval = mean_iou_interval(tiles, self.tiles.scenes, self.resamples, self.seed)
        return ListScores(tiles, Scores.of(tiles.sum(dim=0, dtype=torch.int64)), interval)

    def class_intervals(self, scores: ListScores) -> dict[str, list[Ends]]:
        """Intervals of the scores of each class, from the same resamples as that of mean IoU."""
        return class_intervals(scores.tiles, self.tiles.scenes, self.resamples, self.seed)

    @torch.inference_mode()
    def predictions(self, tiles: Sequence[int]) -> list[np.ndarray]:
        """Class ids that the network predicts for some tiles, uint8, at tile size."""
        classify = self.classifier(maps_for_ids)
        return [likeliest(batch, self.windows, classify) for batch in self.tiles.one_by_one(tiles)]

    def classifier(self, make_maps: Callable[..., Tensor]) -> Classify:
        """What the network makes of a batch: `maps_for_ids` or `predict_probabilities` with the list's settings."""
        return partial(
            make_maps,
            self.network,
            device=self.device,
            precision=self.precision,
            views=self.views,
            pixels=self.pixels,
        )
