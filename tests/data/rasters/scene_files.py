"""Small rasters of every kind, written by rasterio."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from data.rasters.files.gdal import session
from data.rasters.scene import RasterScene

UTM = "EPSG:32640"
AT = Affine(0.3, 0, 500_000, 0, -0.3, 2_700_000)


def numbers(bands: int, height: int, width: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Random whole numbers from 1 to 200, shape (bands, H, W)."""
    return np.random.default_rng(seed).integers(1, 200, (bands, height, width)).astype(dtype)


def write_raster(
    path: Path,
    values: np.ndarray,
    driver: str = "GTiff",
    colours: str | None = None,
    names: tuple[str, ...] = (),
    mask: np.ndarray | None = None,
    table: dict[int, tuple[int, ...]] | None = None,
    **profile: Any,
) -> Path:
    """Write values (bands, H, W).

    Args:
        path, values: the file and what it holds.
        driver: GDAL's name of its kind.
        colours: interpretations of the bands, separated by blanks.
        names: their descriptions.
        mask: of the data set, bool (H, W).
        table: the colour table of band 1.
        profile: `crs`, `transform`, `nodata` and what the driver knows.
    """
    count, height, width = values.shape
    profile = {"crs": UTM, "transform": AT, "dtype": values.dtype.name} | profile
    profile = {key: value for key, value in profile.items() if value is not None}
    with session(), rasterio.open(path, "w", driver=driver, count=count, height=height, width=width, **profile) as file:
        if colours:
            file.colorinterp = [ColorInterp[colour] for colour in colours.split()]
        file.write(values)
        for index, name in enumerate(names, start=1):
            file.set_band_description(index, name)
        if table:
            file.write_colormap(1, table)
        if mask is not None:
            file.write_mask(mask)
    return path


def write_vrt(
    path: Path, source: str, size: tuple[int, int], kind: str = "Byte", inside: str = "", band: str = ""
) -> Path:
    """A VRT of one band from one source.

    Args:
        path: the file.
        source: the `SourceFilename` element's text, relative to the VRT.
        size: height and width.
        kind: GDAL's name for the type of its values.
        inside: elements of the data set before the band.
        band: elements of the band before the source.
    """
    path.write_text(
        f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}">{inside}'
        f'<VRTRasterBand dataType="{kind}" band="1">{band}<SimpleSource><SourceFilename relativeToVRT="1">{source}'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>",
        encoding="utf-8",
    )
    return path


def write_mosaic(path: Path, sources: dict[str, int], part: tuple[int, int], size: tuple[int, int]) -> Path:
    """A VRT of three bands, red, green and blue, placed at `AT`.

    Args:
        path: the file.
        sources: of each file, relative to the VRT, the first column that it fills.
        part: height and width of each.
        size: those of the mosaic.
    """
    bands = []
    for band, colour in enumerate(("Red", "Green", "Blue"), start=1):
        parts = [
            f'<SimpleSource><SourceFilename relativeToVRT="1">{file}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<DstRect xOff="{left}" yOff="0" xSize="{part[1]}" ySize="{part[0]}"/></SimpleSource>'
            for file, left in sources.items()
        ]
        inside = f"<ColorInterp>{colour}</ColorInterp>{''.join(parts)}"
        bands.append(f'<VRTRasterBand dataType="Byte" band="{band}">{inside}</VRTRasterBand>')
    place = f"<SRS>{UTM}</SRS><GeoTransform>{', '.join(map(str, AT.to_gdal()))}</GeoTransform>"
    sides = f'rasterXSize="{size[1]}" rasterYSize="{size[0]}"'
    path.write_text(f"<VRTDataset {sides}>{place}{''.join(bands)}</VRTDataset>", encoding="utf-8")
    return path


def read_all(path: Path, *bands: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity of whole bands, of all where none is named; options as of `RasterScene.open`."""
    with RasterScene.open(path, **options) as scene:
        return scene.read(0, 0, *scene.size, bands or [band.index for band in scene.bands])
