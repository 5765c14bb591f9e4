"""The map of a scene: GeoTIFF files on the scene's own grid, whatever scale the network saw it at."""

import numpy as np

from data.maps.images import MapImage
from data.maps.writing.raster_map import MapFiles, MapWriter
from data.maps.writing.target import MapTarget
from data.rasters.scene import RasterScene
from utils.evaluation.strips import MapStrip


class SceneMap:
    """`ids`, and if asked for `confidence` and `probabilities`, of a scene. Strips are written as they come.

    Args:
        image: the scene.
        target: where its map is written.

    Attributes:
        areas: pixels and square metres of each class so far.

    Raises:
        OptionError: a folder cannot be written.
        DataError: the disk is full, or the scene cannot be opened.
    """

    def __init__(self, image: MapImage, target: MapTarget) -> None:
        outputs = target.outputs
        kinds = {"ids": True, "confidence": outputs.confidence, "probabilities": outputs.probabilities}
        files = {kind: target.file(kind, image.name, ".tif") for kind, is_wanted in kinds.items() if is_wanted}
        self.path = files["ids"]
        with RasterScene.open(image.path, expand_palette=True) as scene:
            place = scene.place
        self._writer = MapWriter(MapFiles(**files), image.file_size(), place, target.classes, target.colours)
        self.areas = self._writer.areas

    @property
    def pixels(self) -> np.ndarray:
        """Of each class so far, int64 (C,)."""
        return self.areas.pixels

    def write(self, strip: MapStrip) -> None:
        """Write the next strip.

        Raises:
            DataError: the disk is full.
        """
        self._writer.write(strip.top, strip.ids, strip.confidence, strip.probabilities)

    def finish(self) -> None:
        """Make the files.

        Raises:
            DataError: the disk is full.
        """
        with self._writer:
            self._writer.finish()

    def discard(self) -> None:
        """Remove what was written."""
        self._writer.close()
