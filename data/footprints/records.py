"""Where tiles were cut: `tiles.csv` beside a data set cut from scenes, and `tiles.gpkg` for a GIS."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyogrio
import shapely

from data.rasters.places.crs import crs_text, crs_way
from data.rasters.places.grids import Six, ring
from utils.errors import DataError
from utils.paths import private_name, read_bytes
from utils.runs.files import make_folder, storage_error, write_text
from utils.tables import plain_cell, table_text

_PER_SIDE = 4  # points on each side of a footprint in degrees, where a straight side is a curve
_DEGREES = "EPSG:4326"
_SHARE = "share_"  # what names of fields begin with


@dataclass(frozen=True)
class TileRecord:
    """A line of `tiles.csv`.

    Attributes:
        name: of the tile.
        scene: that it was cut from.
        row, column: of its upper left pixel in the scene.
        height, width: in pixels.
        crs: WKT or `EPSG:n`; None where the scene has none.
        transform: of the tile, from its pixels to the map, a b c d e f; None where the scene has no place.
        valid: share of its pixels that hold data, in [0, 1].
        block: tiles of one block stay on one side of a split.
        list: the list it is in, such as `train`; empty where it is in none.
    """

    name: str
    scene: str
    row: int
    column: int
    height: int
    width: int
    crs: str | None = None
    transform: Six | None = None
    valid: float = 1.0
    block: str = ""
    list: str = ""

    @property
    def has_place(self) -> bool:
        """Whether it is known where on Earth the tile lies."""
        return self.crs is not None and self.transform is not None


_COLUMNS = [field.name for field in fields(TileRecord)]


def write_tiles_csv(path: Path, records: Iterable[TileRecord]) -> None:
    """Write `tiles.csv`; a CRS is written as its EPSG code where it has one."""
    names: dict[str | None, str] = {None: ""}
    rows: list[Sequence[object]] = [_COLUMNS]
    for record in records:
        if record.crs not in names:
            names[record.crs] = crs_text(record.crs) if record.crs else ""
        transform = "" if record.transform is None else " ".join([repr(float(value)) for value in record.transform])
        cells = {"crs": names[record.crs], "transform": transform}
        rows.append([cells.get(column, getattr(record, column)) for column in _COLUMNS])
    write_text(path, table_text(rows))


def read_tiles_csv(path: Path) -> Sequence[TileRecord]:
    """Read `tiles.csv`; further columns are fine.

    Raises:
        DataError: not a readable CSV, a missing column, or a value that is none, with its line.
    """
    rows = _rows(path)
    _, header = next(rows, (1, []))
    if missing := [column for column in _COLUMNS if column not in header]:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}; expected {','.join(_COLUMNS)}")
    cells_of = itemgetter(*map(header.index, _COLUMNS))
    records: dict[str, TileRecord] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: expected {len(header)} columns, found {len(row)}")
        try:
            record = _record([plain_cell(cell) if cell[:1] == "'" else cell for cell in cells_of(row)])
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        if record.name in records:
            raise DataError(f"{path}, line {line}: '{record.name}' stands there already; remove one line")
        records[record.name] = record
    return tuple(records.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of the rows that are not empty, one after another: 100,000 at once would be slow to look after."""
    try:
        reader = csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig"), newline=""), strict=True)
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV with UTF-8 encoding") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a readable CSV ({error}); prepare the data folder again") from error


def _record(cells: Sequence[str]) -> TileRecord:
    """A record from its cells, in the order of its fields.

    Raises:
        ValueError: a cell holds something else than is expected there.
    """
    name, scene, *sides, crs, transform, share, block, in_list = cells
    row, column, height, width = (int(cell) if cell.isdecimal() else -1 for cell in sides)
    if min(row, column) < 0 or min(height, width) < 1:
        keys = zip(("row", "column", "height", "width"), sides, (0, 0, 1, 1), strict=True)
        key, cell = next((key, cell) for key, cell, least in keys if not cell.isdecimal() or int(cell) < least)
        raise ValueError(f"{key} is {cell!r}, expected a whole number of pixels")
    try:
        six, valid = tuple(map(float, transform.split())), float(share)
    except ValueError as error:
        raise ValueError(f"{error}; expected six numbers as transform, and a share as valid") from error
    if len(six) not in (0, 6) or not all(map(math.isfinite, six)) or not 0 <= valid <= 1:
        raise ValueError(
            f"transform is {transform!r} and valid {share!r}; expected six numbers or none, and a share of 0 to 1"
        )
    place = six if len(six) == 6 else None
    return TileRecord(name, scene, row, column, height, width, crs or None, place, valid, block, in_list)


# --- Footprints -------------------------------------------------------------------------------------------------------


def footprints(records: Sequence[TileRecord], crs: str, per_side: int = _PER_SIDE) -> np.ndarray:
    """Points around tiles that have a place, in one CRS, float (N, 4·per_side, 2); the first is the upper left corner.

    Raises:
        DataError: a tile's CRS cannot be brought to this one.
    """
    columns, rows = ring(1.0, 1.0, per_side)
    sizes = np.array([(record.height, record.width) for record in records], float).reshape(-1, 2)
    a, b, c, d, e, f = np.array([record.transform for record in records], float).reshape(-1, 6).T[..., None]
    x, y = sizes[:, 1:] * columns, sizes[:, :1] * rows
    points = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
    own = np.array([record.crs for record in records], object)
    for source in set(own.tolist()):
        of_crs = np.flatnonzero(own == source)
        x, y = crs_way(str(source), crs)(points[of_crs, :, 0], points[of_crs, :, 1])
        points[of_crs] = np.stack([x, y], axis=-1)
    return points


def in_degrees(points: np.ndarray) -> np.ndarray:
    """Polygons from points of longitude and latitude, float (N, M, 2); one across the antimeridian has two parts."""
    torn = np.ptp(points[..., 0], axis=1) > 180
    points = points.copy()
    points[..., 0] += 360 * (torn[:, None] & (points[..., 0] < 0))
    polygons = shapely.polygons(points)
    for index in np.flatnonzero(torn):
        east = shapely.intersection(polygons[index], shapely.box(0, -90, 180, 90))
        west = shapely.intersection(polygons[index], shapely.box(180, -90, 360, 90))
        west = shapely.transform(west, lambda part: part - (360, 0))
        parts = shapely.get_parts([east, west])
        areas = parts[shapely.area(parts) > 0]  # one that ends at 180° has a mere line beyond it
        polygons[index] = areas[0] if len(areas) == 1 else shapely.MultiPolygon(list(areas))
    return polygons


def write_gpkg(
    path: Path,
    records: Sequence[TileRecord],
    shares: Mapping[str, Mapping[str, float]],
    chosen: Collection[str] = (),
) -> int:
    """Write `tiles.gpkg`: a footprint for each tile that has a place, in EPSG:4326.

    Its layer `tiles` has the fields `name`, `scene`, `list`, `chosen`, and `share_<class>` for each class, which is
    empty where a tile has no mask.

    Args:
        path: the file.
        records: the tiles.
        shares: of the labelled pixels of a tile by class; classes come in the order of their first mention.
        chosen: names of the tiles that the active learner chose.

    Returns:
        How many footprints were written; without any there is no file.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full, or a tile's CRS cannot be brought to EPSG:4326.
    """
    placed = [record for record in records if record.has_place]
    if not placed:
        path.unlink(missing_ok=True)
        return 0
    chosen = set(chosen)
    classes = list(dict.fromkeys(name for of_tile in shares.values() for name in of_tile))
    columns: dict[str, np.ndarray] = {
        key: np.array([getattr(record, key) for record in placed], object) for key in ("name", "scene", "list")
    }
    columns["chosen"] = np.array([record.name in chosen for record in placed])
    for name in classes:
        values = [shares.get(record.name, {}).get(name, np.nan) for record in placed]
        columns[_free(f"{_SHARE}{name}", columns)] = np.array(values, float)
    polygons = in_degrees(footprints(placed, _DEGREES))
    temporary = private_name(path, ".gpkg")
    try:
        make_folder(path.parent)
        pyogrio.raw.write(
            temporary, shapely.to_wkb(polygons), list(columns.values()), list(columns), driver="GPKG", layer="tiles",
            geometry_type="Polygon" if (shapely.get_type_id(polygons) == 3).all() else "Unknown", crs=_DEGREES,
        )  # fmt: skip
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as error:
        raise DataError(f"{path} could not be written ({error}); is the disk full?") from error
    finally:
        for left in path.parent.glob(f"{temporary.name}*"):  # with SQLite's journal
            with suppress(OSError):
                left.unlink()
    return len(placed)


def read_shares(path: Path) -> dict[str, dict[str, float]]:
    """Class shares by tile, as `write_gpkg` wrote them; none where there is no such file or it is not readable."""
    try:
        meta, _, _, columns = pyogrio.raw.read(path, layer="tiles", read_geometry=False)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError):
        return {}
    values = dict(zip(meta["fields"].tolist(), columns, strict=True))
    names = values.get("name", np.array([], object)).tolist()
    shares: dict[str, dict[str, float]] = {name: {} for name in names}
    for field, column in values.items():
        if field.startswith(_SHARE):
            for name, share in zip(names, column.tolist(), strict=True):
                shares[name][field.removeprefix(_SHARE)] = share
    return shares


def _free(name: str, taken: Collection[str]) -> str:
    """A field's name that differs from others by more than its case."""
    lower = {other.lower() for other in taken}
    found, number = name, 2
    while found.lower() in lower:
        found, number = f"{name}_{number}", number + 1
    return found
