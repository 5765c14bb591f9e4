"""What the header of a scene says: its kind, bands, colour table and place, and why it is not read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.transform
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError

from data.rasters.files.gdal import KINDS, driver_of
from data.rasters.places.place import IDENTITY, GroundPoint, Place
from utils.errors import DataError
from utils.paths import MISSING, no_file, reason_of, remedy_of

_LARGEST_BLOCK = 1 << 30  # bytes that are decoded together to read one pixel of a file
_TABLE_TYPES = ("uint8", "uint16")  # of values that colour tables are for


@dataclass(frozen=True)
class Band:
    """A band of a scene.

    Attributes:
        index: from 1, as in the file.
        name: its description, else its interpretation, else `band N`.
        interpretation: of its colour, in GDAL's words: `red`, `gray`, `alpha`, `nir`, `undefined` and others.
        dtype: numpy's name of its values' type.
        bits: bits that hold a value; fewer than those of the type where the file says so.
        is_mask: tagged alpha, and holding no more than two values: it says where there are data.
    """

    index: int
    name: str
    interpretation: str
    dtype: str
    bits: int
    is_mask: bool = False


def kind_of(path: Path) -> str:
    """GDAL's name for the kind of a file.

    Raises:
        DataError: missing, not to be read, or of no kind that is read.
    """
    if (fault := no_file(path)) is not None:
        raise DataError(f"{path} {'is missing' if fault == MISSING else fault}; check the path")
    try:
        driver = driver_of(path)
    except OSError as error:
        advice = remedy_of(error, "check the file")
        raise DataError(f"{path} cannot be read ({reason_of(error)}); {advice}") from error
    if driver is None:
        what = "is empty" if path.stat().st_size == 0 else "is of a kind that is not read"
        raise DataError(f"{path} {what}; expected {KINDS}")
    return driver


def band_of(dataset: rasterio.DatasetReader, stored: int, index: int) -> Band:
    """What the header says of a band, which counts as no mask yet.

    Args:
        dataset: the open file.
        stored: the band's number in it.
        index: the number that it is to have.
    """
    interpretation = dataset.colorinterp[stored - 1].name
    description = (dataset.descriptions[stored - 1] or "").strip()
    is_vague = interpretation == "undefined" or (interpretation == "gray" and dataset.count > 2)
    dtype = np.dtype(dataset.dtypes[stored - 1])
    bits = int(dataset.tags(stored, ns="IMAGE_STRUCTURE").get("NBITS", 8 * dtype.itemsize))
    return Band(
        index, description or (f"band {index}" if is_vague else interpretation), interpretation, dtype.name, bits
    )


def is_inverted(dataset: rasterio.DatasetReader) -> bool:
    """Whether grey values count from white, which GDAL tells and does not undo but for palettes."""
    says_so = dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
    is_whole = all(np.dtype(dtype).kind == "u" for dtype in dataset.dtypes)
    return says_so and is_whole and dataset.count == 1 and dataset.colorinterp[0] != ColorInterp.palette


def fault_of(dataset: rasterio.DatasetReader) -> str | None:
    """Why an open file is not read."""
    if dataset.count == 0:
        return "holds no bands, but other data sets inside; save the one that is meant as a GeoTIFF"
    if any(dtype.startswith("complex") for dtype in dataset.dtypes):
        kind = next(dtype for dtype in dataset.dtypes if dtype.startswith("complex"))
        return f"holds complex numbers ({kind}); save their amplitude, or real and imaginary part as bands"
    height, width = dataset.block_shapes[0]
    together = dataset.count if dataset.interleaving is not None and dataset.interleaving.name == "pixel" else 1
    size = height * width * together * max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    if size > _LARGEST_BLOCK:
        return (
            f"has to be decoded in pieces of {width}×{height} pixels, {size / 1e9:.1f} GB; "
            "rewrite it in tiles: gdal_translate -co TILED=YES"
        )
    return None


def colour_table_of(dataset: rasterio.DatasetReader) -> np.ndarray | None:
    """RGBA by value, uint8, shape (N, 4)."""
    others = dataset.colorinterp[1:]
    is_palette = dataset.colorinterp[0] == ColorInterp.palette and all(other == ColorInterp.alpha for other in others)
    if not is_palette or dataset.dtypes[0] not in _TABLE_TYPES:
        return None
    try:
        entries = dataset.colormap(1)
    except ValueError:  # the interpretation is there, the table is not
        return None
    table = np.zeros((max(entries) + 1, 4), np.uint8)
    for value, colour in entries.items():
        table[value] = colour
    return table


def place_of(dataset: rasterio.DatasetReader) -> Place | None:
    """Where a scene lies: by its transform, else by its ground control points; None where it has neither."""
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    gcps, gcp_crs = dataset.gcps
    has_transform = (a, b, c, d, e, f) != IDENTITY
    if not has_transform and len(gcps) >= 3:
        a, b, c, d, e, f = tuple(rasterio.transform.from_gcps(gcps))[:6]
        points = tuple(GroundPoint(p.row, p.col, p.x, p.y, p.z or 0.0) for p in gcps)
        return Place(_wkt(gcp_crs), (a, b, c, d, e, f), points)
    return Place(_wkt(dataset.crs), (a, b, c, d, e, f)) if has_transform else None


def _wkt(crs: CRS | None) -> str:
    if not crs:
        return ""
    try:
        return crs.to_wkt(version="WKT2_2019")
    except CRSError:  # the older form has words for it
        return crs.to_wkt()
