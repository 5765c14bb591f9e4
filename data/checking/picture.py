"""One tile of a checked data set with its mask and its classes, to be looked at."""

import cv2
import numpy as np
from PIL import Image

from data.checking.surveyed_set import SurveyedSet
from data.decoding.masks import decode_mask, read_mask
from utils.drawing.pictures import colourise, legend_of, overlay, picture_grid, with_legend
from utils.imagery.labels import IGNORE_INDEX

_PANELS_IN_A_ROW = 4


def draw_tile(surveyed: SurveyedSet) -> Image.Image | None:
    """The tile of most evenly mixed classes: image, mask, both, each class alone; None where no image is readable."""

    def variety(name: str) -> float:
        tile = surveyed.tiles[name]
        if tile.image.fault is not None:
            return -2
        if tile.mask is None or tile.mask.fault is not None:
            return -1
        shares = np.array(tile.mask.class_pixels) / max(1, sum(tile.mask.class_pixels))
        return -float((shares * np.log(np.maximum(shares, 1e-12))).sum())  # entropy

    name = max(surveyed.tiles, key=variety)
    if variety(name) == -2:
        return None
    description = surveyed.description
    image, colours = description.bands.as_shown(surveyed.reader.image(name)), description.colours
    if variety(name) == -1:
        return picture_grid([[image]], [[f"{name}\nno usable mask"]], size=280)
    ids, off_palette = _decode_leniently(surveyed, name)
    panels = [image, colourise(ids, colours), overlay(image, ids, colours)]
    stray = f"; {off_palette:.1%} off the palette, black" if off_palette else ""
    captions = [name, "mask" + stray, "mask over image"]
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) * 0.6
    for index in np.unique(ids[ids != IGNORE_INDEX]):
        is_class = (ids == index)[..., None]
        panels.append(np.where(is_class, overlay(image, ids, colours), grey).astype(np.uint8))
        captions.append(f"{surveyed.description.classes[index]}, {is_class.mean():.1%}")
    rows = range(0, len(panels), _PANELS_IN_A_ROW)
    grid = picture_grid(
        [panels[row : row + _PANELS_IN_A_ROW] for row in rows],
        [captions[row : row + _PANELS_IN_A_ROW] for row in rows],
        size=280,
    )
    return with_legend(grid, *legend_of(*surveyed.description.legend, [ids]))


def _decode_leniently(surveyed: SurveyedSet, name: str) -> tuple[np.ndarray, float]:
    """A tile's class ids at tile size, and the share of pixels off the palette, however large it is."""
    mask = read_mask(surveyed.reader.mask_path(name), surveyed.description, surveyed.reader.palettes)
    ids, off_palette, _ = decode_mask(mask, surveyed.description)
    height, width = surveyed.reader.tile_size
    return cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), off_palette
