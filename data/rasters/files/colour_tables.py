"""Colour tables of raster files: their own, or in the `.aux.xml` beside them."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from rasterio.enums import ColorInterp

from utils.errors import DataError


def colour_table(file: Any) -> np.ndarray | None:
    """RGBA by index, uint8 (N, 4), of an open raster of one band; None where it has none.

    Raises:
        DataError: the `.aux.xml` is damaged.
    """
    bands = [b for b, kind in zip(file.indexes, file.colorinterp, strict=True) if kind != ColorInterp.alpha]
    if len(bands) != 1 or file.dtypes[bands[0] - 1] not in ("uint8", "uint16"):
        return None
    try:
        colours = file.colormap(bands[0])
    except ValueError:  # none that GDAL's driver gives: those of PNG and others leave out the one beside the file
        colours = _beside(Path(f"{file.name}.aux.xml"), bands[0])
    if not colours:
        return None
    table = np.zeros((np.iinfo(file.dtypes[bands[0] - 1]).max + 1, 4), np.uint8)
    table[:, 3] = 255  # an index beyond the table is seen, and named as one of no class
    for index, colour in colours.items():
        if index < len(table):
            table[index] = colour
    return table


def _beside(path: Path, band: int) -> dict[int, tuple[int, ...]]:
    """Colours by index of a band's `ColorTable` as GDAL's side files have it."""
    if not path.is_file():
        return {}
    try:
        entries = ElementTree.parse(path).findall(f"PAMRasterBand[@band='{band}']/ColorTable/Entry")
        colours = [tuple(int(entry.get(key, "255")) for key in ("c1", "c2", "c3", "c4")) for entry in entries]
        if any(not 0 <= channel <= 255 for colour in colours for channel in colour):
            raise ValueError("a colour outside 0 to 255")
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise DataError(f"{path} is damaged ({error}); take it out of the folder, or write it again") from error
    return dict(enumerate(colours))
