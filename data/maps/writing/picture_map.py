"""The map of a picture, an image without a place: PNG files of the size of its file, and a GeoTIFF of many bands."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from data.maps.images import MapImage
from data.maps.writing.target import MapTarget
from utils.drawing.pictures import colourise, overlay
from utils.evaluation.strips import MapStrip
from utils.imagery.labels import IGNORE_INDEX, as_percent, count_classes
from utils.runs.files import write_atomically


class PictureMap:
    """`ids`, `colour`, `overlay`, `confidence` and `probabilities` of a picture, which are held until the map is whole.

    Args:
        image: the picture.
        target: where its map is written.

    Attributes:
        pixels: of each class, int64 (C,), once the map is finished.
    """

    def __init__(self, image: MapImage, target: MapTarget) -> None:
        self.image, self.target, self.pixels = image, target, np.zeros(len(target.classes), np.int64)
        self._ids: list[np.ndarray] = []
        self._confidence: list[np.ndarray] = []
        self._probabilities: list[np.ndarray] = []

    def write(self, strip: MapStrip) -> None:
        """Take the next strip, at the size that the image was opened with."""
        self._ids.append(strip.ids)
        lacks = strip.ids == IGNORE_INDEX
        if strip.confidence is not None:
            self._confidence.append(as_percent(strip.confidence[None], lacks)[0])
        if strip.probabilities is not None:
            self._probabilities.append(as_percent(strip.probabilities, lacks))

    def finish(self) -> None:
        """Write the files, class ids first.

        Raises:
            DataError: the disk is full, or the picture is gone.
            OptionError: a folder cannot be written.
        """
        size = self.image.file_size()
        ids = _at_size(self._ids, size)
        self.pixels = count_classes(ids, len(self.target.colours))
        self._save("ids", ids)
        if self._confidence:
            self._save("confidence", _at_size(self._confidence, size))
        if self._probabilities:
            self._save_bands("probabilities", (_at_size(band, size) for band in zip(*self._probabilities, strict=True)))
        if self.target.outputs.ids_only:
            return
        assert self.image.read_as_filed is not None
        filed = self.target.shown(self.image.read_as_filed())
        self._save("colour", colourise(ids, self.target.colours))
        self._save("overlay", overlay(filed, ids, self.target.colours))

    def discard(self) -> None:
        """Leave nothing behind: no file was begun."""

    def _save_bands(self, kind: str, bands: Iterable[np.ndarray]) -> None:
        """Write bands of percent, uint8 (H, W) each; PNG has no room for them."""
        from data.maps.writing.raster_map import write_percent  # with GDAL

        path = self.target.file(kind, self.image.name, ".tif")
        write_percent(path, self.target.classes, np.stack(list(bands)))

    def _save(self, kind: str, pixels: np.ndarray) -> None:
        """Write a grey or an RGB picture. OpenCV compresses it in less than half of Pillow's time."""
        if pixels.ndim == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".png", pixels)[1].tobytes()
        write_atomically(self.target.file(kind, self.image.name, ".png"), lambda file: file.write(encoded))


def _at_size(strips: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Strips below one another, brought to a height and width by nearest neighbour."""
    values = np.concatenate(strips)
    if values.shape == size:
        return values
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
