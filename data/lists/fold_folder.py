"""A fold of a data set as a data set of its own, where ranges and normalisation come from its training tiles alone."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.dataset_json import FILE_NAME, STRETCH, parse_description, read_description
from data.descriptions import Description
from data.footprints.names import TILES_CSV
from data.footprints.of_set import read_records
from data.reader import TileReader
from utils.errors import DataError
from utils.imagery.bands import BYTES, RGB_BANDS, Bands
from utils.imagery.ranges import Ranges
from utils.runs.files import make_folder, storage_errors, write_json

if TYPE_CHECKING:  # with GDAL, which data sets of pictures do not need
    from data.rasters.sampling import SceneWindow


def is_measured(data_dir: Path, description: Description) -> bool:
    """Whether a data set's ranges or normalisation depend on which tiles are its training tiles.

    Raises:
        DataError: `dataset.json` does not say how its ranges came about.
    """
    bands = description.bands
    if (bands.ranges, bands.mean, bands.std) == (RGB_BANDS.ranges, RGB_BANDS.mean, RGB_BANDS.std):
        return False
    raw = _raw(data_dir)
    if STRETCH not in raw:
        raise DataError(
            f"{data_dir / FILE_NAME} does not say how its ranges were found (no `{STRETCH}`): they may have been "
            "measured on the test area too; prepare the data set again, or, where you gave them yourself, write "
            f'"{STRETCH}": null'
        )
    return raw[STRETCH] is not None or not bands.is_rgb


def write_fold_folder(folder: Path, data_dir: Path, lists: Mapping[str, Sequence[str]]) -> None:
    """Make a data folder of a fold: links to the tiles and labels, and a description of its own.

    What is there already stays; the description is written last and says that the folder is whole.

    Args:
        folder: to make; the fold's lists may lie in it.
        data_dir: the data set that was prepared, whose bands were measured.
        lists: names by list; ranges, mean and deviation are those of `train`.

    Raises:
        DataError: the tiles cannot be read, or the folder is that of another data set.
    """
    raw = _raw(data_dir)
    bands = _measured_on(lists["train"], data_dir, raw)
    content = raw | bands.as_json()
    target = folder / FILE_NAME
    if target.is_file() and json.loads(target.read_text(encoding="utf-8")) != json.loads(json.dumps(content)):
        raise DataError(
            f"{target} was measured on another data set than today's; bring that one back, or give the study a new name"
        )
    make_folder(folder)
    for source in sorted(data_dir.iterdir()):
        is_own = source.name in (FILE_NAME, TILES_CSV) or source.suffix == ".txt" or source.name.startswith(".")
        if not is_own:
            _link(folder / source.name, source)
    if records := read_records(data_dir):
        from data.footprints.records import write_tiles_csv  # with GDAL and PROJ

        list_of = {name: part for part, names in lists.items() for name in names}
        write_tiles_csv(folder / TILES_CSV, [replace(r, list=list_of.get(r.name, "")) for r in records])
    write_json(target, content)


def _raw(data_dir: Path) -> dict[str, Any]:
    """The content of a `dataset.json` that can be read as one."""
    path = data_dir / FILE_NAME
    read_description(path)
    return dict(json.loads(path.read_text(encoding="utf-8-sig")))


def _measured_on(names: Sequence[str], data_dir: Path, raw: Mapping[str, Any]) -> Bands:
    """The bands with ranges, mean and deviation of some tiles."""
    from data.rasters.sampling import sample_values  # with GDAL

    description = parse_description(raw)
    bands, reader = description.bands, TileReader(description, data_dir, (0, 0))
    sample = sample_values([_whole(reader.image_path(name)) for name in names], ",".join(map(str, bands.indices)))
    pairs = bands.ranges
    if (stretch := raw[STRETCH]) is not None:
        found = sample.percentiles(*stretch).pairs  # a band of 8 bits has its full range, whatever its tiles hold
        pairs = tuple(old if old == BYTES else new for old, new in zip(bands.ranges, found, strict=True))
    if bands.is_rgb:
        return replace(bands, ranges=pairs)
    mean, std = sample.moments(Ranges(pairs))
    return replace(bands, ranges=pairs, mean=tuple(mean), std=tuple(std))


def _whole(path: Path) -> "SceneWindow":
    from data.rasters.sampling import SceneWindow
    from data.rasters.scene import RasterScene

    with RasterScene.open(path, expand_palette=True) as tile:
        return SceneWindow(path, 0, 0, *tile.size)


def _link(link: Path, source: Path) -> None:
    if link.is_symlink() or link.exists():
        return
    with storage_errors(link):
        link.symlink_to(os.path.relpath(source.resolve(), link.parent.resolve()))
