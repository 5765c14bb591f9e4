"""How a training run looks: some labelled and unlabelled tiles with what is made of them, and what its curves show."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image

from data.descriptions import Description
from data.samplers import OrderedBatches, build_loader
from data.samples import SegmentationTiles
from data.tiles import Tiles
from data.transforms import segmentation_evaluation
from model.methods.method import Method
from model.methods.settings import MethodSettings, S4GANSettings
from utils.drawing.curves import Panel
from utils.drawing.pictures import beside, colourise, legend_of, notice, picture_grid, with_legend
from utils.evaluation.evaluate import predict_probabilities
from utils.images import to_unit_range
from utils.labels import IGNORE_INDEX

PANEL_TILES = 4  # of the labelled and of the unlabelled ones
_SIZE = 180  # pixels of a picture


def panels_of_curves(settings: MethodSettings) -> list[Panel]:
    """What the columns of `metrics.csv` are called in `curves.png`."""
    return [
        Panel("cross-entropy on labelled tiles", {"loss_ce": "loss"}),
        *(_panels_of_s4gan(settings) if isinstance(settings, S4GANSettings) else []),
        Panel("mean IoU on the validation list", {"val_mean_iou": "mean IoU"}),
    ]


def _panels_of_s4gan(settings: S4GANSettings) -> list[Panel]:
    start, threshold = settings.self_training_start, settings.threshold_st
    return [
        Panel("feature matching loss on unlabelled tiles", {"loss_fm": "loss"}),
        Panel(f"self-training loss on unlabelled tiles (after step {start})", {"loss_st": "loss"}),
        Panel("loss of the discriminator", {"loss_D": "loss"}),
        Panel(
            "score that the discriminator gives (1: drawn by a person)",
            {"D_real": "masks drawn by people", "D_fake": "predicted maps"},
            is_share=True,
        ),
        Panel(
            f"share of unlabelled tiles taken as human-made (score above {threshold:g})",
            {"believed": "share"},
            is_share=True,
        ),
    ]


def draw_panels(
    method: Method, tiles: Tiles, description: Description, input_size: tuple[int, int], step: int
) -> Image.Image:
    """Image, mask or pseudo-label, and prediction of tiles from all over the list, with a legend of the classes.

    Args:
        method: the networks, which are left in evaluation mode.
        tiles: the training tiles.
        description: names and colours of the classes.
        input_size: height and width that smaller tiles are padded to.
        step: steps finished.
    """
    labelled, unlabelled = tiles.labelled_positions()
    dataset = SegmentationTiles(tiles, segmentation_evaluation(input_size, tiles.reader.tile_size))
    blocks = [
        (spread(labelled, tiles.names, PANEL_TILES, 0.25), True),
        (spread(unlabelled, tiles.names, PANEL_TILES, 0.75), False),
    ]
    grids, headings, maps = [], [], []
    for heading, (positions, are_labelled) in zip(_headings(method, step), blocks, strict=True):
        rows, captions = [], []
        for tile, (prediction, score) in zip(positions, _predictions(method, dataset, positions), strict=True):
            target = tiles.mask(tile) if are_labelled else prediction
            reason = _no_mask(target) if are_labelled else no_pseudo_label(method.settings, score, step)
            learned = notice(reason, _SIZE) if reason else colourise(target, description.colours)
            rows.append([np.array(tiles.image(tile)), learned, colourise(prediction, description.colours)])
            kind = "" if reason else "mask" if are_labelled else "pseudo-label"
            captions.append(
                [tiles.names[tile], kind, "prediction" if score is None else f"prediction, score {score:.3f}"]
            )
            maps += [] if reason else [target]
        if positions:
            grids.append(picture_grid(rows, captions, _SIZE))
            headings.append(heading)
    return with_legend(beside(grids, headings), *legend_of(*description.legend, maps))


def spread(positions: Sequence[int], names: Sequence[str], count: int, offset: float) -> list[int]:
    """Tiles at equal distances in the order of their names, so that neighbours and kinds of a name do not crowd.

    Args:
        positions: of the tiles in the list.
        names: of all tiles of the list.
        count: how many are wanted.
        offset: of the first one, in [0, 1) of the distance between two.
    """
    ordered = sorted(positions, key=lambda position: names[position])
    if len(ordered) <= count:
        return ordered
    return [ordered[int((number + offset) * len(ordered) / count)] for number in range(count)]


def no_pseudo_label(settings: MethodSettings, score: float | None, step: int) -> str:
    """Why nothing is learned from the map of an unlabelled tile; "" where something is.

    Args:
        settings: when self-training begins, and its threshold.
        score: the discriminator's, in [0, 1]; None where there is no discriminator.
        step: steps finished.
    """
    if score is None or not isinstance(settings, S4GANSettings):
        return "not used: this run learns from labelled tiles alone"
    if step < settings.self_training_start:
        return f"no pseudo-label yet: self-training begins after step {settings.self_training_start}"
    if score <= settings.threshold_st:
        return f"no pseudo-label: the score {score:.3f} is not above the threshold {settings.threshold_st:g}"
    return ""


def _no_mask(mask: np.ndarray) -> str:
    return "no pixel of this mask has a label" if (mask == IGNORE_INDEX).all() else ""


def _headings(method: Method, step: int) -> tuple[str, str]:
    labelled, unlabelled = f"After step {step}: labelled tiles", "Unlabelled tiles"
    if not isinstance(method.settings, S4GANSettings):
        return labelled, unlabelled
    return (
        f"{labelled}. Score of a prediction: what the discriminator takes it for, from 0 (predicted) to 1 (drawn by a "
        "person)",
        f"{unlabelled}. A prediction with a score above {method.settings.threshold_st:g} becomes a pseudo-label, which "
        "the generator learns from",
    )


@torch.inference_mode()
def _predictions(
    method: Method, dataset: SegmentationTiles, positions: Sequence[int]
) -> Iterator[tuple[np.ndarray, float | None]]:
    """Class ids, uint8 (H, W), that the generator predicts for tiles, and the discriminator's score of each map."""
    generator = method.evaluated.eval()
    for batch in build_loader(dataset, OrderedBatches(positions, 1), 0, pin_memory=False):
        probabilities = predict_probabilities(generator, batch, method.device, method.execution.precision)
        height, width = probabilities.shape[2:]
        realness = method.realness(probabilities, to_unit_range(batch.image[:, :, :height, :width], method.device))
        prediction = probabilities.argmax(dim=1)[0].cpu().numpy().astype(np.uint8)
        yield prediction, None if realness is None else float(realness)
