"""One scene of any kind that GDAL reads, in windows: its bands, its place, its values and where they are data."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from data.rasters.files.gdal import data_errors
from data.rasters.files.headers import Band, band_of, colour_table_of, fault_of, is_inverted, kind_of, place_of
from data.rasters.files.vrt import vrt_sources
from data.rasters.places.place import GroundPoint, Place, Size
from data.rasters.valid import equals, few_values, sample_windows
from utils.closing import Closing
from utils.errors import DataError

__all__ = ["Band", "GroundPoint", "Place", "RasterScene"]

_RGB = ("red", "green", "blue")


class RasterScene(Closing):
    """An open scene; a context manager that closes it.

    An instance serves one thread at a time. All files of `KINDS` are read; of a TIFF with several pages, the first.

    Attributes:
        path: the file.
        size: height and width.
        dtype: of what `read` returns.
        driver: GDAL's name for the kind of the file.
        place: where it lies; None where the file does not say so.
        colour_table: RGBA, 0 to 255, by value, of a file whose one band beside an alpha band is of the palette
            interpretation; else None.
    """

    def __init__(self, path: Path, dataset: rasterio.DatasetReader, expand_palette: bool) -> None:
        self.path, self._dataset = path, dataset
        self.size: Size = dataset.shape
        self.driver: str = dataset.driver
        self.colour_table = colour_table_of(dataset)
        self.is_expanded = expand_palette and self.colour_table is not None
        self.dtype = np.dtype(np.uint8) if self.is_expanded else np.result_type(*dataset.dtypes)
        self.place = place_of(dataset)
        self._is_inverted = is_inverted(dataset)

    @classmethod
    def open(cls, path: Path, expand_palette: bool = False) -> "RasterScene":
        """Open a scene; nothing but its header is read.

        Args:
            path: the file.
            expand_palette: read a palette file as red, green and blue through its colour table, as an image is;
                False: as its values, as labels are. Only tables of 8- and 16-bit unsigned values count as such.

        Raises:
            DataError: missing, of another kind, damaged, of complex numbers, or not to be read in windows; a VRT's
                reasons are those of `vrt_sources`.
        """
        driver = kind_of(path)
        advice = "make it anew" if driver == "VRT" else "replace the file"
        if driver == "VRT":
            vrt_sources(path)
        with data_errors(path, "cannot be opened", advice):
            dataset = rasterio.open(path.absolute(), driver=driver)
        try:
            with data_errors(path, "cannot be opened", advice):
                if (fault := fault_of(dataset)) is not None:
                    raise DataError(f"{path} {fault}")
                return cls(path, dataset, expand_palette)
        except BaseException:
            dataset.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """All bands.

        Whether a band tagged alpha is a mask is decided on all its pixels where they are up to 4 million, else on 64
        windows of 256×256 in a grid over the scene. (Overviews do not serve: averages of two values are further ones.)
        It errs where a measured band holds one or two values in all those windows; naming the band makes it one.
        """
        dataset = self._dataset
        if self.is_expanded:
            found = [Band(i, name, name, "uint8", 8) for i, name in enumerate(_RGB, start=1)]
            return tuple(found + [self._band(i + 2) for i in dataset.indexes[1:]])
        return tuple(self._band(i) for i in dataset.indexes)

    def _band(self, index: int) -> Band:
        stored = self._stored(index)
        band = band_of(self._dataset, stored, index)
        is_mask = band.interpretation == "alpha" and self._dataset.count > 1 and self._alpha_values(stored) is not None
        return replace(band, is_mask=is_mask)

    def _stored(self, index: int) -> int:
        """The file's band; an expanded palette counts as three."""
        return max(1, index - 2) if self.is_expanded else index

    @cached_property
    def _seen(self) -> dict[int, set[float] | None]:
        return {}

    def _alpha_values(self, stored: int) -> set[float] | None:
        """Up to two values that an alpha band was seen to hold, None where it holds more; looked at once."""
        if stored not in self._seen:
            windows = sample_windows(self.size)
            self._seen[stored] = few_values(self._read([stored], Window(x, y, w, h), None)[0] for y, x, h, w in windows)
        return self._seen[stored]

    @property
    def nodata(self) -> float | None:
        """The value that the file declares to be no data, of the first band that has one; NaN where it is that."""
        return next((value for value in self._dataset.nodatavals if value is not None), None)

    @property
    def metres_per_pixel(self) -> float | None:
        """As of `Place.metres_per_pixel`; None for a scene without a place."""
        return self.place.metres_per_pixel(self.size) if self.place else None

    @property
    def factor(self) -> float:
        """Pixels of the file along a side of one of the scene: 1; others are those of `ResampledScene`."""
        return 1.0

    @property
    def file_size(self) -> Size:
        """Height and width of the file: those of the scene."""
        return self.size

    @property
    def holds_indices(self) -> bool:
        """Whether values are indices of a colour table."""
        return self.colour_table is not None and not self.is_expanded

    @property
    def block_size(self) -> Size:
        """Height and width of what the file decodes together."""
        return self._dataset.block_shapes[0]

    def may_lack_data(self, bands: Sequence[int]) -> bool:
        """Whether pixels without data are possible, as the file is declared: else `valid` is True everywhere."""
        stored = [self._stored(band) for band in bands]
        return bool(
            self._mask_bands(stored)
            or any(self._may_be_clear(self._stored(band)) for band in self._alpha_bands(bands))
            or any(self._dataset.nodatavals[band - 1] is not None for band in stored)
            or any(np.dtype(self._dataset.dtypes[band - 1]).kind == "f" for band in stored)
            or (self.colour_table is not None and self.is_expanded and (self.colour_table[:, 3] == 0).any())
        )

    def _may_be_clear(self, stored: int) -> bool:
        was_seen_whole = len(sample_windows(self.size)) == 1
        return not was_seen_whole or 0 in (self._alpha_values(stored) or {0})

    def read(
        self, top: int, left: int, height: int, width: int, bands: Sequence[int], out: Size | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read a window.

        A pixel is no data where all of the bands hold their declared nodata values, or one of them no finite number;
        where the file's mask (internal, `.msk`, of a VRT) or a band that `is_mask` is 0; or where a palette's colour is
        transparent. (In one band alone a nodata value such as 0 may be a dark pixel.)

        Args:
            top, left, height, width: the window, within the scene.
            bands: numbers of bands, as in `bands`, in the order that is wanted.
            out: height and width to decimate to, by nearest neighbour and from overviews where there are some.

        Returns:
            Values, shape (bands, H, W), of `dtype`, and whether they are data, bool, shape (H, W). Values that are no
            data are as they are in the file.

        Raises:
            DataError: the file is damaged there.
        """
        if min(top, left) < 0 or min(height, width) < 1 or top + height > self.size[0] or left + width > self.size[1]:
            raise ValueError(f"window {top, left, height, width} is not within {self.size}")
        window = Window(left, top, width, height)
        first = [1] if self.is_expanded else []  # the palette's indices, whatever else is wanted
        stored = list(dict.fromkeys([*first, *(self._stored(band) for band in bands)]))
        values = self._read(stored, window, out)
        valid = self._valid(values, stored, window, out)
        values = self._black_to_white(values)
        for index in self._alpha_bands(bands):
            valid &= self._read([self._stored(index)], window, out)[0] > 0
        if not self.is_expanded:
            return values[[stored.index(band) for band in bands]] if list(bands) != stored else values, valid
        assert self.colour_table is not None
        rgba = self.colour_table[np.minimum(values[0], len(self.colour_table) - 1)]
        valid &= (rgba[..., 3] > 0) & (values[0] < len(self.colour_table))
        planes = [rgba[..., band - 1] if band <= 3 else values[stored.index(self._stored(band))] for band in bands]
        return np.stack(planes), valid

    def _read(self, stored: Sequence[int], window: Window, out: Size | None) -> np.ndarray:
        shape = out or (window.height, window.width)
        with data_errors(self.path, f"is damaged {_where(window)}", "replace the file"):
            if len({self._dataset.dtypes[band - 1] for band in stored}) == 1:
                values = self._dataset.read(list(stored), window=window, out_shape=(len(stored), *shape))
            else:  # as a VRT may have them
                values = np.stack([self._dataset.read(band, window=window, out_shape=shape) for band in stored])
        return values.astype(self._file_dtype, copy=False)

    def _black_to_white(self, values: np.ndarray) -> np.ndarray:
        """Values that count from white, as some scanned files have them, turned to count from black."""
        if not self._is_inverted:
            return values
        return np.subtract(2 ** self.bands[0].bits - 1, values, dtype=values.dtype)

    @cached_property
    def _file_dtype(self) -> np.dtype:
        return np.result_type(*self._dataset.dtypes)

    def _valid(self, values: np.ndarray, stored: Sequence[int], window: Window, out: Size | None) -> np.ndarray:
        valid = np.ones(values.shape[1:], bool)
        if values.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        declared = [self._dataset.nodatavals[band - 1] for band in stored]
        if all(value is not None for value in declared):
            empty = [equals(plane, value) for plane, value in zip(values, declared, strict=True)]
            valid &= ~np.logical_and.reduce(empty)
        for band in self._mask_bands(stored):
            with data_errors(self.path, f"has a damaged mask {_where(window)}", "replace the file"):
                valid &= self._dataset.read_masks(band, window=window, out_shape=values.shape[1:]) > 0
        return valid

    def _mask_bands(self, stored: Sequence[int]) -> list[int]:
        """Bands whose masks are to be read: those that are neither nodata's nor an alpha band's, one if of all."""
        found = []
        for band in stored:
            flags = {flag.name for flag in self._dataset.mask_flag_enums[band - 1]}
            if "alpha" in flags or flags in ({"all_valid"}, {"nodata"}):
                continue
            found.append(band)
            if "per_dataset" in flags:
                break
        return found

    def _alpha_bands(self, chosen: Sequence[int]) -> list[int]:
        return [band.index for band in self.bands if band.is_mask and band.index not in chosen]


def _where(window: Window) -> str:
    bottom, right = window.row_off + window.height, window.col_off + window.width
    return f"in rows {window.row_off} to {bottom - 1}, columns {window.col_off} to {right - 1}"
