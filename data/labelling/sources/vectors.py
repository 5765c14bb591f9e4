"""Polygons drawn in a GIS: each tile's part of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from data.labelling.classes import ToolClasses
from data.labelling.sources.drawing import Drawing, Source
from data.labelling.tiles import LabelTiles
from data.labels.polygon_classes import PolygonClasses
from data.labels.polygons import PolygonLabels
from data.labels.vector_files import Layer, read_layer
from data.rasters.places.grids import Grid
from utils.errors import DataError, OptionError

LABELS, TILES, FIELD, NAME = "labels", "tiles", "class", "name"  # layers of an export, and their fields

POLYGONS = "polygons"  # what the ledger calls a GIS


@dataclass(frozen=True)
class _DrawnClasses(PolygonClasses):
    """Classes by the names that they have in tools; numbers are codes or ids as elsewhere."""

    tool: ToolClasses | None = None

    def ids_of(self, where: str, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        if values.dtype.kind != "O" or self.tool is None:
            return super().ids_of(where, values, numbers)
        texts = ["" if value is None else str(value).strip() for value in values.tolist()]
        if "" in texts or all(text.isdecimal() for text in texts):
            return super().ids_of(where, values, numbers)
        found = self.tool.ids_of(where, texts)
        return np.array([found[text] for text in texts], np.uint8)


def read_vectors(
    path: Path,
    classes: ToolClasses,
    tiles: LabelTiles,
    wanted: Sequence[str],
    field: str | None = None,
    layer: str | None = None,
) -> Source:
    """The drawings on tiles that polygons touch.

    Tiles without a place lie where the layer `tiles` of an export has put them.

    Args:
        path: a GeoPackage, GeoJSON or Shapefile.
        classes, tiles: of the data set.
        wanted: the tiles.
        field, layer: with the classes; None: those of an export where they are there, else the only ones.

    Raises:
        OptionError: a choice of field or layer is needed.
        DataError: as of `read_layer`, or no polygon touches a tile.
    """
    layers = _layers(path)
    if layer is None and LABELS in layers:
        layer = LABELS
    if field is None and FIELD in _fields(path, layer):
        field = FIELD
    found = read_layer(path, _DrawnClasses(classes.description, tool=classes), field, layer)
    laid_out = _laid_out(path, tiles) if TILES in layers else {}
    if laid_out:
        found = replace(found, crs=None)
    grids = {name: laid_out.get(name) or tiles.grid(name) for name in wanted}
    placed = {name: grid for name, grid in grids.items() if grid.transform is not None}
    if not placed:
        raise DataError(
            f"{path}: none of the {len(grids)} tiles has a place, nor does a layer '{TILES}' in the file say where "
            "they lie; give the file of the export, with both of its layers"
        )
    labels = PolygonLabels(found, _DrawnClasses(classes.description, tool=classes))
    labels.check_touch(list(placed.values()))
    drawings = [Drawing(name, str(path), partial(_draw, labels, grid)) for name, grid in _touched(found, placed)]
    return Source(POLYGONS, drawings, list(found.remarks))


def _touched(layer: Layer, grids: dict[str, Grid]) -> list[tuple[str, Grid]]:
    """Tiles that may hold a part of a polygon; those in other CRSs than the layer's are all taken."""
    tree = shapely.STRtree(layer.polygons)
    found = []
    for name, grid in grids.items():
        if grid.crs == layer.crs and not len(tree.query(shapely.Polygon(grid.outline(1)))):
            continue
        found.append((name, grid))
    return found


def _draw(labels: PolygonLabels, grid: Grid, tile: Grid) -> np.ndarray:
    return labels.on(grid).ids(0, 0, *tile.size)


def _layers(path: Path) -> list[str]:
    try:
        return [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except DataSourceError:  # said by whoever reads it
        return []


def _fields(path: Path, layer: str | None) -> list[str]:
    try:
        return [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]]
    except (DataSourceError, DataLayerError, OptionError, ValueError):
        return []


def _laid_out(path: Path, tiles: LabelTiles) -> dict[str, Grid]:
    """Where an export has put tiles that have no place: a unit a pixel, in no CRS."""
    meta, _, geometries, columns = pyogrio.raw.read(path, layer=TILES)
    fields = meta["fields"].tolist()
    if not is_local(meta["crs"]) or NAME not in fields:
        return {}
    names, found = columns[fields.index(NAME)].tolist(), {}
    for name, (west, _, _, north) in zip(names, shapely.bounds(shapely.from_wkb(geometries)), strict=True):
        if name in tiles.names:
            transform = (1.0, 0.0, float(west), 0.0, -1.0, float(north))
            found[name] = Grid(tiles.reader.image_path(name), tiles.size(name), None, transform)
    return found


def is_local(crs: str | None) -> bool:
    """Whether a layer's CRS is none: GeoPackage writes a plane without a place on Earth for it."""
    return not crs or "ENGCRS" in crs or "LOCAL_CS" in crs or "ndefined" in crs
