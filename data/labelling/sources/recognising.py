"""What a labelling tool wrote, recognised by its content: zip, folder, JSON, vector file or mask."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.labelling.classes import ToolClasses
from data.labelling.settings import SourceSettings
from data.labelling.sources.coco import read_coco
from data.labelling.sources.cvat import LABEL_MAP, MASKS, read_cvat
from data.labelling.sources.drawing import Source
from data.labelling.sources.json_files import kind_of_json, of_no_tool, read_any_json
from data.labelling.sources.label_studio import read_label_studio
from data.labelling.sources.labelme import read_labelme
from data.labelling.sources.mask_files import read_mask_files
from data.labelling.sources.vectors import read_vectors
from data.labelling.tiles import LabelTiles
from data.preparing.archives import FolderSource, ZipSource
from data.rasters.files.gdal import driver_of
from utils.errors import DataError, UserError
from utils.paths import no_file
from utils.settings import SettingsError
from utils.suggest import first_names

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_VECTOR_MAGIC = (b"SQLite format 3\0", b"\0\0\x27\x0a")
_MASK_ENDINGS = (".png", ".tif", ".tiff", ".bmp")
_EXPECTED = (
    "expected CVAT's Segmentation mask 1.1, COCO, Label Studio's JSON, LabelMe, polygons (GeoPackage, GeoJSON, "
    "Shapefile) or a folder of masks"
)
MANIFEST = "labelling.json"  # in the folder of an export
GIVEN_BACK = {  # what to give in place of the folder of an export, by tool
    "qgis": "labels.gpkg",
    "folder": "masks",
    "cvat": "the zip that CVAT exports",
    "label-studio": "the JSON that Label Studio exports",
}


@dataclass(frozen=True)
class _Reading:
    """What reading a source needs beside it."""

    classes: ToolClasses
    tiles: LabelTiles
    wanted: Sequence[str]
    settings: SourceSettings


@contextmanager
def opened(
    settings: SourceSettings, classes: ToolClasses, tiles: LabelTiles, wanted: Sequence[str]
) -> Iterator[Source]:
    """What a tool wrote; its drawings can be read within the block.

    Args:
        settings: where it lies, and what polygons need.
        classes, tiles: of the data set.
        wanted: tiles that polygons are drawn on.

    Raises:
        OptionError: there is no such path, or a choice is needed.
        DataError: it is damaged, of no tool that is read, or of other classes.
    """
    path, reading = settings.from_, _Reading(classes, tiles, wanted, settings)
    if path.is_dir():
        yield _of_folder(path, reading)
        return
    if (fault := no_file(path)) is not None:
        raise SettingsError("{from_} {} {}; give what the labelling tool exported", path, fault)
    with path.open("rb") as file:
        beginning = file.read(16)
    if not beginning.startswith(_ZIP) and path.suffix.lower() != ".zip":
        yield _of_file(path, beginning, reading)
        return
    with tempfile.TemporaryDirectory(prefix="labels-") as unpacked:
        try:
            _unpack(path, Path(unpacked))
            yield _of_folder(Path(unpacked), reading)
        except UserError as error:
            text = str(error).replace(f"{unpacked}/", f"{path}: ").replace(unpacked, str(path))
            raise type(error)(text) from error


def _unpack(path: Path, folder: Path) -> None:
    source = ZipSource(path, "export it again")
    targets = [(file, folder / file.path) for file in source.files]
    for _, target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    source.place(targets, copy=True)


# --- Files ------------------------------------------------------------------------------------------------------------


def _of_file(path: Path, beginning: bytes, reading: _Reading) -> Source:
    if beginning.startswith(_VECTOR_MAGIC):
        return _vectors(path, reading)
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _of_json(path, read_any_json(path), reading)
    if driver_of(path) is not None:
        return read_mask_files(path.parent, [path.name], reading.classes, reading.tiles)
    found = "is empty" if not beginning else "is XML" if beginning.lstrip().startswith(b"<") else "is of no such kind"
    raise DataError(f"{path} {found}; {_EXPECTED}")


def _of_json(path: Path, raw: Any, reading: _Reading) -> Source:
    match kind_of_json(raw):
        case "geojson":
            return _vectors(path, reading)
        case "coco":
            return read_coco(path, raw, reading.classes)
        case "labelme":
            return read_labelme({path: raw}, reading.classes, reading.tiles)
        case "label-studio":
            return read_label_studio(path, raw, reading.classes, reading.tiles)
        case None:
            raise of_no_tool(path, raw)


def _vectors(path: Path, reading: _Reading) -> Source:
    settings = reading.settings
    return read_vectors(
        path, reading.classes, reading.tiles, reading.wanted, settings.label_field, settings.label_layer
    )


# --- Folders ----------------------------------------------------------------------------------------------------------


def _of_folder(folder: Path, reading: _Reading) -> Source:
    files = [file.path for file in FolderSource(folder).files]
    if MANIFEST in files:
        return _of_export(folder, reading)
    if any(path.rpartition("/")[2] == LABEL_MAP or f"/{MASKS}/" in f"/{path}" for path in files):
        return read_cvat(folder, reading.classes)
    if jsons := [path for path in files if path.lower().endswith((".json", ".geojson"))]:
        return _of_jsons(folder, jsons, reading)
    if vectors := [path for path in files if path.lower().endswith((".gpkg", ".shp"))]:
        if len(vectors) > 1:
            raise DataError(f"{folder} holds {len(vectors)} vector files ({first_names(vectors)}); give one of them")
        return _vectors(folder / vectors[0], reading)
    if masks := [path for path in files if path.lower().endswith(_MASK_ENDINGS)]:
        return read_mask_files(folder, masks, reading.classes, reading.tiles)
    found = f"holds {first_names(files)}" if files else "holds no files"
    raise DataError(f"{folder} {found}; {_EXPECTED}")


def _of_export(folder: Path, reading: _Reading) -> Source:
    """What was drawn in the folder that people were given; of tools that export files of their own, nothing."""
    raw = read_any_json(folder / MANIFEST)
    tool = raw.get("to") if isinstance(raw, dict) else None
    back = GIVEN_BACK.get(str(tool), "what the labelling tool exported")
    if tool == "qgis" and (folder / back).is_file():
        return _vectors(folder / back, reading)
    if tool == "folder" and (folder / back).is_dir() and any((folder / back).iterdir()):
        return _of_folder(folder / back, reading)
    raise DataError(f"{folder} is what people were given to label in, without what they drew; give {back}")


def _of_jsons(folder: Path, paths: Sequence[str], reading: _Reading) -> Source:
    contents = {folder / path: read_any_json(folder / path) for path in paths}
    if len(contents) == 1:
        path, raw = next(iter(contents.items()))
        return _of_json(path, raw, reading)
    for path, raw in contents.items():
        if (kind := kind_of_json(raw)) is None:
            raise of_no_tool(path, raw)
        if kind != "labelme":
            raise DataError(f"{folder} holds {len(contents)} JSON files, and {path.name} is not LabelMe's; give one")
    return read_labelme(contents, reading.classes, reading.tiles)
