"""From a tile's name to its image, mask and scene label: one reader, and two thin datasets on top of it."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.cache import CacheSettings, MappedTiles, TileArray, open_array
from data.checking.mask_values import MaskValues, meanings
from data.descriptions import Description
from data.images import ImageHeader, image_file_header, image_file_size, misfit, read_image
from data.masks import DecodedMask, read_ids
from data.orientation import swaps_sides
from data.palette_files import PaletteFiles, named_files
from data.samplers import Draw
from data.scene_labels import read_scene_labels
from data.transforms import JointTransform
from utils.errors import DataError
from utils.labels import IGNORE_INDEX
from utils.threads import in_threads

_LOOKED_AT = 16  # masks whose values are counted where no cache keeps the counts of all


@dataclass(frozen=True)
class TileReader:
    """Decodes the files of a data set and brings them to tile size.

    Attributes:
        description: what the data set is.
        data_dir: its folder.
        tile_size: height and width of a tile.
    """

    description: Description
    data_dir: Path
    tile_size: tuple[int, int]

    def image_path(self, name: str) -> Path:
        """Where a tile's image lies."""
        return self.data_dir / self.description.images.replace("{name}", name)

    def mask_path(self, name: str) -> Path:
        """Where a tile's mask lies, if it has one."""
        return self.data_dir / self.description.masks.replace("{name}", name)

    def image_header(self, name: str) -> ImageHeader:
        """What the header of a tile's image says: its size as it is read, and whether it is turned."""
        return image_file_header(self.image_path(name), self.description.exif, self.mask_path(name))

    def image_as_filed(self, name: str, reduce_to: tuple[int, int] | None = None) -> np.ndarray:
        """A tile's image at the size of its file; RGB, uint8, shape (H, W, 3). `reduce_to` as of `read_image`."""
        return read_image(self.image_path(name), reduce_to, self.description.exif, self.mask_path(name))

    def image_variant(self, name: str) -> str | None:
        """Whether a tile's image is turned, where that depends on its mask."""
        header = self.image_header(name)
        if self.description.exif == "ignore" or not swaps_sides(header.orientation):
            return None
        return "turned" if header.is_turned else "as stored"

    def has_mask(self, name: str) -> bool:
        """Whether a tile has a mask file."""
        return self.mask_path(name).is_file()

    def image(self, name: str) -> np.ndarray:
        """A tile's image at tile size.

        Returns:
            RGB, uint8, shape (H, W, 3).

        Raises:
            DataError: missing, damaged, of an unreadable kind, or of another size where that matters.
        """
        path = self.image_path(name)
        height, width = self.tile_size
        # From twice the tile size the mean over areas stays within a grey level of that over all pixels.
        image = self.image_as_filed(name, (2 * height, 2 * width) if self.description.tile_size else None)
        if image.shape[:2] == self.tile_size:
            return image
        if self.description.tile_size is None:
            raise DataError(
                f"{path} is {_size(image.shape)}, but other images are {_size(self.tile_size)}; "
                "give `tile_size` in dataset.json, or cut the images with `tools/prepare_data.py scenes`"
            )
        shrinks = image.shape[0] >= height and image.shape[1] >= width
        area = self.description.resample == "area" and shrinks
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)

    def mask(self, name: str) -> np.ndarray:
        """A tile's class ids at tile size: decoded first, then resized by nearest neighbour.

        Returns:
            Ids, uint8, shape (H, W); 255 where a pixel has no class.

        Raises:
            DataError: as for `image`, or more than 5 % of the pixels have a colour or id that no class has.
        """
        return self.at_tile_size(name, self.mask_as_filed(name))

    def at_tile_size(self, name: str, mask: np.ndarray) -> np.ndarray:
        """Bring a tile's ids (H, W) from the size of their file to tile size, as `mask` does."""
        image_size = self.image_header(name).size
        if (fault := misfit(self.mask_path(name), mask.shape, image_size, self.description.size_tolerance)) is not None:
            raise DataError(fault)
        if mask.shape == self.tile_size:
            return mask
        height, width = self.tile_size
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

    def mask_as_filed(self, name: str) -> np.ndarray:
        """A tile's class ids at the size of its file; uint8, shape (H, W)."""
        return self.decoded_mask(name).ids

    def decoded_mask(self, name: str) -> DecodedMask:
        """A tile's class ids at the size of its file, and what the file holds."""
        path = self.mask_path(name)
        mask = read_ids(path, self.description, self.palettes)
        if mask.off_palette:
            text = f"{path}: {mask.off_palette:.2%} of the pixels belong to no class and are ignored"
            warnings.warn(text, stacklevel=2)
        return mask

    @cached_property
    def palettes(self) -> PaletteFiles | None:
        """How the set's palette files order their colours; None where their indices or colours say all."""
        if self.description.palette is not None or self.description.ids_by_index:
            return None
        return PaletteFiles(meanings(self.description), self._mask_files)

    def _mask_files(self) -> Iterator[Path]:
        """All masks whose images are there, in the order of their names."""
        found = named_files(self.data_dir, self.description.masks)
        return (path for name, path in found if self.image_path(name).is_file())


def open_reader(description: Description, data_dir: Path, names: Sequence[str]) -> TileReader:
    """A reader whose tile size is the description's, or else the size of the first image.

    Raises:
        DataError: the first image is missing or damaged.
    """
    size = description.tile_size
    reader = TileReader(description, data_dir, (size or 0, size or 0))
    return reader if size else replace(reader, tile_size=reader.image_header(names[0]).size)


def check_files(reader: TileReader, names: Sequence[str], with_masks: Sequence[str] = ()) -> None:
    """Stop before any work when a file is missing.

    Raises:
        DataError: names the first missing files and counts the rest.
    """
    for kind, paths in (
        ("images", [reader.image_path(name) for name in names]),
        ("masks of labelled tiles", [reader.mask_path(name) for name in with_masks]),
    ):
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(paths)} {kind} are missing, the first is {missing[0]}; "
                "check --data-dir and the list"
            )


def names_with_masks(reader: TileReader, names: Sequence[str]) -> list[str]:
    """Those of the names whose tile has a mask, in their order.

    Raises:
        DataError: images are missing, or the whole folder of masks: then the data folder is the wrong one.
    """
    check_files(reader, names)
    found = [name for name in names if reader.has_mask(name)]
    folder = reader.mask_path(names[0]).parent
    if not found and not folder.is_dir():
        raise DataError(
            f"no tile has a mask: the folder {folder} is not there; check --data-dir, or put the masks there"
        )
    return found


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}×{shape[1]}"


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


class SegmentationSample(NamedTuple):
    """One tile for segmentation; a batch holds the same fields with a leading dimension B.

    image: uint8 RGB (3, H, W), padding 0. mask: uint8 ids (H, W), 255 = ignore. size: int64 (2,), height and width
    inside the padding, which is right and below. tile: the tile's position in its list.
    """

    image: Tensor
    mask: Tensor
    size: Tensor
    tile: int


class SegmentationTiles(Dataset[SegmentationSample]):
    """Tiles with their masks under a joint transform, addressed by draw."""

    def __init__(self, tiles: Tiles, transform: JointTransform, seed: int = 0, stream: str = "segmentation") -> None:
        self.tiles, self.transform, self.seed, self.stream = tiles, transform, seed, stream

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> SegmentationSample:
        draw = Draw.of(draw)
        image = to_channels_first(self.tiles.image(draw.tile))
        mask = torch.from_numpy(np.array(self.tiles.mask(draw.tile)))
        image, mask, size = self.transform(image, mask, draw.generator(self.seed, self.stream))
        return SegmentationSample(image, mask, torch.tensor(size), draw.tile)


class ClassificationSample(NamedTuple):
    """One tile for scene classification; a batch holds the same fields with a leading dimension B.

    image: uint8 RGB (3, H, W), padding 0. label: scene class id, -1 where it is not known. size, tile: as in
    `SegmentationSample`.
    """

    image: Tensor
    label: int
    size: Tensor
    tile: int


class ClassificationTiles(Dataset[ClassificationSample]):
    """Tiles with their scene labels, addressed by draw."""

    def __init__(
        self,
        tiles: Tiles,
        labels: Sequence[int],
        transform: JointTransform,
        seed: int = 0,
        stream: str = "classification",
    ) -> None:
        self.tiles, self.labels, self.transform = tiles, labels, transform
        self.seed, self.stream = seed, stream

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> ClassificationSample:
        draw = Draw.of(draw)
        image = to_channels_first(self.tiles.image(draw.tile))
        image, _, size = self.transform(image, None, draw.generator(self.seed, self.stream))
        return ClassificationSample(image, int(self.labels[draw.tile]), torch.tensor(size), draw.tile)


def to_channels_first(image: np.ndarray) -> Tensor:
    """(H, W, 3) to (3, H, W), a view in channels-last memory of a copy that may be written."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
