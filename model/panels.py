"""How a training run looks: some labelled and unlabelled tiles with what is made of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from model.methods.method import Method
from utils.batches import MaskedBatch
from utils.drawing.pictures import beside, colourise, legend_of, notice, picture_grid, with_legend
from utils.evaluation.views import predict_probabilities
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
) -> Image.Image:
    """Image, mask or pseudo-label, and prediction of each tile, with a legend of the classes.

    Args:
        method: the networks, which are left in evaluation mode.
        labelled, unlabelled: names of tiles, and a batch of each with its mask.
        legend: names and colours of the classes that masks may hold.
        colours: RGB of each class.
        step: steps finished.
        bands: of the images, and which of them are shown.
    """
    grids, headings, maps = [], [], []
    titles = (f"After step {step}: labelled tiles", "Unlabelled tiles")
    for title, note, tiles, are_labelled in zip(
        titles, method.panel_notes(), (labelled, unlabelled), (True, False), strict=True
    ):
        rows, captions = [], []
        for name, batch in tiles:
            image, mask, prediction, score = _predict_tile(method, batch)
            target = mask if are_labelled else prediction
            reason = _no_mask(mask) if are_labelled else method.no_pseudo_label(score, step)
            learned = notice(reason, _SIZE) if reason else colourise(target, colours)
            rows.append([bands.as_shown(image), learned, colourise(prediction, colours)])
            kind = "" if reason else "mask" if are_labelled else "pseudo-label"
            captions.append([name, kind, "prediction" if score is None else f"prediction, score {score:.3f}"])
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


@torch.inference_mode()
def _predict_tile(method: Method, batch: MaskedBatch) -> tuple[Any, Any, Any, float | None]:
    """Image (H, W, C), mask (H, W), predicted ids (H, W), uint8, of a tile, and how real the method takes its map."""
    network, precision, pixels = method.evaluated.eval(), method.execution.precision, method.pixels
    probabilities = predict_probabilities(network, batch, method.device, precision, pixels=pixels)
    height, width = probabilities.shape[2:]
    image, mask = batch.image[:, :, :height, :width], batch.mask[0, :height, :width]
    unit, inside = unpack(image, torch.tensor([[height, width]]), method.device, pixels)
    realness = method.realness(probabilities * inside if pixels.has_validity else probabilities, unit)
    prediction = probabilities.argmax(dim=1)[0].cpu().numpy().astype(np.uint8)
    if pixels.has_validity:
        prediction[~inside[0, 0].cpu().numpy()] = IGNORE_INDEX
    score = None if realness is None else float(realness)
    return image[0].permute(1, 2, 0).numpy(), mask.numpy(), prediction, score
