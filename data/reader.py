"""From a tile's name to the pixels of its files: one reader for all data sets."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from data.checking.mask_values import meanings
from data.decoding.images import ImageHeader, image_file_header, misfit, read_image
from data.decoding.masks import DecodedMask, read_ids
from data.decoding.orientation import swaps_sides
from data.decoding.palette_files import PaletteFiles, named_files
from data.descriptions import Description
from data.file_states import file_states
from utils.errors import DataError
from utils.wording import worded


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
        if not self.description.bands.is_plain:
            from data.rasters.tile_files import tile_size_of  # with GDAL

            return ImageHeader(tile_size_of(self.image_path(name)), "bands")
        return image_file_header(self.image_path(name), self.description.exif, self.mask_path(name))

    def image_as_filed(self, name: str, reduce_to: tuple[int, int] | None = None) -> np.ndarray:
        """A tile's image at the size of its file, channels as of `image`. `reduce_to` as of `read_image`."""
        if not self.description.bands.is_plain:
            from data.rasters.tile_files import read_tile  # with GDAL

            return read_tile(self.image_path(name), self.description.bands)
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
            uint8, shape (H, W, C): RGB, or the bands that the description names, and where the set may lack data a last
            channel that is 255 where there are some.

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
        return resized(image, self.tile_size, cv2.INTER_AREA if area else cv2.INTER_LINEAR)

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
    image_states(reader, names)
    mask_states(reader, with_masks)


def image_states(reader: TileReader, names: Sequence[str]) -> list[str]:
    """Size and time of the image of each tile, as text; raises as `check_files` does."""
    return file_states("images", paths_of(reader.data_dir, reader.description.images, names))


def mask_states(reader: TileReader, names: Sequence[str]) -> list[str]:
    """Size and time of the mask of each tile, as text; raises as `check_files` does."""
    return file_states("masks of labelled tiles", paths_of(reader.data_dir, reader.description.masks, names))


def paths_of(data_dir: Path, template: str, names: Sequence[str]) -> list[str]:
    """As `TileReader.image_path` and `mask_path` say it, quicker."""
    beginning, template = f"{data_dir}{os.sep}", str(Path(template))
    return [beginning + template.replace("{name}", name) for name in names]


def names_with_masks(reader: TileReader, names: Sequence[str], needs_folder: bool = True) -> list[str]:
    """Those of the names whose tile has a mask, in their order.

    Args:
        reader, names: of a list.
        needs_folder: some mask is needed, so that their whole folder missing means that the data folder is wrong.

    Raises:
        DataError: images are missing, or the folder of masks.
    """
    check_files(reader, names)
    found = [name for name in names if reader.has_mask(name)]
    folder = reader.mask_path(names[0]).parent
    if needs_folder and not found and not folder.is_dir():
        raise DataError(
            worded("no tile has a mask: the folder {} is not there; check {data_dir}, or put the masks there", folder)
        )
    return found


def resized(image: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """OpenCV's resize of any number of channels, of which it takes four at once, and drops a single one."""
    groups = [image[..., first : first + 4] for first in range(0, image.shape[2], 4)]
    resized = [cv2.resize(np.ascontiguousarray(group), size[::-1], interpolation=interpolation) for group in groups]
    return (
        np.concatenate([group.reshape(*size, -1) for group in resized], axis=2)
        if len(resized) > 1
        else (resized[0].reshape(*size, -1))
    )


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}×{shape[1]}"
