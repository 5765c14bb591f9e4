"""The jobs of a study: published commands with their options, each in a folder of its own.

    runs/studies/<study>/lists/<data>/<area>/       train.txt, val.txt, test.txt of folds; a data folder where
                                                    ranges have to be measured on training tiles
    runs/studies/<study>/pretraining/<weights>/     tools/pretrain.py, where a network starts from weights of its own
    runs/studies/<study>/selections/<selection>/    tools/train_AL.py, for all trainings that learn from its choice
    runs/studies/<study>/<cell>/                    run/: tools/train_s4gan.py; best/, last/: tools/auto_evaluate.py

A selection or pre-training is shared by all cells whose commands would be the same. Decoded tiles are shared by all
jobs through the data set's cache.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.lists.fold_folder import write_fold_folder
from data.lists.folds import LISTS, Fold, file_name, folds_of
from model.methods import METHODS
from tools.studies.commands import SELECTION, CellCommands, Job
from utils.errors import DataError, OptionError
from utils.runs.files import make_folder, write_names
from utils.studies.cells import Cell, cells_of
from utils.studies.parts import AreaSettings, StudyData
from utils.studies.settings import StudySettings
from utils.suggest import unknown


@dataclass(frozen=True)
class StudyJobs:
    """What there is to do for a study.

    Attributes:
        study: the study.
        folder: of the study.
        areas: of each data set, by its name.
        folds: lists that have to be written before the first job; empty where the study names all its lists.
        cells: in the order they are run in.
        jobs: likewise, each after those that it needs.
    """

    study: StudySettings
    folder: Path
    areas: Mapping[str, Sequence[AreaSettings]]
    folds: Mapping[Path, Fold]
    cells: Sequence[Cell]
    jobs: Sequence[Job]

    def write_lists(self) -> None:
        """Write the lists of the folds, and data folders where they need them; what is there has to be the same.

        Raises:
            DataError: something differs: the data set is not the one that the study began with.
        """
        data_dirs = {data.name: data.data_dir for data in self.study.data}
        for folder, fold in self.folds.items():
            make_folder(folder)
            for part in LISTS:
                names, path = fold.lists[part], folder / f"{part}.txt"
                if not names:
                    continue
                if path.is_file() and path.read_text(encoding="utf-8").split("\n") != [*names, ""]:
                    raise DataError(
                        f"{path} is of another data set than today's; bring that one back, or give the study a new name"
                    )
                if not path.is_file():
                    write_names(path, names)
            if fold.needs_folder:
                write_fold_folder(folder, data_dirs[folder.parent.name], fold.lists)


def jobs_of(study: StudySettings, folder: Path) -> StudyJobs:
    """All jobs of a study; each command's options are read as that command would.

    Args:
        study: the study.
        folder: of its results.

    Raises:
        OptionError: an unknown method or option, or one that a command refuses; says for which cell.
        DataError: the folds of a data set cannot be made.
    """
    _check_methods(study)
    areas: dict[str, list[AreaSettings]] = {}
    folds: dict[Path, Fold] = {}
    for data in study.data:
        areas[data.name] = list(_areas_of(data, folder / "lists" / data.name, folds))
    cells = cells_of(study, {name: [area.name for area in of_data] for name, of_data in areas.items()})
    shared: dict[tuple[str, ...], Job] = {}
    jobs: list[Job] = []
    for cell in cells:
        area = next(area for area in areas[cell.data] if area.name == cell.area)
        jobs += _jobs_of_cell(CellCommands(study, folder, cell, area), shared)
    _check_shared(jobs)
    return StudyJobs(study, folder, areas, folds, cells, _with_cells(jobs))


def _check_methods(study: StudySettings) -> None:
    """Refuse what is no method; which there are, `utils` does not know."""
    for name in study.methods:
        if (variant := study.variant_of(name)) is None:
            if name not in METHODS:
                raise OptionError(unknown("method", name, METHODS))
        elif name in METHODS:
            raise OptionError(f"variant {name} has the name of a method; give it a name of its own")
        elif variant.method not in METHODS:
            raise OptionError(unknown(f"method of the variant {name},", variant.method, METHODS))


def _check_shared(jobs: Sequence[Job]) -> None:
    """Refuse a choice or a pre-training that cells share and want different options for."""
    names = [job.name for job in jobs]
    for job in jobs:
        if names.count(job.name) > 1:
            command, shared = ("select", "method") if job.kind == SELECTION else ("pretrain", "method or strategy")
            raise OptionError(
                f"cells that share {job.name} give it different options of [{command}]; give the same for each {shared}"
            )


def _jobs_of_cell(commands: CellCommands, shared: dict[tuple[str, ...], Job]) -> Iterator[Job]:
    """The jobs of a cell, but for those that an earlier one has asked for.

    Args:
        commands: of the cell.
        shared: jobs by their commands' options; new ones are added.
    """
    pretraining = selection = None
    if commands.network.needs_pretraining:
        if (words := commands.pretraining_words()) not in shared:
            yield shared.setdefault(words, commands.pretraining(words))
        pretraining = shared[words]
    if commands.study.strategies != ("random",):
        if (words := commands.selection_words(pretraining)) not in shared:
            yield shared.setdefault(words, commands.selection(words, pretraining))
        selection = shared[words]
    yield commands.job(pretraining, selection)


def _areas_of(data: StudyData, folder: Path, folds: dict[Path, Fold]) -> Iterator[AreaSettings]:
    """The areas of a data set; the lists that have to be written for them are added to `folds`."""
    yield from data.areas
    if data.folds is None:
        return
    for fold in folds_of(data.folds, data.dataset, data.data_dir):
        name = file_name(fold.area)
        if (lists := folder / name) in folds or not name:
            raise DataError(f"area {fold.area!r} of {data.name} makes no folder of its own; rename it")
        folds[lists] = fold
        val = lists / "val.txt" if fold.val else None
        own = lists if fold.needs_folder else None
        yield AreaSettings(name, lists / "train.txt", lists / "test.txt", val, own)


def _with_cells(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, of which shared ones know all cells that need them."""
    users: dict[str, list[Cell]] = {}
    for job in jobs:
        for name in job.needs:
            users.setdefault(name, []).extend(job.cells)
    return [Job(job.name, job.kind, job.steps, tuple(users.get(job.name, job.cells)), job.needs) for job in jobs]
