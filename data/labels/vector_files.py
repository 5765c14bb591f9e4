"""Reading polygons, with their classes or without: GeoPackage, GeoJSON, Shapefile."""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataSourceError, GeometryError

from data.labels.polygon_classes import PolygonClasses
from utils.errors import DataError, OptionError
from utils.paths import no_file, reason_of, remedy_of
from utils.suggest import first_names, unknown
from utils.wording import worded

VECTOR_ENDINGS = (".gpkg", ".geojson", ".json", ".shp")
_MAGIC = (b"SQLite format 3\0", b"{", b"\0\0\x27\x0a")  # how these begin; GDAL would open others, which may fetch
logging.getLogger("pyogrio").addHandler(logging.NullHandler())  # GDAL's messages: what is wrong is said in the error
Area = Callable[[str | None], shapely.Geometry]
_POLYGONS = (3, 6)  # shapely's numbers of Polygon and MultiPolygon
_SAME_AREA = 0.01  # share by which mending may change a polygon's area
_NO_FIELD = "give the field with the classes as --label-field"


@dataclass(frozen=True)
class Use:
    """What polygons are read for, in the words of messages, with fields of settings as of `utils.wording`.

    Attributes:
        option: with which the file is given.
        to_choose: what to do where it has several layers.
        rule: what its features are to be.
    """

    option: str
    to_choose: str
    rule: str


@dataclass(frozen=True)
class Polygons:
    """Polygons in the order of their file.

    Attributes:
        path: the file.
        crs: as WKT or `EPSG:n`; None where the file has none.
        polygons: shapely polygons and multipolygons, valid, shape (N,).
        numbers: the features' own numbers in the file, for messages, shape (N,).
        remarks: lines to be said of the file.
    """

    path: Path
    crs: str | None
    polygons: np.ndarray
    numbers: np.ndarray
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Layer(Polygons):
    """Polygons with their classes.

    Attributes:
        ids: class ids, uint8, 255 for values that mean "no class", shape (N,).
        name: of the layer.
    """

    ids: np.ndarray
    name: str


_LABELS = Use("--masks", "choose one with --label-layer", "labels are polygons")


def read_layer(
    path: Path, classes: PolygonClasses, field: str | None, layer: str | None = None, touching: Area | None = None
) -> Layer:
    """Read the polygons of one layer with their classes.

    Of a layer for a whole country, those near the images alone are kept: what lies elsewhere is neither held nor
    looked at.

    Args:
        path: the file.
        classes: what the values of the field mean.
        field: with the class names or codes.
        layer: its name, needed where the file has several.
        touching: the area that polygons have to touch, in the layer's CRS, which it is given; None: all are read.

    Raises:
        OptionError: no such file, layer or field, or a choice is needed.
        DataError: damaged, without polygons, with other geometries, or with values that are no class.
    """
    chosen = _layer(path, layer, _LABELS)
    info = _info(path, chosen)
    column = _field(path, chosen, [str(name) for name in info["fields"]], field)
    area = None if touching is None else touching(info["crs"])
    found, (values,) = _found(path, chosen, [column], _LABELS, area)
    ids = classes.ids_of(f"{path}, field {column}", values, found.numbers)
    found = _valid(found)
    return Layer(path, found.crs, found.polygons, found.numbers, found.remarks, ids, chosen)


def whole_layer(path: Path, layer: str) -> tuple[int, np.ndarray]:
    """Features of a layer, and the west, south, east and north of all, float (4,), not finite where none has any."""
    bounds = _info(path, layer, force_total_bounds=True)["total_bounds"]
    return _count(path, layer), np.array([np.nan] * 4 if bounds is None else bounds, float)


def read_polygons(path: Path, use: Use) -> Polygons:
    """Read the polygons of a file of one layer.

    Args:
        path: the file.
        use: what they are for.

    Raises:
        OptionError: no such file, or several layers.
        DataError: damaged, without polygons, with other geometries, or with some that can have several meanings.
    """
    return _valid(_found(path, _layer(path, None, use), [], use)[0])


# --- Layers and fields ------------------------------------------------------------------------------------------------


def _check_kind(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}); {remedy_of(error, 'check the file')}") from error
    if not header.startswith(_MAGIC):
        raise DataError(f"{path} is no GeoPackage, GeoJSON or Shapefile (.shp); replace the file")


def _layer(path: Path, wanted: str | None, use: Use) -> str:
    if (fault := no_file(path)) is not None:
        raise OptionError(worded(f"{{}} {fault}; check {use.option}", path))
    _check_kind(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layers = pyogrio.list_layers(path)
    except DataSourceError as error:
        raise DataError(f"{path} cannot be read as a vector file ({_reason(path, error)}); replace the file") from error
    names = [str(name) for name, kind in layers if kind is not None]  # tables without geometry, such as QGIS's styles
    if not names:
        raise DataError(f"{path} holds no layer with a geometry ({len(layers)} layers); give a file with polygons")
    if wanted is None and len(names) > 1:
        held = f"{path} holds {len(names)} layers ({first_names(names, 8)})"
        raise OptionError(worded(f"{{}}; {use.to_choose}", held))
    if wanted is not None and wanted not in names:
        raise OptionError(f"{path}: {unknown('layer', wanted, names)}")
    return wanted if wanted is not None else names[0]


def _info(path: Path, layer: str, **options: bool) -> dict[str, Any]:
    try:
        return pyogrio.read_info(path, layer=layer, **options)
    except DataSourceError as error:
        raise DataError(f"{path}, layer {layer}, cannot be read ({_reason(path, error)}); replace the file") from error


def _count(path: Path, layer: str) -> int:
    return int(_info(path, layer, force_feature_count=True)["features"])


def _field(path: Path, layer: str, fields: Sequence[str], wanted: str | None) -> str:
    if not fields:
        raise DataError(f"{path}, layer {layer}, has no fields, so that its polygons have no classes; add a field")
    if wanted is None and len(fields) > 1:
        raise OptionError(f"{path} has the fields {first_names(fields, 12)}; {_NO_FIELD}")
    if wanted is not None and wanted not in fields:
        raise OptionError(f"{path} has no field '{wanted}', but {first_names(fields, 12)}; {_NO_FIELD}")
    return wanted if wanted is not None else fields[0]


def _found(
    path: Path, layer: str, columns: list[str], use: Use, area: shapely.Geometry | None = None
) -> tuple[Polygons, list[np.ndarray]]:
    """The polygons of a layer as they are drawn, valid or not, and the values of some fields."""
    meta, numbers, geometries, values = _read(path, layer, columns, area)
    if not len(geometries) and area is not None and _count(path, layer):
        return Polygons(path, meta["crs"], np.array([], object), numbers, ()), values
    if not len(geometries):
        raise DataError(f"{path}, layer {layer}, holds no features; draw polygons, or give another file")
    polygons = _parsed(path, geometries)
    has_shape = ~(shapely.is_missing(polygons) | shapely.is_empty(polygons))
    remarks: tuple[str, ...] = ()
    if not has_shape.all():
        if not has_shape.any():
            raise DataError(f"{path}, layer {layer}, has no geometry in any of its {len(polygons)} features")
        remarks = (f"{path}: {_features(numbers[~has_shape])} without a geometry left out",)
    polygons, numbers = polygons[has_shape], numbers[has_shape]
    _only_polygons(path, polygons, numbers, use)
    return Polygons(path, meta["crs"], polygons, numbers, remarks), [column[has_shape] for column in values]


def _read(
    path: Path, layer: str, columns: list[str], area: shapely.Geometry | None
) -> tuple[dict[str, Any], np.ndarray, np.ndarray, list[np.ndarray]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on measures, on rings that GDAL closes
            meta, numbers, geometries, values = pyogrio.raw.read(
                path, layer=layer, columns=columns, force_2d=True, return_fids=True, mask=area
            )
    except (DataSourceError, GeometryError, ValueError, RuntimeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({_reason(path, error)}); replace the file") from error
    order = np.argsort(numbers, kind="stable")  # the order of the file, whatever a spatial index makes of it
    return meta, numbers[order], geometries[order], [column[order] for column in values]


# --- Geometries -------------------------------------------------------------------------------------------------------


def _parsed(path: Path, geometries: np.ndarray) -> np.ndarray:
    try:
        return shapely.from_wkb(geometries)
    except shapely.errors.GEOSException as error:
        raise DataError(
            f"{path} holds a geometry that is not read ({reason_of(error)}); save it as plain polygons"
        ) from error


def _only_polygons(path: Path, polygons: np.ndarray, numbers: np.ndarray, use: Use) -> None:
    kinds = shapely.get_type_id(polygons)
    if (others := ~np.isin(kinds, _POLYGONS)).any():
        names = sorted({geometry.geom_type for geometry in polygons[others]})
        raise DataError(
            f"{path}: {_features(numbers[others])} of {len(polygons)} with {' and '.join(names)} for a "
            f"geometry; {use.rule}"
        )
    infinite = ~np.isfinite(shapely.bounds(polygons)).all(axis=1)
    if infinite.any():
        raise DataError(f"{path}: {_features(numbers[infinite])} with coordinates that are no numbers; mend them")


def _valid(found: Polygons) -> Polygons:
    polygons, count = mended(found.path, found.polygons, found.numbers)
    if not count:
        return found
    remark = f"{found.path}: {count} invalid polygon{'s' if count > 1 else ''} made valid, their area unchanged"
    return replace(found, polygons=polygons, remarks=(*found.remarks, remark))


def mended(path: Path | str, polygons: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Valid polygons, and how many were not.

    Raises:
        DataError: what is valid would have another area, so that it is open what was meant.
    """
    invalid = np.flatnonzero(~shapely.is_valid(polygons))
    if not len(invalid):
        return polygons, 0
    before = shapely.area(polygons[invalid])
    mended = np.array([_faces(geometry) for geometry in shapely.make_valid(polygons[invalid])], object)
    after = shapely.area(mended)
    changed = np.abs(after - before) > _SAME_AREA * np.maximum(after, before)
    if changed.any():
        first = int(np.flatnonzero(changed)[0])
        raise DataError(
            f"{path}: {_features(numbers[invalid[changed]])} invalid "
            f"({shapely.is_valid_reason(polygons[invalid[first]])}), and what area is meant is open "
            f"({before[first]:.4g} or {after[first]:.4g}); mend with a GIS"
        )
    polygons = polygons.copy()
    polygons[invalid] = mended
    return polygons, len(invalid)


def _faces(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of what `make_valid` returns, which may hold lines beside them."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.MultiPolygon()


def _features(numbers: Sequence[int] | np.ndarray) -> str:
    some = first_names([str(number) for number in numbers])
    return f"{len(numbers)} feature{'s' if len(numbers) != 1 else ''} (number {some})"


def _reason(path: Path, error: BaseException) -> str:
    return reason_of(error).replace(str(path), path.name).partition(";")[0].rstrip(".")
