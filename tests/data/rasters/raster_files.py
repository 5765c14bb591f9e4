"""Small raster files with a place."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from data.rasters.places.grids import Grid, Six, chained

UTM = "EPSG:32640"
NORTH = (1.0, 0.0, 300_000.0, 0.0, -1.0, 2_700_000.0)  # pixels of one metre, row 0 in the north


def shifted(rows: float, columns: float, transform: Six = NORTH, size: float = 1.0) -> Six:
    """The transform of a grid that begins some pixels of another further down and right, with larger pixels."""
    found = chained(Affine(*transform), Affine(size, 0, columns, 0, size, rows))
    return found.a, found.b, found.c, found.d, found.e, found.f


def write_raster(
    path: Path,
    values: np.ndarray,
    transform: Six | None = None,
    crs: str | None = UTM,
    colours: dict[int, tuple[int, ...]] | None = None,
    **profile: Any,
) -> Path:
    """Values (H, W) or (bands, H, W) as a GeoTIFF, or in the format `driver`."""
    bands = values if values.ndim == 3 else values[None]
    place = {"transform": Affine(*transform), "crs": crs} if transform else {}
    options = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", **{**options, "dtype": bands.dtype, **place, **profile}) as file:
        file.write(bands)
        if colours:
            file.write_colormap(1, colours)
    return path


def grid(height: int, width: int, transform: Six | None = NORTH, crs: str | None = UTM) -> Grid:
    return Grid(Path("image.tif"), (height, width), crs if transform else None, transform)
