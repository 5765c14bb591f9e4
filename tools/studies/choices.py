"""What explains a choice: scene and pixel classes of the labelled tiles, and near-duplicates, against the pool."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from data.descriptions import Description
from data.footprints.of_set import read_records
from data.lists.scene_labels import read_scene_labels
from data.lists.splits import read_names
from data.reader import TileReader, names_with_masks, open_reader
from data.settings import DataSettings
from tools.studies.jobs import StudyJobs
from tools.studies.tables import StudyResults
from utils.compute.threads import in_threads
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.near_duplicates import look_alike, small_picture
from utils.studies.cells import Cell
from utils.studies.coverage import Choice, SceneRow, ShareTable, coverage_rows, share_table
from utils.studies.parts import AreaSettings, StudyData
from utils.studies.redundancy import Redundancy, by_choice, redundancy

LARGEST = 3_000  # tiles of a pool that are compared with one another; of a larger one, as many from all over it
Value = TypeVar("Value")
Names = Mapping[Cell, Sequence[str]]


@dataclass(frozen=True)
class Explained:
    """What explains the choices of a study.

    Attributes:
        scenes: scene classes among labelled tiles, for data sets that have scene classes.
        shares: of pixel classes among labelled tiles and in the pool, a table for each data set.
        alike: labelled tiles that look nearly like another, by strategy, data set and amount of labels.
        overlapping: likewise, those that show half of another's ground or more, where `tiles.csv` tells places.
    """

    scenes: Sequence[SceneRow] = ()
    shares: Sequence[ShareTable] = ()
    alike: Mapping[Choice, Redundancy] = field(default_factory=dict)
    overlapping: Mapping[Choice, Redundancy] = field(default_factory=dict)


def explain(jobs: StudyJobs, results: StudyResults) -> Explained:
    """Look at the tiles of all choices that are known.

    Raises:
        UserError: a data set is not there any more, or a file of it cannot be read.
    """
    scenes: list[SceneRow] = []
    shares: list[ShareTable] = []
    alike: dict[Cell, Redundancy] = {}
    overlapping: dict[Cell, Redundancy] = {}
    for data in jobs.study.data:
        sets: dict[Path, SetOfTiles] = {}
        pools = [pool for area in jobs.areas[data.name] if (pool := _pool(jobs, results, data, area, sets)) is not None]
        if not pools:
            continue
        chosen = {cell: names for pool in pools for cell, names in pool.chosen.items()}
        of_cells = {cell: pool.names for pool in pools for cell in pool.chosen}
        scenes += coverage_rows(chosen, of_cells, {n: s for pool in pools for n, s in pool.scenes().items()})
        shares.append(_shares(data.name, pools))
        for pool in pools:
            alike |= pool.near(pool.tiles.alike)
            overlapping |= pool.near(pool.tiles.overlapping) if pool.tiles.has_places else {}
    return Explained(scenes, shares, by_choice(alike), by_choice(overlapping))


class SetOfTiles:
    """Tiles of a data set, each read once for all areas.

    Args:
        description, data_dir: the data set.
    """

    def __init__(self, description: Description, data_dir: Path) -> None:
        self.description, self.data_dir = description, data_dir
        self._pixels: dict[str, np.ndarray] = {}
        self._pictures: dict[str, np.ndarray] = {}

    def pixels(self, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Pixels of each class in the tiles that have a mask, shape (classes,) by name."""
        reader = open_reader(self.description, self.data_dir, names)

        def count(name: str) -> np.ndarray:
            mask = reader.mask(name)
            return np.bincount(mask[mask != IGNORE_INDEX], minlength=self.description.num_classes).astype(float)

        return _read(self._pixels, names_with_masks(reader, names), count, "mask")

    def alike(self, names: Sequence[str]) -> np.ndarray:
        """Which of the tiles look nearly the same, bool (N, N)."""
        reader: TileReader = open_reader(self.description, self.data_dir, names)
        found = _read(self._pictures, names, lambda name: small_picture(reader.image(name)), "image")
        return look_alike([found[name] for name in names])

    @cached_property
    def _overlaps(self) -> Sequence[tuple[str, str]]:
        from data.footprints.overlaps import overlapping_pairs  # with GEOS

        return list(overlapping_pairs(read_records(self.data_dir)))

    @cached_property
    def has_places(self) -> bool:
        """Whether it is known where in their scenes the tiles lie."""
        return bool(read_records(self.data_dir))

    def overlapping(self, names: Sequence[str]) -> np.ndarray:
        """Which of the tiles share half of their ground or more, bool (N, N)."""
        places = {name: place for place, name in enumerate(names)}
        shared = np.zeros((len(names), len(names)), bool)
        for first, second in self._overlaps:
            if first in places and second in places:
                shared[places[first], places[second]] = shared[places[second], places[first]] = True
        return shared


def _read(known: dict[str, Value], names: Sequence[str], read: Callable[[str], Value], unit: str) -> dict[str, Value]:
    new = [name for name in names if name not in known]
    known.update(zip(new, in_threads(read, new, "choices", unit), strict=True))
    return {name: known[name] for name in names}


@dataclass(frozen=True)
class Pool:
    """The training tiles of an area, and what was chosen of them.

    Attributes:
        tiles: of the data set.
        names: of the pool.
        chosen: names of the labelled tiles of cells, once for all methods.
    """

    tiles: SetOfTiles
    names: Sequence[str]
    chosen: Names

    def scenes(self) -> Mapping[str, str]:
        """Scene class of each tile that has one."""
        return read_scene_labels(self.tiles.description, self.tiles.data_dir, self.names)

    def near(self, like: Callable[[Sequence[str]], np.ndarray]) -> Iterator[tuple[Cell, Redundancy]]:
        """Of each choice, the tiles that have a like one among them."""
        some = self.names[:: -(-len(self.names) // LARGEST)]
        names = list(dict.fromkeys([*some, *(name for chosen in self.chosen.values() for name in chosen)]))
        matrix, places = like(names), {name: place for place, name in enumerate(names)}
        for cell, chosen in self.chosen.items():
            yield cell, redundancy(matrix, range(len(some)), [places[name] for name in chosen], len(self.names))


def _pool(
    jobs: StudyJobs, results: StudyResults, data: StudyData, area: AreaSettings, sets: dict[Path, SetOfTiles]
) -> Pool | None:
    """The pool of an area; None where no choice is known."""
    chosen = {  # all methods learn from the same choice
        replace(cell, method=""): labels.names
        for cell, labels in results.labels.items()
        if (cell.data, cell.area) == (data.name, area.name) and labels.names
    }
    if not chosen or not area.train.is_file():
        return None
    folder = area.data_dir or data.data_dir
    description = DataSettings(data.dataset, folder, area.train).description()
    tiles = sets.setdefault(folder, SetOfTiles(description, folder))
    return Pool(tiles, read_names(area.train, description), chosen)


def _shares(data: str, pools: Sequence[Pool]) -> ShareTable:
    of_pools: list[np.ndarray] = []
    chosen: dict[str, list[np.ndarray]] = {}
    for pool in pools:
        counts, nothing = pool.tiles.pixels(pool.names), np.zeros(pool.tiles.description.num_classes)
        of_pools.append(sum(counts.values(), nothing))
        for cell, names in pool.chosen.items():
            own = [counts[name] for name in names if name in counts]
            chosen.setdefault(cell.strategy, []).append(sum(own, nothing))
    return share_table(data, pools[0].tiles.description.classes, of_pools, chosen)
