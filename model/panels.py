"""How a training run looks: some labelled and unlabelled tiles with what is made of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.methods.method import Method
from model.networks.deeplabv2 import DeepLabV2
from utils.batches import MaskedBatch
from utils.drawing.pictures import beside, colourise, legend_of, notice, picture_grid, with_legend
from utils.evaluation.evaluate import IN_WINDOWS
from utils.evaluation.large_tiles import maps_of
from utils.evaluation.views import predict_probabilities
from utils.evaluation.windows import Windows
from utils.imagery.bands import RGB_BANDS, Bands
from utils.imagery.colours import RGB
from utils.imagery.images import unpack
from utils.imagery.labels import IGNORE_INDEX

PANEL_TILES = 4  # of the labelled and of the unlabelled ones
_SIZE = 180  # pixels of a picture

NamedTiles = Iterable[tuple[str, MaskedBatch]]  # each a batch of one tile


def draw_panels(
    method: Method,
    labelled: NamedTiles,
    unlabelled: NamedTiles,
    legend: tuple[Sequence[str], Sequence[RGB]],
    colours: Sequence[RGB],
    step: int,
    bands: Bands = RGB_BANDS,
    windows: Windows = IN_WINDOWS,
) -> Image.Image:
    """Image, mask or pseudo-label, and prediction of each tile, with a legend of the classes.

    Args:
        method: the networks, which are left in evaluation mode.
        labelled, unlabelled: names of tiles, and a batch of each with its mask.
        legend: names and colours of the classes that masks may hold.
        colours: RGB of each class.
        step: steps finished.
        bands: of the images, and which of them are shown.
        windows: how tiles larger than a window are read; as large as training crops they show what is learned from.
    """
    grids, headings, maps = [], [], []
    titles = (f"After step {step}: labelled tiles", "Unlabelled tiles")
    for title, note, tiles, are_labelled in zip(
        titles, method.panel_notes(), (labelled, unlabelled), (True, False), strict=True
    ):
        rows, captions = [], []
        for name, batch in tiles:
            tile = _look_at(method, batch, windows, with_pseudo_label=not are_labelled)
            target = tile.mask if tile.pseudo_label is None else tile.pseudo_label
            reason = _no_mask(tile.mask) if are_labelled else method.no_pseudo_label(tile.score, step, tile.kept)
            learned = notice(reason, _SIZE) if reason else colourise(target, colours)
            rows.append([bands.as_shown(tile.image), learned, colourise(tile.prediction, colours)])
            captions.append([name, *_captions(tile, reason)])
            maps += [] if reason else [target]
        if rows:
            grids.append(picture_grid(rows, captions, _SIZE))
            headings.append(title + note)
    return with_legend(beside(grids, headings), *legend_of(*legend, maps))


def spread(positions: Sequence[int], names: Sequence[str], offset: float, count: int = PANEL_TILES) -> list[int]:
    """Tiles at equal distances in the order of their names, so that neighbours and kinds of a name do not crowd.

    Args:
        positions: of the tiles in the list.
        names: of all tiles of the list.
        offset: of the first one, in [0, 1) of the distance between two.
        count: how many are wanted.
    """
    ordered = sorted(positions, key=lambda position: names[position])
    if len(ordered) <= count:
        return ordered
    return [ordered[int((number + offset) * len(ordered) / count)] for number in range(count)]


def _no_mask(mask: np.ndarray) -> str:
    return "no pixel of this mask has a label" if (mask == IGNORE_INDEX).all() else ""


class _Tile(NamedTuple):
    """What there is to see of a tile; images (H, W, C) and maps of ids (H, W), uint8.

    pseudo_label: None where none is asked for. kept: share of the pixels with data that have one. score: how real the
    method takes the map that pseudo-labels are made of, or else the prediction; None where it judges none.
    is_of_label: whether this map is that of another network than the prediction.
    """

    image: np.ndarray
    mask: np.ndarray
    prediction: np.ndarray
    pseudo_label: np.ndarray | None
    kept: float
    score: float | None
    is_of_label: bool


def _captions(tile: _Tile, reason: str) -> tuple[str, str]:
    """What stands under the target and the prediction; `reason` says why there is no target."""
    score = "" if tile.score is None else f", score {tile.score:.3f}"
    target = "mask"
    if tile.pseudo_label is not None:
        target = "pseudo-label" + ("" if tile.kept == 1 else f", {tile.kept:.0%} of it")
    target += score if tile.is_of_label else ""
    return "" if reason else target, "prediction" + ("" if tile.is_of_label else score)


@torch.inference_mode()
def _look_at(method: Method, batch: MaskedBatch, windows: Windows, with_pseudo_label: bool) -> _Tile:
    """What a method makes of a batch of one tile; its networks are left in evaluation mode."""
    probabilities = _probabilities(method, method.evaluated, batch, windows)
    height, width = probabilities.shape[2:]
    image, mask = batch.image[:, :, :height, :width], batch.mask[0, :height, :width]
    unit, inside = unpack(image, torch.tensor([[height, width]]), method.device, method.pixels)
    outside = ~inside[:, 0]
    prediction = probabilities.argmax(dim=1).masked_fill(outside, IGNORE_INDEX)
    label, kept, is_of_label = None, 1.0, with_pseudo_label and method.labelling is not method.evaluated
    if is_of_label:
        probabilities = _probabilities(method, method.labelling, batch, windows)
    if with_pseudo_label:
        label = method.pseudo_label(probabilities).masked_fill(outside, IGNORE_INDEX)
        kept = float((label != IGNORE_INDEX).sum() / inside.sum().clamp(min=1))
    realness = method.realness(probabilities * inside, unit)
    return _Tile(
        image[0].permute(1, 2, 0).numpy(),
        mask.numpy(),
        _as_ids(prediction),
        None if label is None else _as_ids(label),
        kept,
        None if realness is None else float(realness),
        is_of_label,
    )


def _probabilities(method: Method, network: DeepLabV2, batch: MaskedBatch, windows: Windows) -> Tensor:
    network.eval()
    precision, pixels = method.execution.precision, method.pixels
    return maps_of(
        batch, windows, lambda seen: predict_probabilities(network, seen, method.device, precision, pixels=pixels)
    )


def _as_ids(ids: Tensor) -> np.ndarray:
    return ids[0].cpu().numpy().astype(np.uint8)
