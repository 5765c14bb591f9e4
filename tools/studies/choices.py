"""What explains a choice: scene and pixel classes of the labelled tiles, against those of the pool."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from data.lists.splits import read_names
from data.reader import names_with_masks, open_reader
from data.settings import DataSettings
from tools.studies.jobs import StudyJobs
from tools.studies.tables import StudyResults
from utils.compute.threads import in_threads
from utils.imagery.labels import IGNORE_INDEX
from utils.studies.cells import Cell
from utils.studies.coverage import SceneRow, ShareTable, coverage_rows, share_table
from utils.studies.settings import AreaSettings, StudyData


def scenes_of_choices(jobs: StudyJobs, results: StudyResults) -> list[SceneRow]:
    """Scene classes among labelled tiles, for data sets that have scene classes."""
    chosen: dict[Cell, Sequence[str]] = {}
    pools: dict[Cell, Sequence[str]] = {}
    scenes: dict[str, str] = {}
    for data, area, cells in _known(jobs, results):
        description = _description(data, area)
        pool = read_names(area.train, description)
        scenes |= read_scene_labels(description, area.data_dir or data.data_dir, pool)
        chosen |= cells
        pools |= dict.fromkeys(cells, pool)
    return coverage_rows(chosen, pools, scenes)


def pixels_of_choices(jobs: StudyJobs, results: StudyResults) -> list[ShareTable]:
    """Shares of the pixel classes among labelled tiles and in the pool, a table for each data set."""
    tables = []
    for data in jobs.study.data:
        of_data = [(area, cells) for each, area, cells in _known(jobs, results) if each is data]
        pools: list[np.ndarray] = []
        chosen: dict[str, list[np.ndarray]] = {}
        classes: Sequence[str] = ()
        for area, cells in of_data:
            description = _description(data, area)
            counts = _pixels(description, area.data_dir or data.data_dir, read_names(area.train, description))
            classes = description.classes
            pools.append(sum(counts.values(), np.zeros(len(classes))))
            for cell, names in cells.items():
                own = [counts[name] for name in names if name in counts]
                chosen.setdefault(cell.strategy, []).append(sum(own, np.zeros(len(classes))))
        if pools and chosen:
            tables.append(share_table(data.name, classes, pools, chosen))
    return tables


def _known(jobs: StudyJobs, results: StudyResults) -> list[tuple[StudyData, AreaSettings, dict[Cell, Sequence[str]]]]:
    """Areas of which labelled tiles are known: the names of each choice, once for all methods."""
    found = []
    for data in jobs.study.data:
        for area in jobs.areas[data.name]:
            cells = {
                cell: labels.names
                for cell, labels in results.labels.items()
                if (cell.data, cell.area, cell.method) == (data.name, area.name, jobs.study.methods[0]) and labels.names
            }
            if cells and area.train.is_file():
                found.append((data, area, cells))
    return found


def _description(data: StudyData, area: AreaSettings) -> Description:
    return DataSettings(data.dataset, area.data_dir or data.data_dir, area.train).description()


def _pixels(description: Description, data_dir: Path, names: Sequence[str]) -> Mapping[str, np.ndarray]:
    """Pixels of each class in the tiles that have a mask, shape (classes,) by name."""
    reader = open_reader(description, data_dir, names)
    masked = names_with_masks(reader, names)

    def count(name: str) -> np.ndarray:
        mask = reader.mask(name)
        return np.bincount(mask[mask != IGNORE_INDEX], minlength=description.num_classes).astype(float)

    return dict(zip(masked, in_threads(count, masked, "classes", "mask"), strict=True))
