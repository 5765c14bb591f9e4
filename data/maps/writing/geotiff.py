"""A raster that is written from top to bottom and becomes a cloud-optimised GeoTIFF as a whole."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.io import DatasetWriter

from data.decoding.orientation import Size
from data.maps.writing.errors import writing
from data.rasters.files.gdal import session
from data.rasters.places.place import Place
from utils.closing import Closing
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX
from utils.paths import private_name
from utils.runs.files import make_folder, storage_errors, write_text

_BLOCK_WIDTH = 512  # of the temporary file's tiles
_BLOCK_HEIGHT = 128  # at most: rows are held until they fill a row of tiles
_HELD = 64 << 20  # bytes of rows that are held, unless the map is wider still
_TEMPORARY = {"compress": "DEFLATE", "zlevel": 1}
_FINAL = {"compress": "DEFLATE", "predictor": "NO", "level": 3, "bigtiff": "IF_SAFER"}


@dataclass(frozen=True)
class Layer:
    """What a raster holds.

    Attributes:
        bands: their descriptions.
        tags: of the file.
        colours: RGB by value, of a raster of one band.
        by_mode: overviews hold the most frequent value, as those of class ids must; else the mean.
    """

    bands: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[int, RGB] | None = None
    by_mode: bool = False


class TiledRaster(Closing):
    """A uint8 raster with nodata 255, in a private folder beside its name until it is whole; a context manager.

    Args:
        path: the GeoTIFF that it becomes.
        size: height and width.
        place: where it lies; None: nowhere.
        layer: what it holds.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full.
    """

    def __init__(self, path: Path, size: Size, place: Place | None, layer: Layer) -> None:
        self.path, self.size, self.place, self.layer = path, size, place, layer
        self._folder = private_name(path, ".part")
        self._written, self._made = self._folder / "tiles.tif", self._folder / "map.tif"
        per_row = len(layer.bands) * size[1]
        height = min(_BLOCK_HEIGHT, max(16, _HELD // per_row // 16 * 16))
        self._held = np.empty((len(layer.bands), height, size[1]), np.uint8)
        self._top = self._count = 0  # the first held row, and how many are
        make_folder(path.parent)
        with storage_errors(path):
            self._folder.mkdir()
        try:
            self._file: DatasetWriter | None = self._open()
        except BaseException:
            self._remove()
            raise

    def close(self) -> None:
        """Close the file under way, and remove what is not in its place."""
        try:
            self._close()
        finally:
            self._remove()

    def write(self, rows: np.ndarray) -> None:
        """Write the next rows, uint8 (bands, rows, W)."""
        done = 0
        while done < rows.shape[1]:
            count = min(self._held.shape[1] - self._count, rows.shape[1] - done)
            self._held[:, self._count : self._count + count] = rows[:, done : done + count]
            self._count += count
            done += count
            if self._count == self._held.shape[1]:
                self._flush()

    def make(self) -> None:
        """Make the GeoTIFF of all rows, still in the private folder."""
        self._flush()
        self._close()
        overviews = "MODE" if self.layer.by_mode else "AVERAGE"
        threads = os.environ.get("GDAL_NUM_THREADS", "ALL_CPUS")
        with writing(self.path):
            rasterio.shutil.copy(
                self._written, self._made, driver="COG", overview_resampling=overviews, num_threads=threads, **_FINAL
            )
        self._written.unlink()
        with storage_errors(self.path), self._made.open("rb") as file:
            os.fsync(file.fileno())

    def put_in_place(self, names: Element | None = None) -> None:
        """Give the GeoTIFF its name, and write the `.aux.xml` beside it, or remove that of a file before it.

        Args:
            names: what GDAL's side file says of the first band.
        """
        made, beside = (path.with_name(f"{path.name}.aux.xml") for path in (self._made, self.path))
        content = Element("PAMDataset")
        if made.exists():  # GDAL's own, of what a GeoTIFF has no words for, such as a rare projection
            content = ElementTree.parse(made).getroot()
        if names is not None:
            band = content.find("PAMRasterBand[@band='1']")
            (SubElement(content, "PAMRasterBand", band="1") if band is None else band).append(names)
        with storage_errors(self.path):
            beside.unlink(missing_ok=True)
            self._made.replace(self.path)
        if len(content):
            ElementTree.indent(content)
            write_text(beside, ElementTree.tostring(content, encoding="unicode") + "\n")

    def _open(self) -> DatasetWriter:
        layer, (height, width) = self.layer, self.size
        profile = {"driver": "GTiff", "height": height, "width": width, "count": len(layer.bands), "dtype": "uint8"}
        profile |= {"nodata": IGNORE_INDEX, "tiled": True, "interleave": "band", "bigtiff": "IF_SAFER"}
        profile |= {"blockxsize": _BLOCK_WIDTH, "blockysize": self._held.shape[1], **_TEMPORARY, **_placed(self.place)}
        with writing(self.path):
            file = rasterio.open(self._written, "w", **profile)
            file.update_tags(**layer.tags)
            for index, name in enumerate(layer.bands, start=1):
                file.set_band_description(index, name)
            if layer.colours is not None:
                file.write_colormap(1, {value: (*colour, 255) for value, colour in layer.colours.items()})
        return file

    def _flush(self) -> None:
        if not self._count:
            return
        assert self._file is not None
        window = ((self._top, self._top + self._count), (0, self.size[1]))
        with writing(self.path):
            for index, rows in enumerate(self._held[:, : self._count], start=1):
                self._file.write(rows, index, window=window)
        self._top, self._count = self._top + self._count, 0

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with writing(self.path):
                file.close()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _placed(place: Place | None) -> dict[str, object]:
    """What rasterio is told of a place; ground control points stay such."""
    if place is None:
        return {}
    with session():
        crs = CRS.from_wkt(place.crs) if place.crs else None
    if place.gcps is None:
        return {"crs": crs, "transform": Affine(*place.transform)}
    return {"crs": crs, "gcps": [GroundControlPoint(p.row, p.column, p.x, p.y, p.z) for p in place.gcps]}
