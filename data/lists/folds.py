"""Folds of a data set: each area is the test area once, and its tiles are in no other list of that fold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.descriptions import Description
from data.footprints.of_set import read_records
from data.lists.fold_folder import is_measured
from data.lists.scene_labels import read_scene_labels
from data.lists.splits import read_names, split_names
from data.reader import names_with_masks, open_reader
from data.settings import DataSettings
from utils.errors import DataError
from utils.studies.parts import FoldSettings
from utils.suggest import first_names, unknown

LISTS = ("train", "val", "test")


@dataclass(frozen=True)
class Fold:
    """The lists of one test area.

    Attributes:
        area: its name, as the tiles have it.
        train: names of all training tiles, with masks or without; none lies in the area.
        val: tiles with masks that are held out of the training tiles to choose the checkpoint; may be empty.
        test: tiles of the area that have masks.
        needs_folder: the data set's ranges or normalisation were measured on tiles of all areas, so the fold needs a
            data folder of its own (`data.lists.fold_folder`).
    """

    area: str
    train: Sequence[str]
    val: Sequence[str]
    test: Sequence[str]
    needs_folder: bool = False

    @property
    def lists(self) -> dict[str, Sequence[str]]:
        """Names by list."""
        return {name: getattr(self, name) for name in LISTS}


def folds_of(settings: FoldSettings, dataset: str, data_dir: Path) -> list[Fold]:
    """The folds of a prepared data set, in the order of their areas' names.

    Args:
        settings: what an area is, and how validation tiles are drawn.
        dataset, data_dir: the data set; tiles are those of `tiles.csv`, or else of its lists.

    Raises:
        OptionError: there is no such data set.
        DataError: its tiles belong to no areas or to one only, an area has no masks, or it is not known how the ranges
            of its bands came about.
    """
    description = DataSettings(dataset, data_dir, data_dir / "train.txt").description()
    needs_folder = is_measured(data_dir, description)
    records = read_records(data_dir)
    names = [record.name for record in records] or _listed(description, data_dir)
    scene_of = {record.name: record.scene for record in records}
    area_of = _areas(settings, names, description, data_dir)
    masked = set(names_with_masks(open_reader(description, data_dir, names), names))
    stratum = read_scene_labels(description, data_dir, names)
    folds = []
    for area in _tested(settings, sorted(set(area_of.values()))):
        test = [name for name in names if area_of[name] == area and name in masked]
        if not test:
            raise DataError(f"area {area} of {data_dir} has no tile with a mask to test on; leave it out of `areas`")
        others = [name for name in names if area_of[name] != area]
        train, val = _held_out(settings, others, masked, stratum, scene_of)
        near = _near(settings.gap, data_dir, {"train": train, "val": val, "test": test}, area_of)
        if not set(train) - near:
            raise DataError(f"no training tile is left for area {area} of {data_dir}; lower `gap`")
        folds.append(
            Fold(area, [n for n in train if n not in near], [n for n in val if n not in near], test, needs_folder)
        )
    return folds


def _listed(description: Description, data_dir: Path) -> list[str]:
    """All names of the data set's own lists, each once."""
    paths = [data_dir / f"{part}.txt" for part in LISTS]
    found = [name for path in paths if path.is_file() for name in read_names(path, description)]
    if not found:
        raise DataError(f"{data_dir} holds no train.txt, val.txt or test.txt, which name its tiles; prepare it first")
    return list(dict.fromkeys(found))


def _areas(settings: FoldSettings, names: Sequence[str], description: Description, data_dir: Path) -> dict[str, str]:
    """The area of each tile."""
    records = read_records(data_dir)
    if settings.by == "group":
        found: Mapping[str, str | None] = description.groups_of(names)
        advice = "dataset.json has no `group` that finds one in its name"
    else:
        found = {record.name: getattr(record, settings.by) or None for record in records}
        advice = f"tiles.csv does not say its {settings.by}"
    areas = {name: area for name in names if (area := found.get(name))}
    if without := [name for name in names if name not in areas]:
        raise DataError(f"tiles of {data_dir} belong to no area, such as {first_names(without)}: {advice}")
    if len(set(areas.values())) < 2:
        raise DataError(f"all tiles of {data_dir} are of one area, and two are needed; take another `by`")
    return areas


def _tested(settings: FoldSettings, areas: Sequence[str]) -> Sequence[str]:
    for area in settings.areas:
        if area not in areas:
            raise DataError(unknown("area", area, areas))
    return [area for area in areas if area in settings.areas or not settings.areas]


def _held_out(
    settings: FoldSettings,
    names: Sequence[str],
    masked: set[str],
    stratum: Mapping[str, str],
    scene_of: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Training and validation tiles; tiles of a scene stay on one side where there are two scenes or more."""
    if not settings.val_share:
        return list(names), []
    candidates = [name for name in names if name in masked]
    _, val = split_names(candidates, settings.val_share, settings.seed, stratum, scene_of)
    scenes = {scene_of[name] for name in val if name in scene_of}
    out = {name for name in names if scene_of.get(name) in scenes} if len(set(scene_of.values())) > 1 else set(val)
    return [name for name in names if name not in out], val


def _near(gap: float, data_dir: Path, lists: Mapping[str, Sequence[str]], area_of: Mapping[str, str]) -> set[str]:
    """Training and validation tiles that are too near to a test tile, and training tiles to a validation tile."""
    records = read_records(data_dir)
    if gap <= 0:
        return set()
    if not records:
        raise DataError(f"{data_dir} has no tiles.csv, which says where its tiles lie; leave `gap` out")
    from data.footprints.distances import too_near  # with GEOS

    part_of = {name: part for part, names in lists.items() for name in names}
    placed = [replace(record, list=part_of.get(record.name, "")) for record in records]
    first = set(too_near(placed, gap))
    tests_only = {"val": "train", "test": "test"}
    as_training = [replace(record, list=tests_only.get(record.list, "")) for record in placed]
    return first | set(too_near(as_training, gap))


def file_name(area: str) -> str:
    """An area's name as names of cells and folders hold it."""
    return re.sub(r"[^A-Za-z0-9.+-]", "-", area).strip("-.+")[:40]
