"""Tiles of raster scenes as files: GeoTIFF that keeps bits, bands, nodata and place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from data.footprints.records import TileRecord
from data.rasters.files.gdal import session
from data.rasters.files.headers import Band
from utils.imagery.bands import RGB_NAMES


def write_tile(
    path: Path,
    values: np.ndarray,
    valid: np.ndarray,
    bands: Sequence[Band],
    nodata: float | None,
    record: TileRecord,
) -> None:
    """Write a tile as GeoTIFF, with its scene's nodata value and where pixels hold no data a mask inside the file.

    Args:
        path: the file.
        values: of the chosen bands, shape (bands, H, W), as the scene has them.
        valid: where they are data, bool (H, W).
        bands: the chosen ones.
        nodata: the value that the scene declares.
        record: where the tile lies.
    """
    is_rgb = different_names(bands) == RGB_NAMES and values.dtype in (np.uint8, np.uint16)
    profile = {
        "driver": "GTiff",
        "height": values.shape[1],
        "width": values.shape[2],
        "count": len(values),
        "dtype": values.dtype.name,
        "compress": "deflate",
        "zlevel": 1,
        "predictor": 3 if values.dtype.kind == "f" else 2,
        "photometric": "RGB" if is_rgb else "MINISBLACK",
        "nodata": nodata,
    }
    if values.dtype.itemsize > 4:  # no predictor of libtiff takes them all
        profile.pop("predictor")
    if record.transform is not None:
        profile |= {"crs": record.crs, "transform": Affine(*record.transform)}
    with session(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with rasterio.open(memory.name, "w", **profile) as file:
            file.write(values)
            file.colorinterp = [_interpretation(band, is_rgb) for band in bands]
            for number, name in enumerate(different_names(bands), start=1):
                file.set_band_description(number, name)
            if not valid.all():
                file.write_mask(valid)
        path.write_bytes(memory.getbuffer())  # GDAL does not say that a disk is full when it closes a file


def _interpretation(band: Band, is_rgb: bool) -> ColorInterp:
    return ColorInterp[band.interpretation] if is_rgb else ColorInterp.undefined


def different_names(bands: Sequence[Band]) -> tuple[str, ...]:
    """Different names of bands: colours where the files say so, which is what networks know ImageNet's weights by."""
    names: list[str] = []
    for band in bands:
        name = band.interpretation if band.interpretation in RGB_NAMES else band.name
        names.append(name if name.lower() not in [other.lower() for other in names] else f"band {band.index}")
    return tuple(names)
