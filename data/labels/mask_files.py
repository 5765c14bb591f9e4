"""Mask files in any raster format: the bands that hold labels, colour tables, and the values of single pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from data.checking.mask_values import as_number
from data.decoding.orientation import Size
from data.rasters.files.colour_tables import colour_table
from data.rasters.files.gdal import data_errors
from data.rasters.files.headers import kind_of
from data.rasters.files.vrt import vrt_sources
from data.rasters.places.grids import Six
from utils.errors import DataError

_MOST = 1 << 24  # pixels that are read at once; where more are needed, they are read in parts


class MaskFile:
    """A raster file of ids, codes, palette indices or colours. GDAL's files serve one thread at a time.

    Args:
        path: the file; a colour table may lie in its `.aux.xml`.
        as_ids: it holds ids; else colours.

    Attributes:
        size: height and width.
        crs: as WKT, None where it has none.
        transform: from pixels to the map, None where it has none.
        colours: RGBA by index, uint8 (N, 4), where the file has a colour table.

    Raises:
        DataError: missing, not read by GDAL, or its bands are neither ids nor colours.
    """

    def __init__(self, path: Path, as_ids: bool) -> None:
        self.path = path
        self._file = open_raster(path)
        try:
            self._bands = self._choose_bands(as_ids)
            self.colours = colour_table(self._file)
        except BaseException:
            self._file.close()
            raise
        self.size: Size = (self._file.height, self._file.width)
        self.crs, self.transform = place_of(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def has_control_points(self) -> bool:
        """Whether the place is given by ground control points."""
        return bool(self._file.gcps[0])

    @property
    def nodata(self) -> float | None:
        """The value that is declared to be no data; None where there is none."""
        flags = self._file.mask_flag_enums[self._bands[0] - 1]
        return self._file.nodata if MaskFlags.nodata in flags else None

    def _choose_bands(self, as_ids: bool) -> list[int]:
        """The bands with ids, or with red, green and blue."""
        kinds = dict(zip(self._file.indexes, self._file.colorinterp, strict=True))
        bands = [band for band, kind in kinds.items() if kind != ColorInterp.alpha]
        dtypes = sorted({self._file.dtypes[band - 1] for band in bands})
        if any(dtype.startswith("complex") for dtype in dtypes):
            raise DataError(f"{self.path} holds complex numbers; a mask holds class codes or colours")
        if as_ids:
            if len(bands) != 1:
                raise DataError(
                    f"{self.path} has {len(bands)} bands, expected one of class ids; give the colours as --palette "
                    "(prepare_data.py scenes) or as `palette` in dataset.json"
                )
            return bands
        if len(bands) not in (1, 3) or dtypes != ["uint8"]:
            raise DataError(
                f"{self.path} has {len(bands)} bands of {'/'.join(dtypes)}, expected colours: red, green and blue of 8 "
                "bits, or one band with a colour table; without --palette a mask of one band holds codes"
            )
        by_kind = {kind: band for band, kind in kinds.items()}
        rgb = [by_kind.get(kind) for kind in (ColorInterp.red, ColorInterp.green, ColorInterp.blue)]
        return [band for band in rgb if band] if len(bands) == 3 and all(rgb) else bands

    def window(self, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """The values of a window that may reach beyond the file; returned and raised as by `pixels`."""
        first, last = max(0, top), min(self.size[0], top + height)
        west, east = max(0, left), min(self.size[1], left + width)
        if first >= last or west >= east:
            return self._nothing(height, width)
        values, valid = self._read(Window(west, first, east - west, last - first))
        if valid.shape == (height, width):
            return values, valid
        margins = (first - top, top + height - last), (west - left, left + width - east)
        return np.pad(values, ((0, 0), *margins)), np.pad(valid, margins)

    def _nothing(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        dtype = np.uint8 if self._file.dtypes[self._bands[0] - 1] == "uint8" else np.uint16
        return np.zeros((len(self._bands), height, width), dtype), np.zeros((height, width), bool)

    def pixels(self, rows: np.ndarray, columns: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values of single pixels.

        Args:
            rows, columns: of the pixels, integers (h, w).
            inside: where the file has them, bool (h, w).

        Returns:
            Values, uint8 or uint16 (bands, h, w), of one band of ids or three of colours; and where they are data.

        Raises:
            DataError: the file is damaged, or holds ids that are no whole numbers of 0 to 65535.
        """
        height, width = inside.shape
        if not inside.any():
            return self._nothing(height, width)
        top, left = rows[inside].min(), columns[inside].min()
        bottom, right = rows[inside].max() + 1, columns[inside].max() + 1
        if (bottom - top) * (right - left) > _MOST and inside.size > 1:  # a mask much finer than the image
            axis = int(width > height)
            parts = zip(*(np.array_split(side, 2, axis) for side in (rows, columns, inside)), strict=True)
            values, valid = zip(*(self.pixels(*part) for part in parts), strict=True)
            return np.concatenate(values, axis + 1), np.concatenate(valid, axis)
        values, valid = self._read(Window(int(left), int(top), int(right - left), int(bottom - top)))
        rows, columns = np.where(inside, rows - top, 0), np.where(inside, columns - left, 0)
        return values[:, rows, columns], valid[rows, columns] & inside

    def _read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        with data_errors(self.path, "is damaged", "replace the file"):
            values = self._file.read(self._bands, window=window)
            valid = self._file.dataset_mask(window=window) != 0
        return (values, valid) if values.dtype in (np.uint8, np.uint16) else self._as_codes(values, valid)

    def _as_codes(self, values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whole numbers of other types, which GIS programs write, as uint16."""
        valid = valid & ~np.isnan(values[0])
        numbers = np.where(valid, values, 0)
        wrong = (numbers < 0) | (numbers > np.iinfo(np.uint16).max) | (numbers != np.floor(numbers))
        if wrong.any():
            raise DataError(
                f"{self.path} holds {numbers[wrong][0]:g}; class codes are whole numbers of 0 to 65535, and a value "
                "that means no class has to be declared as nodata"
            )
        return numbers.astype(np.uint16), valid


def open_raster(path: Path) -> Any:
    """A raster file, open for reading.

    Raises:
        DataError: missing, damaged, or of a kind that is not read; a VRT's reasons are those of `vrt_sources`.
    """
    driver = kind_of(path)
    if driver == "VRT":
        vrt_sources(path)
    with data_errors(path, "cannot be read as a raster", "replace the file"):
        return rasterio.open(path.absolute(), driver=driver)


def place_of(file: Any) -> tuple[str | None, Six | None]:
    """CRS as WKT and transform of an open raster; None where it has none."""
    transform = None if file.transform == Affine.identity() else file.transform
    crs = file.crs.to_wkt() if file.crs and transform is not None else None
    return crs, None if transform is None else (
        transform.a, transform.b, transform.c, transform.d, transform.e, transform.f,
    )  # fmt: skip


def palette_in_file(path: Path) -> list[int] | None:
    """Colours of a raster file by index, as 0xRRGGBB; None where it has no colour table."""
    with open_raster(path) as file:
        table = colour_table(file)
    return None if table is None else [as_number(colour) for colour in table]
