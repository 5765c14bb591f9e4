"""How a training run looks on fixed tiles: image, mask or pseudo-label, prediction, the discriminator's opinion."""

import numpy as np
import torch
from PIL import Image

from data.descriptions import Description
from data.samplers import OrderedBatches, build_loader
from data.tiles import SegmentationTiles, Tiles
from data.transforms import segmentation_evaluation
from model.methods.s4gan import S4GAN
from utils.drawing.pictures import comparison, with_legend
from utils.evaluation.evaluate import predict_probabilities
from utils.images import to_unit_range

PANEL_TILES = 4  # of the labelled and of the unlabelled ones


@torch.inference_mode()
def draw_panels(s4gan: S4GAN, tiles: Tiles, description: Description, input_size: tuple[int, int]) -> Image.Image:
    """A row for each of the first labelled and unlabelled tiles, with a legend of the classes.

    Args:
        s4gan: the networks, which are left in evaluation mode.
        tiles: the training tiles.
        description: names and colours of the classes.
        input_size: height and width that smaller tiles are padded to.
    """
    labelled, unlabelled = tiles.labelled_positions()
    shown = [*labelled[:PANEL_TILES], *unlabelled[:PANEL_TILES]]
    dataset = SegmentationTiles(tiles, segmentation_evaluation(input_size, tiles.reader.tile_size))
    generator, settings = s4gan.generator.eval(), s4gan.settings
    images, maps, captions = [], [], []
    for batch in build_loader(dataset, OrderedBatches(shown, 1), 0, pin_memory=False):
        probabilities = predict_probabilities(generator, batch, s4gan.device, settings.precision)
        height, width = probabilities.shape[2:]
        realness = s4gan.realness(probabilities, to_unit_range(batch.image[:, :, :height, :width], s4gan.device))
        prediction = probabilities.argmax(dim=1)[0].cpu().numpy().astype(np.uint8)
        tile = int(batch.tile[0])
        is_labelled = tile in labelled
        is_believed = realness is not None and float(realness) > settings.threshold_st
        images.append(np.array(tiles.image(tile)))
        maps.append([prediction if is_believed and not is_labelled else np.array(tiles.mask(tile)), prediction])
        opinion = "" if realness is None else f"\nD: {float(realness):.2f}"
        captions.append(f"{tiles.names[tile]} ({'labelled' if is_labelled else 'unlabelled'}){opinion}")
    picture = comparison(images, maps, ["mask or pseudo-label", "prediction"], description.colours, captions)
    return with_legend(picture, *description.legend)
