"""Scenes that an ordinary image decoder reads whole: 8 bits, grey or RGB, without a place and with data everywhere."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.checking.mask_values import MaskValues, meanings
from data.decoding.images import ImageHeader, image_file_header, image_file_size, misfit, read_image
from data.decoding.masks import DecodedMask, read_ids
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.preparing.settings import Cut
from data.preparing.tile_grid import Tile, check_scene, record_of, tile_places
from data.rasters.places.grids import Grid
from utils.compute.threads import in_threads
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX, count_classes

IMAGES, MASKS = "images/{name}.png", "masks/{name}.png"
_MEMORY = 4e9  # bytes that scenes being cut may take together
_BYTES_PER_PIXEL = 16  # of a scene being cut: image, mask, ids and what decoding needs
# Quick to write and as small as the default: neighbouring rows are alike.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)


@dataclass(frozen=True)
class PlainScene:
    """One scene: its files, and what the header of its image says."""

    name: str
    image: Path
    mask: Path | None
    header: ImageHeader


def open_plain_scenes(images: Mapping[str, Path], masks: Mapping[str, Path], cut: Cut) -> list[PlainScene]:
    """Read the headers of scenes, all of them before the first one is cut.

    Raises:
        DataError: a scene is damaged, smaller than a tile, or of another size than its mask.
    """
    return [_open(name, path, masks.get(name), cut) for name, path in sorted(images.items())]


def _open(name: str, image: Path, mask: Path | None, cut: Cut) -> PlainScene:
    header = image_file_header(image, cut.exif, mask)
    check_scene(image, name, header.size, cut, ".png")
    if mask and (fault := misfit(mask, image_file_size(mask, cut.exif, for_mask=True), header.size)) is not None:
        raise DataError(fault)
    return PlainScene(name, image, mask, header)


def cut_plain_scenes(
    scenes: Sequence[PlainScene], folder: Path, description: Description, as_given: Description, cut: Cut
) -> tuple[list[Tile], dict[str, MaskValues]]:
    """Cut scenes into PNG files, because cutting a JPEG into JPEGs would alter the pixels.

    Args:
        scenes: in the order of their tiles.
        folder: the data folder, empty.
        description: how the tiles' masks are written.
        as_given: how the scenes' masks are read.
        cut: how to cut.

    Returns:
        The tiles, and what the mask of each scene holds that has one, by the scene's name.
    """
    (folder / IMAGES).parent.mkdir()
    masks = [scene.mask for scene in scenes if scene.mask]
    if masks:
        (folder / MASKS).parent.mkdir()
    palettes = PaletteFiles(meanings(as_given), lambda: masks) if as_given.palette is None else None
    largest = max(height * width for height, width in (scene.header.size for scene in scenes))
    threads = max(1, int(_MEMORY / (_BYTES_PER_PIXEL * largest)))
    read = partial(read_ids, description=as_given, palettes=palettes)
    work = partial(_cut_scene, folder=folder, description=description, read=read, cut=cut)
    results = in_threads(work, scenes, "cutting", "scene", threads)
    found = {scene.name: values for scene, (_, values) in zip(scenes, results, strict=True) if scene.mask}
    return [tile for tiles, _ in results for tile in tiles], found


def _cut_scene(
    scene: PlainScene, folder: Path, description: Description, read: Callable[[Path], DecodedMask], cut: Cut
) -> tuple[list[Tile], MaskValues]:
    """Write a scene's tiles; returns them, and what its mask holds."""
    image = read_image(scene.image, exif=cut.exif, mask=scene.mask)
    ids, _, values = read(scene.mask) if scene.mask else (None, 0.0, MaskValues())
    grid, tiles = Grid(scene.image, scene.header.size), []
    for name, top, left in tile_places(scene.name, scene.header.size, cut):
        window = np.s_[top : top + cut.tile_size, left : left + cut.tile_size]
        counts = None
        if ids is not None:
            counts = count_classes(ids[window], description.num_classes)
            if counts.sum() < cut.min_labelled * cut.tile_size**2:
                continue
            counts = counts if counts.any() else None
        if ids is not None and counts is not None:
            write_mask(folder / MASKS.format(name=name), ids[window], description)
        _write_image(folder / IMAGES.format(name=name), image[window])
        tiles.append(Tile(record_of(name, scene.name, grid, top, left, cut), counts))
    return tiles, values


def _write_image(path: Path, image: np.ndarray) -> None:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _PNG)
    path.write_bytes(encoded.tobytes())


def write_mask(path: Path, ids: np.ndarray, description: Description) -> None:
    """Write a mask as PNG: the ids as values, and where there is a palette its colours: it reads as both."""
    mask = Image.fromarray(ids)
    if description.palette is not None:
        colours = np.zeros((256, 3), np.uint8)
        colours[: description.num_classes] = description.palette
        colours[IGNORE_INDEX] = description.ignore_colours[0]
        mask.putpalette(colours.tobytes())
    encoded = io.BytesIO()  # so that a full disk is seen as one
    mask.save(encoded, "png", compress_level=1)
    path.write_bytes(encoded.getvalue())
