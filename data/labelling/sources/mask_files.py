"""Masks in image files, named as their tiles: by ids, codes or colours, whichever all of them fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data.checking.mask_values import MaskValues, off_palette_share
from data.decoding.orientation import Size
from data.descriptions import Description
from data.labelling.classes import ToolClasses
from data.labelling.sources.drawing import Drawing, Source
from data.labelling.tiles import LabelTiles
from data.labels.mask_files import open_raster, place_of
from data.labels.raster_masks import RasterMask
from data.rasters.places.grids import Grid
from utils.errors import DataError

_BLACK = (0, 0, 0)


def read_mask_files(folder: Path, files: Iterable[str], classes: ToolClasses, tiles: LabelTiles) -> Source:
    """The drawings in mask files.

    Args:
        folder: that they lie in.
        files: their paths below it.
        classes, tiles: of the data set.

    Raises:
        DataError: a file is damaged, or holds values of no class in any reading of all files.
    """
    found = [(path, folder / path, _size(folder / path)) for path in files]
    of_tiles = {p: tiles.grid(name) for path, p, size in found if (name := _fitting(tiles, path, size)) is not None}
    way, remarks = _chosen(of_tiles, classes) if of_tiles else (classes.description, [])
    drawings = [Drawing(path, str(p), partial(_draw, p, way), size) for path, p, size in found]
    return Source("masks", drawings, remarks)


def _size(path: Path) -> Size | None:
    """Height and width of a file without a place; None where its place decides."""
    with open_raster(path) as file:
        _, transform = place_of(file)
        return (file.height, file.width) if transform is None else None


def _fitting(tiles: LabelTiles, path: str, size: Size | None) -> str | None:
    name = tiles.find(path)
    return name if name is not None and (size is None or tiles.misfit(name, size) is None) else None


def _draw(path: Path, way: Description, grid: Grid) -> np.ndarray:
    with RasterMask(path, grid, way) as mask:
        return mask.ids(0, 0, *grid.size)


# --- What values mean -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fit:
    """How well a reading fits: the smaller, the better."""

    off: float
    near: int
    remarks: list[str]

    @property
    def rank(self) -> tuple[float, int]:
        return self.off, self.near


def _chosen(grids: Mapping[Path, Grid], classes: ToolClasses) -> tuple[Description, list[str]]:
    """The reading that fits all files best; of equal ones, the data set's own goes first."""
    fits: list[tuple[Description, _Fit]] = []
    faults: list[DataError] = []
    for way in _ways(classes):
        try:
            fits.append((way, _fit(grids, way)))
        except DataError as error:
            faults.append(error)
    if not fits:
        raise next((error for error in faults if "that no class has" in str(error)), faults[0])
    way, fit = min(fits, key=lambda pair: pair[1].rank)
    return way, fit.remarks


def _ways(classes: ToolClasses) -> list[Description]:
    """The data set's own reading, ids, its colours, and the colours that tools are given."""
    own = classes.description
    tool = tuple(classes.colour_table.get(index, _BLACK) for index in range(own.num_classes))
    shown = tuple(own.colours[index] if index in classes.ids else _BLACK for index in range(own.num_classes))
    by_colour = replace(own, codes=None, binary_channels=False, ignore_colours=(_BLACK,))
    ways = [own, replace(own, palette=None, codes=None, ignore_codes=frozenset(), ids_by_index=True)]
    ways += [replace(by_colour, palette=colours) for colours in dict.fromkeys((shown, tool)) if _differ(colours)]
    return list(dict.fromkeys(ways))


def _differ(colours: tuple[tuple[int, int, int], ...]) -> bool:
    """Whether colours tell classes apart."""
    of_classes = [colour for colour in colours if colour != _BLACK]
    return len(set(of_classes)) == len(of_classes)


def _fit(grids: Mapping[Path, Grid], way: Description) -> _Fit:
    off, total, remarks = 0.0, MaskValues(), []
    for path, grid in grids.items():
        with RasterMask(path, grid, way) as mask:
            off += off_palette_share(mask.values, way)
            total += mask.values
            remarks += mask.remarks
    return _Fit(off, total.near, remarks)
