"""A data set whose files were all looked at once: what its checks are made on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from data.checking.survey import Fault, SurveyedImage, SurveyedMask, SurveyedTile, lenient_reader, survey
from data.descriptions import Description
from data.footprints.of_set import read_counted_once
from data.lists.splits import read_names
from data.reader import TileReader
from data.settings import DataSettings
from utils.errors import UserError

if TYPE_CHECKING:
    from data.footprints.counting import CountedOnce


@dataclass(frozen=True)
class SurveyedSet:
    """What the checks of a data set are made on.

    Attributes:
        data: where it lies.
        description, reader: what it is, and how its files are read.
        lists: names by list: "data" and, where they were given, "test" and "val".
        tiles: what the files of each tile hold, by name.
        names_array: file of the names that the active learner chose; None: not given.
        overlapping: tiles that share pixels of a scene with another of their list, by list.
    """

    data: DataSettings
    description: Description
    reader: TileReader
    lists: Mapping[str, Sequence[str]]
    tiles: Mapping[str, SurveyedTile]
    names_array: Path | None = None
    overlapping: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        data: DataSettings,
        test_list: Path | None = None,
        val_list: Path | None = None,
        names_array: Path | None = None,
    ) -> "SurveyedSet":
        """Read the lists and decode every file once.

        Raises:
            OptionError: there is no such folder, data set or list.
            DataError: a list cannot be read.
        """
        description = data.description()
        paths = {"data": data.data_list, "test": test_list, "val": val_list}
        lists = {part: read_names(path, description) for part, path in paths.items() if path is not None}
        names = list(dict.fromkeys(name for part in lists.values() for name in part))
        reader = lenient_reader(description, data.data_dir, names)
        counted = {part: once for part, in_list in lists.items() if (once := _counted_once(data.data_dir, in_list))}
        of_tile = {name: counted[part] for part in reversed(lists) if part in counted for name in lists[part]}
        overlapping = {part: once.overlapping for part, once in counted.items()}
        tiles = {tile.name: tile for tile in survey(reader, names, of_tile)}
        return cls(data, description, reader, lists, tiles, names_array, overlapping)

    @cached_property
    def images(self) -> list[SurveyedImage]:
        """What all images hold."""
        return [tile.image for tile in self.tiles.values()]

    @cached_property
    def masks(self) -> list[SurveyedMask]:
        """What all masks hold that are there."""
        return [tile.mask for tile in self.tiles.values() if tile.mask is not None]

    def faults(self, kind: str) -> list[Fault]:
        """All faults of one kind, images first."""
        files: list[SurveyedImage | SurveyedMask] = [*self.images, *self.masks]
        return [file.fault for file in files if file.fault is not None and file.fault.kind == kind]


def _counted_once(data_dir: Path, names: Sequence[str]) -> "CountedOnce | None":
    """Which pixels each tile of a list counts; None where `tiles.csv` is not there or cannot be used, which is said
    with the distances."""
    try:
        return read_counted_once(data_dir, names)
    except UserError:
        return None
