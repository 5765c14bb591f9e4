"""The tiles of a list with their scene classes, opened to be chosen from or to validate on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.cache import CacheSettings
from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from data.lists.unreadable import open_readable
from data.tiles import Tiles
from utils.compute import distributed
from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE
from utils.selection.scene_tiles import SceneTiles
from utils.wording import worded


@dataclass(frozen=True)
class SceneList:
    """A list of tiles.

    Attributes:
        tiles: their decoded images.
        scenes: their names and scene classes.
        unreadable: positions of tiles that cannot be read.
    """

    tiles: Tiles
    scenes: SceneTiles
    unreadable: list[int]


def open_scene_list(
    description: Description,
    data_dir: Path,
    names: Sequence[str],
    labels: Mapping[str, str],
    cache: CacheSettings | None = None,
    skip_unreadable: bool = False,
) -> SceneList:
    """Open the tiles of a list after each image was decoded once. Several processes call it together.

    Args:
        description, data_dir: the data set.
        names: the list.
        labels: scene class by name, of the tiles that have one.
        cache: where decoded tiles are kept; None decodes at every access.
        skip_unreadable: leave tiles that cannot be read out instead of ending with an error.

    Raises:
        DataError: a tile cannot be read and may not be left out, or none can be read.
    """
    classes = description.scene_classes or ()
    index = {name: number for number, name in enumerate(classes)}
    ids = np.array([index[labels[name]] if name in labels else UNKNOWN_SCENE for name in names], dtype=np.int64)
    tiles, unreadable = distributed.main_first(
        lambda: open_readable(description, data_dir, names, cache, skip_unreadable)
    )
    return SceneList(tiles, SceneTiles(names, classes, ids, tiles.shown, tiles.reader.tile_size), unreadable)


def open_validation_list(
    description: Description,
    data_dir: Path,
    names: Sequence[str],
    labels: Mapping[str, str],
    learned_from: Sequence[str],
    cache: CacheSettings | None = None,
    skip_unreadable: bool = False,
) -> SceneList:
    """Open the tiles of a validation list; each has a scene class but those that cannot be read.

    Args:
        description, data_dir, names, cache, skip_unreadable: as for `open_scene_list`.
        labels: scene classes that are known; those of further tiles are the data set's.
        learned_from: tiles that may not be among them.

    Raises:
        DataError: one has no scene class, or is learned from.
    """
    if shared := set(learned_from) & set(names):
        raise DataError(
            worded(
                "{} tiles are in {val_list} and in {data_list}, such as '{}'; accuracy is measured on tiles that are "
                "not learned from, so give separate lists",
                len(shared),
                min(shared),
            )
        )
    others = [name for name in names if name not in labels]  # not among the answers of the oracle
    known = {**labels, **read_scene_labels(description, data_dir, others)}
    if missing := [name for name in others if name not in known]:
        raise DataError(
            worded(
                "{} of {} tiles of {val_list} have no scene label, the first is '{}'; add them to the data set's "
                "labels or to the CSV of {oracle}",
                len(missing),
                len(names),
                missing[0],
            )
        )
    opened = open_scene_list(description, data_dir, names, known, cache, skip_unreadable)
    opened.scenes.labels[opened.unreadable] = UNKNOWN_SCENE
    return opened
