"""The tiles of a list: images, masks of the labelled ones and scene labels, decoded once."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as once
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.cache import CacheSettings, MappedTiles, TileArray, TileSource, open_array
from data.caching.slabs import Decoded
from data.checking.mask_values import MaskValues
from data.decoding.images import image_file_header, image_file_size
from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from data.reader import TileReader, image_states, mask_states, open_reader, paths_of
from utils.compute.threads import in_threads
from utils.drawing.pictures import colourise, overlay
from utils.imagery.labels import IGNORE_INDEX

_ADDED = "palette"  # in a mask's note: colours by index that the set's first palette file lacks
_LOOKED_AT = 16  # masks whose values are counted where no cache keeps the counts of all


@dataclass(frozen=True)
class Tiles:
    """The tiles of a list: decoded images, masks of the labelled ones, scene labels where they are known.

    Attributes:
        names: the list.
        reader: decodes what is not cached.
        images: uint8, shape (N, H, W, C): the bands, and in sets that may lack data a channel of validity.
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

    @property
    def description(self) -> Description:
        """What the data set is."""
        return self.reader.description

    @property
    def classes(self) -> tuple[str, ...]:
        """Pixel classes in the order of their ids."""
        return self.description.classes

    @property
    def num_classes(self) -> int:
        """Number of pixel classes."""
        return self.description.num_classes

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
        """Image of tile `index`; uint8 (H, W, C), RGB where the set does not name other bands."""
        return self.images[index]

    def shown(self, index: int) -> np.ndarray:
        """Image of tile `index` as a picture; RGB, uint8, shape (H, W, 3)."""
        return self.description.bands.as_shown(self.image(index))

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
        image, mask, colours = self.shown(index), self.mask(index), self.description.colours
        return np.concatenate([image, colourise(mask, colours), overlay(image, mask, colours)], axis=1)

    def mask_values(self) -> MaskValues:
        """What the files of the labelled tiles' masks hold: of all where a cache keeps it, else of up to 16."""
        if isinstance(self.masks, MappedTiles) and (notes := self.masks.notes()) is not None:
            return _together(note["values"] for note in notes)
        spread = np.linspace(0, len(self.labelled) - 1, min(_LOOKED_AT, len(self.labelled))).astype(int)
        names = [self.labelled[index] for index in spread]
        found = in_threads(lambda name: self.reader.decoded_mask(name).values, names, "looking at masks", "mask")
        return sum(found, MaskValues())

    def scene_labels(self) -> Mapping[str, str]:
        """Scene class by name, of the tiles that have one."""
        return read_scene_labels(self.description, self.reader.data_dir, self.names)


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
    of_images, of_masks = image_states(reader, names), mask_states(reader, labelled)  # nothing is decoded before
    folder = cache.writable_folder() if cache else None
    limit = cache.limit if cache else None
    images = open_array(_images(reader, names, of_images), folder, limit)
    masks = None
    if labelled:
        masks = open_array(_masks(reader, labelled, of_masks), folder, limit)
        _check_palettes(reader, masks)
    return Tiles(names, reader, images, masks, labelled)


def open_masks_as_filed(tiles: Tiles, cache: CacheSettings | None = None) -> TileArray:
    """Ids of the labelled tiles on the grids of their files; cached where all files share one size.

    Raises:
        DataError: a mask is missing or unusable.
    """
    reader, names = tiles.reader, tiles.labelled
    paths = [reader.mask_path(name) for name in names]
    sizes = {image_file_size(path, reader.description.exif, for_mask=True) for path in paths}
    folder = cache.writable_folder() if cache and len(sizes) == 1 else None

    order = once(lambda: _first_palette(reader))

    def decode(name: str) -> Decoded:
        return Decoded(reader.mask_as_filed(name), way=order() if _is_palette_file(reader, name) else None)

    source = TileSource(
        "file-masks",
        names,
        [str(path) for path in paths],
        next(iter(sizes), (0, 0)),
        _mask_settings(reader),
        reader.mask_as_filed,
        decode,
        way=lambda name: order(),
    )
    return open_array(source, folder, cache.limit if cache else None)


def _images(reader: TileReader, names: Sequence[str], states: Sequence[str]) -> TileSource:
    """Images at tile size."""
    paths = paths_of(reader.data_dir, reader.description.images, names)

    def decode(name: str) -> Decoded:
        return Decoded(reader.image(name), way=reader.image_variant(name))

    bands = reader.description.bands
    shape, settings = (*reader.tile_size, bands.pixels.channels), _size_settings(reader)
    if not bands.is_plain:
        settings |= {"bands": list(bands.indices), "ranges": list(bands.ranges), "nodata": bands.nodata}
    way = reader.image_variant
    return TileSource("images", names, paths, shape, settings, reader.image, decode, way, states)


def _masks(reader: TileReader, names: Sequence[str], states: Sequence[str]) -> TileSource:
    """Ids at tile size; a cache keeps beside them what the files hold."""
    paths = paths_of(reader.data_dir, reader.description.masks, names)
    order = once(lambda: _first_palette(reader))

    def decode(name: str) -> Decoded:
        mask = reader.decoded_mask(name)
        note: dict[str, Any] = {"values": mask.values.as_json()}
        if reader.palettes is not None and (added := reader.palettes.added_by(reader.mask_path(name))):
            note[_ADDED] = sorted(added.items())
        return Decoded(reader.at_tile_size(name, mask.ids), note, order() if _is_palette_file(reader, name) else None)

    settings = _size_settings(reader) | _mask_settings(reader)
    size, way = reader.tile_size, lambda name: order()
    return TileSource("masks", names, paths, size, settings, reader.mask, decode, way, states)


def _size_settings(reader: TileReader) -> dict[str, Any]:
    """What decoded images and masks depend on, beside their files."""
    description = reader.description
    return {
        "tile_size": list(reader.tile_size),
        "scaled": description.tile_size is not None,
        "resample": description.resample,
        "exif": description.exif,
        "format": 1,
    }


def _mask_settings(reader: TileReader) -> dict[str, Any]:
    """What decoded ids depend on, beside their files, their size and the order of palettes."""
    description = reader.description
    return {
        "format": 3,
        "palette": [list(c) for c in description.palette or ()],
        "classes": description.num_classes,
        "ignore": [*map(list, description.ignore_colours), *sorted(description.ignore_ids)],
        "binary": description.binary_channels,
        "exif": description.exif,
        "codes": [description.codes, sorted(description.ignore_codes)],
        "by_index": reader.palettes is None,
    }


def _is_palette_file(reader: TileReader, name: str) -> bool:
    """Whether the indices of a tile's mask are read by the order of the set's palettes."""
    return reader.palettes is not None and image_file_header(reader.mask_path(name), for_mask=True).mode == "P"


def _first_palette(reader: TileReader) -> str | None:
    """The colours of the set's first palette file in a few characters; None where palettes are read by index."""
    if reader.palettes is None:
        return None
    return hashlib.sha256(json.dumps(reader.palettes.first_colours()).encode()).hexdigest()[:16]


def _together(raw: Iterable[Mapping[str, Any]]) -> MaskValues:
    """The sum of values in their JSON form; of 100,000 masks, quicker than adding up `MaskValues`."""
    sums: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    for values in raw:
        for value, count in values["pixels"].items():
            pixels[value] += count
        for field in ("masks", "near", "transparent", "matched"):
            sums[field] += values[field]
    return MaskValues.from_json({**sums, "pixels": pixels})


def _check_palettes(reader: TileReader, masks: TileArray) -> None:
    """Compare palettes that were read in other runs with one another and with those that were read now.

    Raises:
        DataError: two contradict one another.
    """
    if reader.palettes is None or not isinstance(masks, MappedTiles):
        return
    for name, note in masks.notes_that_name(_ADDED):
        for index, colour in note[_ADDED]:
            reader.palettes.add(reader.mask_path(name), index, colour)
