"""QGIS: tiles on their place, a GeoPackage of their footprints and of the polygons to draw, and its style."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from rasterio.features import shapes

from data.labelling.sources.vectors import FIELD, LABELS, NAME, TILES
from data.labelling.targets.qgis_style import label_style
from data.labelling.targets.target import ExportedTile, Target
from data.maps.vectors.layer_styles import GEOMETRY, GPKG_OPTIONS, keep_styles
from data.maps.writing.errors import writing
from data.maps.writing.styles import outline_style
from data.rasters.places.crs import crs_name, crs_way, same_crs
from data.rasters.places.grids import Grid, outline_in
from utils.imagery.labels import IGNORE_INDEX
from utils.runs.files import make_folder

PACKAGE = "labels.gpkg"
_GAP = 0.1  # of a tile's side, between tiles that have no place
_OUTLINE = (227, 26, 28)  # red, of the tiles
_WORLD = "images/{}.pgw"


class QgisTarget(Target):
    """`images/<tile>.tif` and `labels.gpkg` with the layers `labels` and `tiles`.

    Tiles without a place on Earth are PNG files with world files, side by side in a plane whose unit is a pixel: also
    where only some have none, as all are to lie in one map.
    """

    title = "QGIS"

    def check(self) -> None:
        """Decide where the tiles lie, and in which CRS the polygons."""
        grids = list(self.grids.values())
        self._drawn: list[tuple[shapely.Geometry, str]] = []
        self.is_placed = all(grid.crs and grid.transform for grid in grids)
        if not self.is_placed:
            self.grids = _side_by_side(self.grids)
            self.remarks.append("the tiles lie side by side, a unit a pixel, as not all have a place on Earth")
        self.crs = grids[0].crs if self.is_placed else None
        if others := {crs_name(grid.crs) for grid in grids if self.is_placed and not same_crs(grid.crs, self.crs)}:
            text = f"the polygons are in {crs_name(self.crs)}, tiles also in {', '.join(sorted(others))}"
            self.remarks.append(text)

    def add(self, tile: ExportedTile) -> None:
        """Write the tile on its place, and keep its draft as polygons."""
        grid = self.grids[tile.name]
        if self.is_placed:
            self._write_tiff(tile, grid)
        else:
            self.write_png(f"images/{tile.name}.png", tile.picture)
            a, b, c, d, e, f = grid.affine[:6]
            numbers = (a, d, b, e, c + (a + b) / 2, f + (d + e) / 2)  # the last two of the first pixel's centre
            self.write(_WORLD.format(tile.name), "".join(f"{number!r}\n" for number in numbers).encode())
        if tile.draft is not None:
            self._drawn += self._polygons(tile.draft, grid)

    def _write_tiff(self, tile: ExportedTile, grid: Grid) -> None:
        path = self.folder / f"images/{tile.name}.tif"
        make_folder(path.parent)
        height, width = tile.picture.shape[:2]
        profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "height": height, "width": width}
        options = {"compress": "deflate", "predictor": 2, "photometric": "rgb", "interleave": "pixel"}
        with writing(path):
            place = {"crs": rasterio.crs.CRS.from_user_input(grid.crs), "transform": grid.affine}
            with rasterio.open(path, "w", **profile, **options, **place) as file:
                file.write(np.moveaxis(tile.picture, -1, 0))

    def _polygons(self, draft: np.ndarray, grid: Grid) -> Iterator[tuple[shapely.Geometry, str]]:
        """The areas of a draft, along the edges of its pixels, in the layer's CRS."""
        names = dict(zip(self.classes.ids, self.classes.names, strict=True))
        for raw, index in shapes(draft, mask=draft != IGNORE_INDEX, transform=grid.affine):
            area = shapely.geometry.shape(raw)
            if grid.crs and not same_crs(grid.crs, self.crs):
                way = crs_way(grid.crs, str(self.crs))
                area = shapely.transform(area, lambda p, way=way: np.stack(way(p[:, 0], p[:, 1]), axis=-1))
            yield area, names[int(index)]

    def finish(self) -> None:
        """Write the layers and their styles."""
        grids = self.grids.values()
        outlines = [shapely.Polygon(outline_in(grid, self.crs)[:: _corners(grid, self.crs)]) for grid in grids]
        self._write_layer(TILES, outlines, {NAME: list(self.grids)})
        self._write_layer(LABELS, [area for area, _ in self._drawn], {FIELD: [name for _, name in self._drawn]})
        styles = {LABELS: label_style(FIELD, self.classes.names, self.classes.colours), TILES: outline_style(_OUTLINE)}
        self.write("labels.qml", styles[LABELS].encode())
        with writing(self.folder / PACKAGE):
            keep_styles(self.folder / PACKAGE, styles)

    def _write_layer(self, layer: str, areas: Sequence[shapely.Geometry], fields: dict[str, list[str]]) -> None:
        path = self.folder / PACKAGE
        columns: list[Any] = [np.array(values, object) for values in fields.values()]
        with writing(path):
            pyogrio.raw.write(
                path, shapely.to_wkb(np.array(areas, object)), columns, list(fields), driver="GPKG", layer=layer,
                geometry_type="Polygon", crs=self.crs, layer_options={"GEOMETRY_NAME": GEOMETRY},
                dataset_options=GPKG_OPTIONS,
            )  # fmt: skip

    def back(self, out: Path) -> str:
        """The GeoPackage itself."""
        return str(out / PACKAGE)

    @property
    def opening(self) -> Sequence[str]:
        """Tiles and layers into one map."""
        kind = "*.tif" if self.is_placed else "*.png"
        steps = [
            f"Drag images/{kind} into QGIS, then {PACKAGE} with both of its layers above them.",
            "Colours and the drop-down of classes come with the layer. Where they do not: Layer Properties → Style → "
            "Load Style → labels.qml.",
            "Select the layer labels, toggle editing, and draw polygons over the tiles (Ctrl+. begins one). In the "
            "form that opens, the first letters of a class choose it. Later polygons lie on top; what is drawn beside "
            "the tiles does not count. Snapping and Avoid Overlap help to share edges.",
        ]
        if not self.is_placed:
            steps.insert(1, "The tiles have no place on Earth: leave the project's CRS at None.")
        if self.has_drafts:
            steps.append("The layer holds the model's draft: move edges, change classes, delete what has none.")
        return steps

    @property
    def saving(self) -> Sequence[str]:
        """The edits into the file."""
        return ["Save the layer's edits, and close QGIS or remove the layer, so that the file is whole."]


def _corners(grid: Grid, crs: str | None) -> int:
    """Every how many points of an outline are kept: corners alone where its sides stay straight."""
    return len(grid.outline()) // 4 if same_crs(grid.crs, crs) else 1


def _side_by_side(grids: dict[str, Grid]) -> dict[str, Grid]:
    """Tiles in rows, with the same distance from one to the next, a unit a pixel."""
    height, width = (ceil(max(grid.size[side] for grid in grids.values()) * (1 + _GAP)) for side in (0, 1))
    per_row = ceil(sqrt(len(grids)))
    found = {}
    for number, (name, grid) in enumerate(grids.items()):
        row, column = divmod(number, per_row)
        place_of = (1.0, 0.0, float(column * width), 0.0, -1.0, -float(row * height))
        found[name] = replace(grid, crs=None, transform=place_of)
    return found
