"""The map of a scene as cloud-optimised GeoTIFFs that lie on it: class ids, confidence, probabilities.

from data.maps.writing.raster_map import MapFiles, MapWriter
with MapWriter(MapFiles(Path("map.tif")), scene.size, scene.place, classes, colours) as writer:
    for top, ids in strips:
        writer.write(top, ids)
    writer.finish()
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.decoding.orientation import Size
from data.maps.areas import ClassAreas
from data.maps.writing.geotiff import Layer, TiledRaster
from data.maps.writing.styles import category_names, ids_style, percent_style, style_path
from data.rasters.places.place import Place
from utils.closing import Closing
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX, as_percent
from utils.runs.files import write_text


@dataclass(frozen=True)
class MapFiles:
    """The files of one map, all on the scene's grid, uint8, 255 where there are no data.

    Attributes:
        ids: class ids, with colours and names.
        confidence: the probability of the chosen class in percent.
        probabilities: in percent, a band a class.
    """

    ids: Path
    confidence: Path | None = None
    probabilities: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file beside which styles and names lie."""
        return tuple(path for path in (self.ids, self.confidence, self.probabilities) if path is not None)


class MapWriter(Closing):
    """Writes a map strip by strip, from top to bottom; a context manager.

    No more than some rows of the map are held. `finish` makes the files: until then, nothing lies under their names,
    and what was written is removed where the block ends without it. Beside `map.tif` lie `map.tif.aux.xml`, from which
    GDAL reads the classes' names, and `map.qml`, the style of QGIS.

    Args:
        files: what is written.
        size: height and width of the map.
        place: where it lies: its transform, or its ground control points; None: nowhere.
        classes: names, in the order of the ids.
        colours: RGB of each.

    Attributes:
        areas: pixels and square metres of each class, counted while they are written.

    Raises:
        OptionError: a folder cannot be written.
        DataError: the disk is full.
    """

    def __init__(
        self, files: MapFiles, size: Size, place: Place | None, classes: Sequence[str], colours: Sequence[RGB]
    ) -> None:
        self.files, self.size, self.classes, self.colours = files, size, tuple(classes), tuple(colours)
        self.areas = ClassAreas(len(classes), size, place)
        self._row = 0
        tags = {"CLASSES": json.dumps(list(classes), ensure_ascii=False)}
        with ExitStack() as opened:
            layer = Layer(("class",), tags, dict(enumerate(colours)), by_mode=True)
            self._ids = opened.enter_context(TiledRaster(files.ids, size, place, layer))
            self._confidence = self._probabilities = None
            if files.confidence is not None:
                layer = Layer(("confidence in percent",), {"UNIT": "percent"})
                self._confidence = opened.enter_context(TiledRaster(files.confidence, size, place, layer))
            if files.probabilities is not None:
                layer = Layer(self.classes, {"UNIT": "percent"})
                self._probabilities = opened.enter_context(TiledRaster(files.probabilities, size, place, layer))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Remove what is not finished."""
        self._opened.close()

    def write(
        self,
        top: int,
        ids: np.ndarray,
        confidence: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
    ) -> None:
        """Write the next strip.

        Args:
            top: its first row, where the last strip ended.
            ids: uint8 (rows, W); 255 where there are no data.
            confidence: float (rows, W) in [0, 1], where a file of it is written.
            probabilities: float (C, rows, W) in [0, 1], where a file of them is written.

        Raises:
            DataError: the disk is full.
        """
        if top != self._row or ids.ndim != 2 or ids.shape[1] != self.size[1] or top + len(ids) > self.size[0]:
            raise ValueError(
                f"a strip {ids.shape} at row {top} does not follow row {self._row} of a map {self.size}; give strips "
                "from top to bottom, each as wide as the map"
            )
        self._row += len(ids)
        lacks = ids == IGNORE_INDEX
        self.areas.add(top, ids)
        self._ids.write(ids[None])
        if self._confidence is not None:
            assert confidence is not None
            self._confidence.write(as_percent(confidence[None], lacks))
        if self._probabilities is not None:
            assert probabilities is not None
            self._probabilities.write(as_percent(probabilities, lacks))

    def finish(self) -> None:
        """Make the files, once all rows are written.

        Raises:
            OptionError: a folder cannot be written.
            DataError: the disk is full.
        """
        if self._row != self.size[0]:
            raise ValueError(f"{self._row} of {self.size[0]} rows are written; write all before finishing")
        rasters = [raster for raster in (self._ids, self._confidence, self._probabilities) if raster is not None]
        for raster in rasters:
            raster.make()
        for raster in rasters:  # only now, so that all are there or none
            is_ids = raster is self._ids
            raster.put_in_place(category_names(self.classes) if is_ids else None)
            style = ids_style(self.classes, self.colours) if is_ids else percent_style()
            write_text(style_path(raster.path), style)


def write_percent(path: Path, bands: Sequence[str], percent: np.ndarray) -> None:
    """Write a raster of percent without a place, and its style.

    Args:
        path: the GeoTIFF.
        bands: their names.
        percent: uint8 (bands, H, W), 255 where there are no data.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full.
    """
    size = (percent.shape[1], percent.shape[2])
    with TiledRaster(path, size, None, Layer(tuple(bands), {"UNIT": "percent"})) as raster:
        raster.write(percent)
        raster.make()
        raster.put_in_place()
    write_text(style_path(path), percent_style())
