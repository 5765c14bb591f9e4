"""The polygons of maps in one GeoPackage, with class, area and scene.

from data.maps.vectors.polygons import PolygonFile
with PolygonFile(Path("maps.gpkg"), classes, colours) as file:
    file.add("north", Path("north.tif"))
    file.finish()
"""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import shapely

from data.maps.pixel_areas import NoArea, PixelAreas, pixel_areas
from data.maps.vectors.layer_styles import GEOMETRY, GPKG_OPTIONS, keep_styles
from data.maps.vectors.outlines import regions_of
from data.maps.writing.errors import writing
from data.maps.writing.styles import may_replace_style, polygon_style, style_path
from data.rasters.places.crs import crs_name, crs_text, same_crs
from data.rasters.places.place import Place
from data.rasters.scene import RasterScene
from utils.closing import Closing
from utils.errors import DataError, warn
from utils.imagery.colours import RGB
from utils.paths import private_beginning, private_name
from utils.runs.files import make_folder, storage_errors, write_text
from utils.runs.lock import has_ended
from utils.wording import worded

FIELDS = ("scene", "class", "id", "area_m2")
LAYER = "map"
_TOGETHER = 500_000  # corners of polygons that are written in one transaction


@dataclass(frozen=True)
class PolygonCount:
    """Polygons of a map.

    Attributes:
        written: how many were.
        dropped: how many were not, as they are smaller than the least area.
        dropped_square_metres: area of those together, which belongs to no polygon.
    """

    written: int
    dropped: int
    dropped_square_metres: float = 0.0


def why_no_polygons(place: Place | None, min_area: float = 0.0) -> str | None:
    """Why a scene can have no polygons, to follow its name in a message; None where it can.

    Args:
        place: where the scene lies.
        min_area: of a polygon, in square metres; more than 0 asks for a CRS.
    """
    if place is None:
        return "has no place, so that its polygons have none"
    if place.gcps is not None:
        return "is placed by ground control points alone; warp it to a grid first, such as by gdalwarp"
    areas = pixel_areas(place, (1, 1))
    if min_area > 0 and isinstance(areas, NoArea):
        return worded("{}, so that {min_area} cannot be applied; leave it out", areas.reason)
    return None


class PolygonFile(Closing):
    """A GeoPackage of the polygons of maps, under a private name until `finish`; a context manager.

    A polygon is a connected region of pixels of one class that share edges. Its fields are `scene`, `class`, `id` (of
    the class) and `area_m2`, as `class_areas.csv` measures areas; it is empty where the scene has no CRS. All scenes
    of one CRS share a layer: the first CRS's is `map`, those of others end in its name. Styles lie in the file and
    beside it.

    Args:
        path: the file.
        classes: names, in the order of the ids.
        colours: RGB of each.
        min_area: in square metres; smaller polygons are left out, and what they cover belongs to no polygon, while the
            tables of areas still count it. 0: all are written.

    Raises:
        OptionError: the folder cannot be written.
    """

    def __init__(self, path: Path, classes: Sequence[str], colours: Sequence[RGB], min_area: float = 0.0) -> None:
        self.path, self.classes, self.colours, self.min_area = path, tuple(classes), tuple(colours), min_area
        self._layers: dict[str, str] = {}  # names by CRS
        self._folder = private_name(path, ".part")
        self._made = self._folder / "map.gpkg"
        make_folder(path.parent)
        with storage_errors(path):
            _remove_leftovers(path)
            self._folder.mkdir()

    def close(self) -> None:
        """Remove what is not finished."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, scene: str, raster: Path) -> PolygonCount:
        """Add the polygons of a map.

        Args:
            scene: its name.
            raster: the map of class ids.

        Raises:
            DataError: the map cannot be read, has no place that polygons can have, or the disk is full.
        """
        with RasterScene.open(raster) as file:
            place, size = file.place, file.size
        if (fault := why_no_polygons(place, self.min_area)) is not None:
            raise DataError(f"{scene} {fault}")
        assert place is not None
        areas, layer = pixel_areas(place, size), self._layer(place.crs)
        written, dropped, lost = 0, 0, 0.0
        for polygons, ids in _batches(raster):
            square_metres = areas.of_polygons(polygons) if isinstance(areas, PixelAreas) else np.full(len(ids), np.nan)
            kept = ~(square_metres < self.min_area)
            self._write(layer, place, scene, polygons[kept], ids[kept], square_metres[kept])
            written, dropped = written + int(kept.sum()), dropped + int((~kept).sum())
            lost += float(square_metres[~kept].sum())
        return PolygonCount(written, dropped, lost)

    def finish(self) -> None:
        """Add the styles and give the file its name; without a single map there is no file.

        Raises:
            OptionError: the folder cannot be written.
            DataError: the disk is full.
        """
        if not self._layers:
            return
        style = polygon_style(self.classes, self.colours, FIELDS[1])
        with writing(self.path):
            keep_styles(self._made, dict.fromkeys(self._layers.values(), style))
        with storage_errors(self.path):
            self._made.replace(self.path)
        if may_replace_style(beside := style_path(self.path)):
            write_text(beside, style)
        else:
            warn(f"{beside} stays, as it is not of these polygons; {self.path} holds their style itself")

    def _layer(self, crs: str) -> str:
        """The name of the layer of a CRS."""
        for known, name in self._layers.items():
            if same_crs(known, crs):
                return name
        name = LAYER
        if self._layers:
            words = "".join(letter if letter.isalnum() else "_" for letter in crs_name(crs))
            name = f"{LAYER}_{words}"
            if name.lower() in {other.lower() for other in self._layers.values()}:
                name += f"_{len(self._layers) + 1}"
        self._layers[crs] = name
        return name

    def _write(
        self, layer: str, place: Place, scene: str, polygons: np.ndarray, ids: np.ndarray, square_metres: np.ndarray
    ) -> None:
        a, b, c, d, e, f = place.transform
        matrix, offset = np.array([[a, b], [d, e]]), np.array([c, f])
        on_map = shapely.transform(polygons, lambda points: points @ matrix.T + offset)
        names = np.array(self.classes, object)[ids] if len(ids) else np.array([], object)
        columns = [np.full(len(ids), scene, object), names, ids.astype(np.int32), square_metres]
        with writing(self.path), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'crs' was not provided")
            pyogrio.raw.write(
                self._made, shapely.to_wkb(on_map), columns, list(FIELDS), driver="GPKG", layer=layer,
                geometry_type="Polygon", crs=crs_text(place.crs) if place.crs else None,
                append=self._made.exists() and layer in pyogrio.list_layers(self._made)[:, 0],
                layer_options={"GEOMETRY_NAME": GEOMETRY}, dataset_options=GPKG_OPTIONS,
            )  # fmt: skip


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed while they made this file left beside it."""
    beginning = private_beginning(path) + "."
    for folder in path.parent.iterdir():
        process = folder.name.removeprefix(beginning).partition("-")[0]
        is_ours = folder.name.startswith(beginning) and folder.name.endswith(".part") and process.isdecimal()
        if is_ours and has_ended(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _batches(raster: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Polygons of a map in (column, row), and their class ids; one empty batch where it has none."""
    polygons: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    count, was_given = 0, False
    for regions in regions_of(raster):
        polygons.append(regions.polygons)
        ids.append(regions.ids)
        count += int(shapely.get_num_coordinates(regions.polygons).sum())
        if count >= _TOGETHER:
            yield np.concatenate(polygons), np.concatenate(ids)
            polygons, ids, count, was_given = [], [], 0, True
    if count or not was_given:
        yield np.concatenate(polygons), np.concatenate(ids)
