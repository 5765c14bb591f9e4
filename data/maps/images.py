"""The images that maps are made of: the files of paths, or the tiles of a list; each is read when its turn comes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from data.decoding.images import image_file_header, image_file_size, read_image
from data.decoding.orientation import turned
from data.descriptions import Description, Exif
from data.lists.splits import read_names
from data.maps.finding import find_images
from data.rasters.plain import Kind, kind_of_image
from data.reader import TileReader, resized
from utils.errors import DataError
from utils.evaluation.strips import MapStrip, OpenImage
from utils.imagery.bands import BYTES, RGB_BANDS, RGB_NAMES, Bands, OtherScale
from utils.imagery.pixels import VALID
from utils.wording import worded

if TYPE_CHECKING:  # with GDAL
    from data.maps.area_of_interest import AreaOfInterest

Size = tuple[int, int]


@dataclass(frozen=True)
class MapImage:
    """An image of which there will be a map.

    Attributes:
        name: what its maps are called, with `/` between folders; unique.
        path: the file.
        opened: its pixels as the network takes them, to be read in windows; raises DataError.
        file_size: height and width of the file, which are those of the map.
        read_as_filed: of a picture, all its pixels at the size of the file, uint8, shape (H, W, C); its maps are PNG
            files. None: of a scene, which is read in windows, and whose maps are GeoTIFF.
        size: height and width as the network takes it, where they are known before it is opened.
    """

    name: str
    path: Path
    opened: Callable[[], AbstractContextManager[OpenImage]]
    file_size: Callable[[], Size]
    read_as_filed: Callable[[], np.ndarray] | None = None
    size: Callable[[], Size] | None = None


class WholeImage:
    """The pixels of an image that is held whole.

    Args:
        pixels: uint8, shape (H, W, C).
        has_data: where they are data, bool (H, W); None: everywhere.
    """

    def __init__(self, pixels: np.ndarray, has_data: np.ndarray | None = None) -> None:
        self.pixels, self.size, self._has_data = pixels, (pixels.shape[0], pixels.shape[1]), has_data

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A window, uint8 (height, width, C)."""
        return self.pixels[top : top + height, left : left + width]

    def valid(self, top: int, rows: int) -> np.ndarray | None:
        """Where some rows hold data, bool (rows, W); None: everywhere."""
        return None if self._has_data is None else self._has_data[top : top + rows]

    def as_filed(self, strip: MapStrip) -> MapStrip:
        """The strip itself: the map of a picture is resized as a whole."""
        return strip


@dataclass(frozen=True)
class Fitting:
    """How images are brought to what a network was trained on.

    Attributes:
        bands: that it sees.
        other_scale: what becomes of a scene whose metres per pixel differ by more than 20 %: `refuse` it, `resample`
            it to the network's, or `accept` it as it is.
        scale: factor that images are resized by: ground size of their pixels over that of the training tiles'.
        exif: turn pictures as their EXIF orientation says, or not.
        area: outside of which nothing is mapped; None: everything is.
        said: remarks on scenes that were made already.
    """

    bands: Bands = RGB_BANDS
    other_scale: OtherScale = "refuse"
    scale: float = 1.0
    exif: Exif = "apply"
    area: "AreaOfInterest | None" = None
    said: set[str] = field(default_factory=set, compare=False)


def images_of_paths(paths: Sequence[Path], fitting: Fitting | None = None) -> list[MapImage]:
    """Image files, and those of folders and of all below them, in the order of their paths.

    Args:
        paths: files and folders.
        fitting: what they are brought to; None: to RGB, as they are. Scenes that lie elsewhere than its area are named
            and left out.

    Raises:
        SettingsError: a path does not exist.
        DataError: there is no image, or all lie elsewhere.
    """
    fitting = fitting or Fitting()
    return _inside([image_of(name, path, fitting) for name, path in find_images(paths).items()], fitting)


def image_of(name: str, path: Path, fitting: Fitting) -> MapImage:
    """An image file; one that cannot be opened is a picture, and reading it says why."""
    try:
        kind: Kind = kind_of_image(path)
    except DataError:
        kind = "plain"
    if kind != "scene" and _is_rgb_of_bytes(fitting.bands) and fitting.area is None:
        return _picture(name, path, fitting, has_gaps=kind == "picture")
    from data.maps.scenes import file_size_of, open_scene, read_scene

    read_as_filed = None if kind == "scene" else partial(read_scene, path, fitting)
    return MapImage(name, path, partial(open_scene, path, fitting), partial(file_size_of, path, fitting), read_as_filed)


def images_of_list(
    path: Path, description: Description, data_dir: Path, fitting: Fitting | None = None
) -> list[MapImage]:
    """The tiles of a list, in its order: at tile size where the data set has one, as in training, else as they are.

    Args:
        path: the list.
        description: the data set.
        data_dir: its folder.
        fitting: what tiles of other bands than RGB are brought to, and the area that is mapped; None: the data set's
            bands, and everything.

    Raises:
        OptionError: there is no such list.
        DataError: all tiles lie elsewhere than the area.
    """
    side = description.tile_size
    reader = TileReader(description, data_dir, (side or 0, side or 0))
    fitting = fitting or Fitting(description.bands)
    return _inside([_image_of_tile(name, reader, fitting) for name in read_names(path, description)], fitting)


def _image_of_tile(name: str, reader: TileReader, fitting: Fitting) -> MapImage:
    side, path, bands = reader.description.tile_size, reader.image_path(name), reader.description.bands
    if not (bands.is_plain and fitting.bands.is_plain) or fitting.area is not None:
        image = image_of(name, path, fitting)
        return image if side is None else replace(image, opened=partial(_of_tile_size, image, side))
    read_as_filed = partial(reader.image_as_filed, name)
    read = partial(reader.image, name) if side else read_as_filed

    def file_size() -> Size:
        return reader.image_header(name).size

    def size() -> Size:
        return (side, side) if side else file_size()

    return MapImage(name, path, partial(_held, read, lambda: None), file_size, read_as_filed, size)


@contextmanager
def _of_tile_size(image: MapImage, side: int) -> Iterator[OpenImage]:
    """Open a tile that is mapped as its file is.

    Raises:
        DataError: the file has another size than tiles in training, so that map and scores would differ.
    """
    height, width = image.file_size()
    if (height, width) != (side, side):
        raise DataError(
            worded(
                "{} is {}×{}, and tiles of the data set are brought to {}×{}; map it by {images} and {scale}",
                image.path,
                height,
                width,
                side,
                side,
            )
        )
    with image.opened() as opened:
        yield opened


def _inside(images: list[MapImage], fitting: Fitting) -> list[MapImage]:
    """Those that the area overlaps."""
    if fitting.area is None:
        return images
    from data.maps.scenes import overlapping

    return overlapping(images, fitting.area)


def _picture(name: str, path: Path, fitting: Fitting, has_gaps: bool) -> MapImage:
    """A grey or RGB image for a network of RGB; `has_gaps`: pixels without data are possible."""
    with_validity = fitting.bands.pixels.has_validity
    file_size = partial(image_file_size, path, fitting.exif)

    def size() -> Size:
        return _scaled(file_size(), fitting.scale)

    def read_as_filed() -> np.ndarray:
        image = read_image(path, exif=fitting.exif)
        if not with_validity:
            return image
        has_data = _where_data(path, fitting.exif) if has_gaps else np.ones(image.shape[:2], bool)
        return np.dstack([image * has_data[..., None], np.where(has_data, VALID, 0).astype(np.uint8)])

    def has_data() -> np.ndarray | None:
        if not has_gaps:
            return None
        found = _where_data(path, fitting.exif).astype(np.uint8)
        return cv2.resize(found, size()[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)

    def read() -> np.ndarray:
        image = read_as_filed()
        if fitting.scale == 1:
            return image
        return resized(image, size(), cv2.INTER_AREA if fitting.scale < 1 else cv2.INTER_LINEAR)

    return MapImage(name, path, partial(_held, read, has_data), file_size, read_as_filed, size)


@contextmanager
def _held(read: Callable[[], np.ndarray], has_data: Callable[[], np.ndarray | None]) -> Iterator[WholeImage]:
    yield WholeImage(read(), has_data())


def _where_data(path: Path, exif: Exif) -> np.ndarray:
    """Where a picture holds data, as its nodata value, its mask or its transparency says, bool (H, W)."""
    from data.rasters.scene import RasterScene  # with GDAL

    header = image_file_header(path, exif)
    with RasterScene.open(path, expand_palette=True) as scene:
        numbers = [band.index for band in scene.bands if not band.is_mask]
        has_data = scene.read(0, 0, *scene.size, numbers)[1]
    return turned(has_data, header.orientation) if header.is_turned else has_data


def _is_rgb_of_bytes(bands: Bands) -> bool:
    names = tuple(name.lower() for name in bands.names)
    return names == RGB_NAMES and bands.indices == (1, 2, 3) and bands.ranges == (BYTES,) * 3


def _scaled(size: Size, scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
