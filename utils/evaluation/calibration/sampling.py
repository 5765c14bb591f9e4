"""A second look at a list with the chosen checkpoint: probabilities of some pixels of every tile, and their classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.compute import distributed
from utils.evaluation.large_tiles import tile_image
from utils.evaluation.tile_lists import ListScorer
from utils.evaluation.views import predict_probabilities, size_inside
from utils.evaluation.windows import classified_pieces
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import VALID
from utils.progress import progress

PIXELS_OF_TILE = 1024  # at most: neighbours tell little more
_NUMBERS = 8_000_000  # that a list's sample holds at most, 4 bytes each, as long as each tile has a pixel
KeepPiece = Callable[[int, int, int, Tensor], None]  # tile, top, left, probabilities


@dataclass(frozen=True)
class ConfidenceSample:
    """Labelled pixels drawn from every tile of a list, each of which counts once.

    Attributes:
        probabilities: float32, shape (P, C).
        labels: int64, shape (P,).
        weights: labelled pixels that each stands for, float64, shape (P,).
    """

    probabilities: Tensor
    labels: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@torch.inference_mode()
def sample_confidence(scorer: ListScorer, keep: KeepPiece | None = None) -> ConfidenceSample:
    """Predict all tiles of a list at tile size; each process takes its share and has the whole sample in the end.

    Which pixels are drawn follows from the scorer's seed and the tile's position, whatever the number of processes.

    Args:
        scorer: of the list, with the network's weights in place.
        keep: called with pieces of this process's tiles: the tile's position in the list, the piece's upper left pixel
            in the tile, and its probabilities, float32 (C, h, w), which are 0 where there are no data.
    """
    tiles, size = scorer.tiles, scorer.tiles.tile_size
    count, classes = len(tiles.names), len(tiles.classes)
    most = max(1, min(PIXELS_OF_TILE, _NUMBERS // classes // count, size[0] * size[1]))
    drawn: list[_TilePixels] = []
    for batch in progress(tiles.loader, len(tiles.loader), "measuring the confidence", "batch"):
        masks, valid = _scored(batch, scorer)
        of_batch = [
            _TilePixels(mask, most, classes, np.random.default_rng((scorer.seed, tile)))
            for tile, mask in zip(torch.as_tensor(batch.tile).tolist(), masks, strict=True)
        ]
        for number, top, left, maps in _pieces(scorer, batch):
            of_batch[number].take(top, left, maps)
            if keep is not None:
                inside = valid[number, top : top + maps.shape[1], left : left + maps.shape[2]]
                keep(int(batch.tile[number]), top, left, maps * inside)
        drawn += of_batch
    probabilities = _stacked([each.probabilities for each in drawn], torch.zeros(0, most, classes))
    labels = _stacked([each.labels for each in drawn], torch.zeros(0, most, dtype=torch.int64))
    weights = _stacked([each.weights for each in drawn], torch.zeros(0, most))
    device = scorer.device  # that messages between processes come from
    gathered = [
        distributed.gather_batches(part.to(device), tiles.batch_size, count).cpu().flatten(0, 1)
        for part in (probabilities, labels, weights)
    ]
    is_drawn = gathered[2] > 0
    return ConfidenceSample(gathered[0][is_drawn], gathered[1][is_drawn], gathered[2][is_drawn].double())


class _TilePixels:
    """Up to so many labelled pixels of a tile; the rows beyond them have the weight 0.

    Args:
        mask: ids, uint8 (H, W); 255 is never drawn.
        most: rows.
        classes: C.
        rng: of the drawing.
    """

    def __init__(self, mask: Tensor, most: int, classes: int, rng: np.random.Generator) -> None:
        labelled = np.flatnonzero((mask != IGNORE_INDEX).flatten().numpy())
        chosen = rng.choice(labelled, min(most, len(labelled)), replace=False, shuffle=False)
        places = torch.from_numpy(chosen)
        self._rows, self._columns = places // mask.shape[1], places % mask.shape[1]
        self.probabilities = torch.zeros(most, classes)
        self.labels, self.weights = torch.zeros(most, dtype=torch.int64), torch.zeros(most)
        self.labels[: len(places)] = mask.flatten()[places].long()
        self.weights[: len(places)] = len(labelled) / max(1, len(places))

    def take(self, top: int, left: int, maps: Tensor) -> None:
        """Take the probabilities of a piece of the tile, (C, h, w)."""
        rows, columns = self._rows - top, self._columns - left
        inside = (rows >= 0) & (rows < maps.shape[1]) & (columns >= 0) & (columns < maps.shape[2])
        numbers = inside.nonzero()[:, 0]
        self.probabilities[numbers] = maps[:, rows[numbers], columns[numbers]].T


def _scored(batch: Any, scorer: ListScorer) -> tuple[Tensor, Tensor]:
    """Masks of a batch, 255 where there are no data, and where there are some; uint8 and bool, (B, h, w)."""
    height, width = size_inside(batch)
    masks, valid = batch.mask[:, :height, :width], torch.ones(len(batch.mask), height, width, dtype=torch.bool)
    if scorer.pixels.has_validity:
        valid = batch.image[:, -1, :height, :width] == VALID
    return masks.masked_fill(~valid, IGNORE_INDEX), valid


def _pieces(scorer: ListScorer, batch: Any) -> Iterator[tuple[int, int, int, Tensor]]:
    """The tiles of a batch, large ones in windows: number in the batch, first row and column, and probabilities,
    float32 (C, h, w), on the CPU."""
    classify = scorer.classifier(predict_probabilities)
    plan = scorer.windows.plan(size_inside(batch))
    if plan.is_single:
        for number, one in enumerate(classify(batch).cpu()):
            yield number, 0, 0, one
        return
    for number in range(len(batch.image)):
        image = tile_image(batch, number)
        for piece in classified_pieces(image, plan, classify, scorer.windows.at_once(plan.window)):
            yield number, piece.row.first, piece.column.first, piece.maps.cpu()


def _stacked(rows: list[Tensor], none: Tensor) -> Tensor:
    """Rows of this process's tiles, of which there may be none."""
    return torch.stack(rows) if rows else none
