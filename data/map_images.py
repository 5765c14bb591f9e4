"""The images that maps are made of: tiles of a list, a file, or a folder; read one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from data.decoding.images import image_file_size, read_image
from data.descriptions import Description, Exif
from data.lists.splits import IMAGE_ENDINGS, read_names
from data.preparing.archives import FolderSource
from data.reader import TileReader
from utils.errors import DataError, warn
from utils.paths import fitting_name, no_file
from utils.settings import SettingsError
from utils.wording import worded


@dataclass(frozen=True)
class MapImage:
    """An image file.

    Attributes:
        name: what its maps are called, with `/` between folders; unique.
        path: the file.
        read: its pixels at the resolution of the training tiles, uint8 RGB, shape (H, W, 3).
        read_as_filed: its pixels at the size of the file, likewise.
        file_size: height and width of the file, turned as EXIF says where the pixels are.
    """

    name: str
    path: Path
    read: Callable[[], np.ndarray]
    read_as_filed: Callable[[], np.ndarray]
    file_size: Callable[[], tuple[int, int]]


def images_of_path(path: Path, scale: float = 1.0, exif: Exif = "apply") -> list[MapImage]:
    """An image file, or those of a folder and of all below it, in the order of their paths.

    Args:
        path: the file or the folder.
        scale: factor that images are resized by: ground size of their pixels over that of the training tiles'.
        exif: turn them as their EXIF orientation says, or not.

    Raises:
        SettingsError: the path does not exist.
        DataError: there is no image.
    """
    return [_image_of(name, file, scale, exif) for name, file in _image_files(path).items()]


def images_of_list(path: Path, description: Description, data_dir: Path) -> list[MapImage]:
    """The tiles of a list, in its order: at tile size where the data set has one, as in training, else as they are.

    Args:
        path: the list.
        description: the data set.
        data_dir: its folder.

    Raises:
        OptionError: there is no such list.
    """
    side = description.tile_size
    reader = TileReader(description, data_dir, (side or 0, side or 0))
    return [_image_of_tile(name, reader) for name in read_names(path, description)]


def _image_of(name: str, path: Path, scale: float, exif: Exif) -> MapImage:
    read_as_filed = partial(read_image, path, exif=exif)
    read = partial(_scaled, read_as_filed, scale)
    return MapImage(name, path, read, read_as_filed, partial(image_file_size, path, exif))


def _image_of_tile(name: str, reader: TileReader) -> MapImage:
    read_as_filed = partial(reader.image_as_filed, name)
    read = partial(reader.image, name) if reader.description.tile_size else read_as_filed
    return MapImage(name, reader.image_path(name), read, read_as_filed, lambda: reader.image_header(name).size)


def _image_files(path: Path) -> dict[str, Path]:
    """Image files by the names of their maps: without endings, unless two files would then be called alike."""
    fault = no_file(path)
    if fault is not None and not path.is_dir():
        raise SettingsError("{images} {} {}; give an image file, or a folder of them", path, fault)
    if fault is None:
        return {_fitting(path.stem): path}
    files = [file.path for file in FolderSource(path).files if file.path.lower().endswith(IMAGE_ENDINGS)]
    if not files:
        endings = ", ".join(IMAGE_ENDINGS)
        raise DataError(worded("{images} {} holds no images; expected files that end in {}", path, endings))
    names = [file.rpartition(".")[0] for file in files]
    if len({name.lower() for name in names}) < len(names):  # in any case: some file systems do not tell them apart
        print("some images differ in their ending alone: maps keep it in their names")
        names = files
    names = [_fitting(name) for name in names]
    return dict(zip(names, (path / file for file in files), strict=True))


def _fitting(name: str) -> str:
    """A map's name to which `.png` may be added without being too long for the file system."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + fitting_name(last, ".png").removesuffix(".png")


def _scaled(read_as_filed: Callable[[], np.ndarray], scale: float) -> np.ndarray:
    image = read_as_filed()
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def read_in_groups(
    images: Sequence[MapImage], window: tuple[int, int], batch_size: int, skipped: list[str]
) -> Iterator[tuple[list[MapImage], np.ndarray]]:
    """Read images; neighbours of one size that fit into a window come together, so that they share a batch.

    Args:
        images: what to read.
        window: height and width that are classified at once.
        batch_size: images of a group, at most.
        skipped: takes the names of images that cannot be read, after a warning that says why.

    Yields:
        Images, and their pixels, uint8 RGB, shape (N, H, W, 3).
    """
    group: list[tuple[MapImage, np.ndarray]] = []
    for image in images:
        try:
            pixels = image.read()
        except DataError as error:
            warn(f"{error}; skipped")
            skipped.append(image.name)
            continue
        fits = pixels.shape[0] <= window[0] and pixels.shape[1] <= window[1]
        if group and (not fits or pixels.shape != group[0][1].shape or len(group) == batch_size):
            yield _stacked(group)
            group = []
        group.append((image, pixels))
    if group:
        yield _stacked(group)


def _stacked(group: Sequence[tuple[MapImage, np.ndarray]]) -> tuple[list[MapImage], np.ndarray]:
    return [image for image, _ in group], np.stack([pixels for _, pixels in group])
