"""Which images an ordinary decoder reads as they are: 8 bits, grey or RGB, no place, data everywhere."""

import math
import os
from pathlib import Path
from typing import Literal

from PIL import UnidentifiedImageError

from data.decoding.images import MAX_PIXELS, open_image
from utils.errors import DataError

DECODED = (".png", ".jpg", ".jpeg", ".bmp")  # what needs no look at a place, where no file beside it gives one
_WORLD_FILES = (".wld", ".aux.xml")
Kind = Literal["plain", "picture", "scene"]


def is_plain_image(path: Path) -> bool:
    """Whether a decoder reads all that an image holds.

    Raises:
        DataError: it cannot be opened.
    """
    if _is_decoded(path):
        return True
    from data.rasters.checks import is_plain  # with GDAL, which most pictures do not need
    from data.rasters.scene import RasterScene

    with RasterScene.open(path, expand_palette=True) as scene:
        return is_plain(scene)


def kind_of_image(path: Path) -> Kind:
    """`plain` where a decoder reads all that an image holds; `picture` where pixels without data are all that it does
    not tell; `scene` for every other image, and for those of more pixels than are decoded at once.

    Raises:
        DataError: it cannot be opened.
    """
    if _is_decoded(path):
        return "plain"
    from data.rasters.checks import is_picture, is_plain
    from data.rasters.scene import RasterScene

    with RasterScene.open(path, expand_palette=True) as scene:
        if not is_picture(scene) or math.prod(scene.size) > MAX_PIXELS:
            return "scene"
        return "plain" if is_plain(scene) else "picture"


def _is_decoded(path: Path) -> bool:
    if path.suffix.lower() not in DECODED or has_neighbour(path):
        return False
    try:
        with open_image(path) as image:
            return image.mode in ("RGB", "L", "P", "1") and "transparency" not in image.info
    except (DataError, UnidentifiedImageError):  # what is wrong with it, or how it is read, is said below
        return False


def has_neighbour(path: Path) -> bool:
    """Whether a world file or metadata lie beside an image."""
    world = path.suffix[:2] + path.suffix[-1] + "w"  # .png: .pgw
    names = (path.with_suffix(world), path.with_name(path.name + "w"), *(path.with_suffix(e) for e in _WORLD_FILES))
    return any(os.path.exists(name) for name in (*names, path.with_name(path.name + ".aux.xml")))  # noqa: PTH110 — no error
