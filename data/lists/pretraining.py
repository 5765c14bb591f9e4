"""Tiles to pre-train on, and those whose scene classes tell how good the features are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.descriptions import Description
from data.lists.oracle import read_answers, with_scene_classes
from data.lists.scene_labels import read_scene_labels
from data.lists.scene_list import SceneList, open_scene_list, open_validation_list
from data.lists.splits import read_names, split_names
from data.settings import DataSettings
from utils.compute import distributed
from utils.errors import DataError, warn
from utils.imagery.labels import UNKNOWN_SCENE
from utils.settings import SettingsError
from utils.wording import worded

HELD_OUT = 0.2  # share of the labelled tiles that features are measured on, where no list is given


@dataclass(frozen=True)
class PretrainingTiles:
    """A list of tiles, and which of them are learned from, known by their classes, and measured.

    Attributes:
        listed: the tiles, with their scene classes as far as they are known.
        learned: positions of those that are learned from.
        known: positions of those among which neighbours are looked for.
        held_out: the list of the tiles that are measured: the same, or a validation list.
        measured: their positions there; none where there are too few labels.
        where: these tiles in words.
    """

    listed: SceneList
    learned: Sequence[int]
    known: Sequence[int]
    held_out: SceneList
    measured: Sequence[int]
    where: str

    @property
    def names(self) -> list[str]:
        """Names of the tiles that are learned from."""
        return [self.listed.tiles.names[position] for position in self.learned]


def open_pretraining_tiles(
    data: DataSettings,
    with_labels: bool,
    seed: int,
    val_list: Path | None = None,
    scene_labels: Path | None = None,
    scene_classes: tuple[str, ...] | None = None,
    skip_unreadable: bool = False,
) -> PretrainingTiles:
    """Open the tiles of a list. Several processes call it together.

    Without a validation list a fifth of the labelled tiles is measured, drawn class by class, scenes on one side. They
    are left out of what is learned where labels are learned from; else they are learned from as any other tile.

    Args:
        data: the data set and the list.
        with_labels: scene labels are learned from.
        seed: of the draw.
        val_list: tiles to measure on.
        scene_labels: CSV of labels; None: those of the data set.
        scene_classes: their names, where the data set has none.
        skip_unreadable: leave out tiles that cannot be read.

    Raises:
        OptionError: no such file, or labels are to be learned from and there are no scene classes.
        DataError: a tile or a label cannot be used, or labels are to be learned from and fewer than two classes occur.
    """
    description = with_scene_classes(data.description(), scene_classes, with_labels or val_list is not None)
    names = read_names(data.data_list, description)
    val_names = read_names(val_list, description) if val_list else []
    labels = _labels(description, data.data_dir, names, val_names, scene_labels)
    listed = open_scene_list(description, data.data_dir, names, labels, data.cache(), skip_unreadable)
    readable = np.setdiff1d(np.arange(len(names)), listed.unreadable)
    known = readable[listed.scenes.labels[readable] != UNKNOWN_SCENE].tolist()
    if val_list:
        held_out = open_validation_list(
            description, data.data_dir, val_names, labels, names, data.cache(), skip_unreadable
        )
        measured = np.flatnonzero(held_out.scenes.labels != UNKNOWN_SCENE).tolist()
        where = str(val_list)
    else:
        held_out, (known, measured) = listed, _parted(description, names, labels, known, seed)
        where = "held out" if with_labels else "a fifth of the labelled ones; they were seen, without their labels"
    classes = len(set(listed.scenes.labels[known].tolist()))
    if with_labels and classes < 2:
        raise DataError(
            worded(
                "{} of {} tiles of {data_list} have a scene label, of {} classes; to learn from labels takes two "
                "classes, and {task} self none",
                len(known),
                len(names),
                classes,
            )
        )
    learned = known if with_labels else readable.tolist()
    return PretrainingTiles(listed, learned, known, held_out, measured if classes > 1 else [], where)


def _labels(
    description: Description,
    data_dir: Path,
    names: Sequence[str],
    val_names: Sequence[str],
    table: Path | None,
) -> Mapping[str, str]:
    """Scene class by name, as far as it is known."""
    if table is None:
        return read_scene_labels(description, data_dir, [*names, *val_names]) if description.scene_classes else {}
    if description.scene_classes is None:
        raise SettingsError("{scene_labels} {} needs {scene_classes}, as the data set names none", table)
    if not table.is_file():
        raise SettingsError("{scene_labels} {} is no file; give a CSV with the columns name,label", table)
    return distributed.from_main(lambda: read_answers([table], description, {*names, *val_names}, warn))


def _parted(
    description: Description, names: Sequence[str], labels: Mapping[str, str], known: Sequence[int], seed: int
) -> tuple[list[int], list[int]]:
    """Labelled tiles in two parts: those whose classes are known, and those that are measured."""
    labelled = [names[position] for position in known]
    if len(labelled) < 2:
        return list(known), []
    groups = {name: scene for name, scene in description.groups_of(labelled).items() if scene is not None}
    stratum = {name: labels[name] for name in labelled}
    drawn = set(split_names(labelled, HELD_OUT, seed, stratum, groups)[1])
    return (
        [position for position in known if names[position] not in drawn],
        [position for position in known if names[position] in drawn],
    )
