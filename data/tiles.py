"""The tiles of a list: images, masks of the labelled ones and scene labels, decoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.cache import CacheSettings, MappedTiles, TileArray, open_array
from data.checking.mask_values import MaskValues
from data.descriptions import Description
from data.images import image_file_header, image_file_size
from data.reader import TileReader, check_files, open_reader
from data.scene_labels import read_scene_labels
from utils.drawing.pictures import colourise, overlay
from utils.labels import IGNORE_INDEX
from utils.threads import in_threads

_LOOKED_AT = 16  # masks whose values are counted where no cache keeps the counts of all


@dataclass(frozen=True)
class Tiles:
    """The tiles of a list: decoded images, masks of the labelled ones, scene labels where they are known.

    Attributes:
        names: the list.
        reader: decodes what is not cached.
        images: uint8, shape (N, H, W, 3).
        masks: uint8, shape (M, H, W), of the labelled tiles only.
        labelled: names of those M tiles, in the order of `masks`.
    """

    names: Sequence[str]
    reader: TileReader
    images: TileArray
    masks: TileArray | None
    labelled: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _mask_rows(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.labelled)}

    def indices_of(self, names: Sequence[str]) -> list[int]:
        """Positions of names in the list."""
        position = {name: index for index, name in enumerate(self.names)}
        return [position[name] for name in names]

    def labelled_positions(self) -> tuple[list[int], list[int]]:
        """Positions of the labelled and of the other tiles, in the order of the list."""
        labelled = [i for i, name in enumerate(self.names) if name in self._mask_rows]
        others = [i for i, name in enumerate(self.names) if name not in self._mask_rows]
        return labelled, others

    def image(self, index: int) -> np.ndarray:
        """Image of tile `index`; uint8 (H, W, 3)."""
        return self.images[index]

    def mask(self, index: int) -> np.ndarray:
        """Ids of tile `index`, uint8 (H, W); all 255 where the tile was not opened as a labelled one."""
        row = self._mask_rows.get(self.names[index])
        if row is None or self.masks is None:
            return np.full(self.reader.tile_size, IGNORE_INDEX, np.uint8)
        return self.masks[row]

    def picture(self, index: int) -> np.ndarray:
        """Image, class colours and both on one another, side by side; RGB, uint8, shape (H, 3·W, 3).

        Pixels without a class are black in the middle one.
        """
        image, mask, colours = self.image(index), self.mask(index), self.reader.description.colours
        return np.concatenate([image, colourise(mask, colours), overlay(image, mask, colours)], axis=1)

    def mask_values(self) -> MaskValues:
        """What the files of the labelled tiles' masks hold: of all where a cache keeps it, else of up to 16."""
        if isinstance(self.masks, MappedTiles) and (notes := self.masks.notes()) is not None:
            return MaskValues.from_json(notes)
        spread = np.linspace(0, len(self.labelled) - 1, min(_LOOKED_AT, len(self.labelled))).astype(int)
        names = [self.labelled[index] for index in spread]
        found = in_threads(lambda name: self.reader.decoded_mask(name).values, names, "looking at masks", "mask")
        return sum(found, MaskValues())

    def scene_labels(self) -> Mapping[str, str]:
        """Scene class by name, of the tiles that have one."""
        return read_scene_labels(self.reader.description, self.reader.data_dir, self.names)


def open_tiles(
    description: Description,
    data_dir: Path,
    names: Sequence[str],
    labelled: Sequence[str] = (),
    cache: CacheSettings | None = None,
) -> Tiles:
    """Open the tiles of a list, decoding each file once where a cache can be kept.

    Args:
        description: what the data set is.
        data_dir: its folder.
        names: the list.
        labelled: the names whose masks are needed; no other mask is touched.
        cache: where decoded tiles are kept; None decodes at every access.

    Raises:
        DataError: a needed file is missing or unusable.
    """
    reader = open_reader(description, data_dir, names)
    check_files(reader, names, labelled)
    folder = cache.writable_folder() if cache else None
    height, width = reader.tile_size
    settings = {
        "tile_size": [height, width],
        "resample": description.resample,
        "exif": description.exif,
        "format": 1,
    }
    paths = [reader.image_path(name) for name in names]
    shape = (height, width, 3)
    images = open_array("images", names, paths, reader.image, shape, settings, folder, variant=reader.image_variant)
    masks = None
    if labelled:
        masks = _open_masks(reader, labelled, settings, folder)
    return Tiles(names, reader, images, masks, labelled)


def _open_masks(reader: TileReader, names: Sequence[str], settings: dict[str, Any], folder: Path | None) -> TileArray:
    """Ids of the labelled tiles at tile size; a cache keeps beside them what the files hold."""
    seen: list[MaskValues] = []

    def decode(name: str) -> np.ndarray:
        mask = reader.decoded_mask(name)
        seen.append(mask.values)
        return reader.at_tile_size(name, mask.ids)

    def notes() -> dict[str, Any]:
        return sum(seen, MaskValues()).as_json()

    paths = [reader.mask_path(name) for name in names]
    settings = settings | _mask_settings(reader, paths)
    return open_array(
        "masks", names, paths, decode if folder else reader.mask, reader.tile_size, settings, folder, notes
    )


def open_masks_as_filed(tiles: Tiles, cache: CacheSettings | None = None) -> TileArray:
    """Ids of the labelled tiles on the grids of their files; cached where all files share one size.

    Raises:
        DataError: a mask is missing or unusable.
    """
    reader, names = tiles.reader, tiles.labelled
    paths = [reader.mask_path(name) for name in names]
    sizes = {image_file_size(path, reader.description.exif, for_mask=True) for path in paths}
    folder = cache.writable_folder() if cache and len(sizes) == 1 else None
    settings = _mask_settings(reader, paths)
    return open_array("file-masks", names, paths, reader.mask_as_filed, next(iter(sizes), (0, 0)), settings, folder)


def _mask_settings(reader: TileReader, paths: Sequence[Path]) -> dict[str, Any]:
    """What decoded ids depend on, beside the files and their size."""
    description, palettes = reader.description, reader.palettes
    in_order = palettes is not None and image_file_header(paths[0], for_mask=True).mode == "P"
    return {
        "format": 2,
        "palette": [list(c) for c in description.palette or ()],
        "classes": description.num_classes,
        "ignore": [*map(list, description.ignore_colours), *sorted(description.ignore_ids)],
        "binary": description.binary_channels,
        "exif": description.exif,
        "codes": [description.codes, sorted(description.ignore_codes)],
        "palettes": palettes.first_colours() if palettes is not None and in_order else [],
    }
