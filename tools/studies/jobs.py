"""The jobs of a study: published commands with their options, each in a folder of its own.

    runs/studies/<study>/lists/<data>/<area>/       train.txt, val.txt, test.txt of folds
    runs/studies/<study>/selections/<selection>/    tools/train_AL.py, for all trainings that learn from its choice
    runs/studies/<study>/<cell>/                    run/: tools/train_s4gan.py; best/, last/: tools/auto_evaluate.py

A selection is shared by all cells whose commands would be the same. Decoded tiles are shared by all jobs through the
data set's cache.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from data.lists.folds import LISTS, Fold, file_name, folds_of
from model.methods import METHODS
from tools.cli import evaluate_options, select_options, train_options
from tools.settings import SelectionSettings, TrainingSettings
from utils.errors import DataError, OptionError
from utils.runs.files import make_folder, write_names
from utils.selection.folder import SelectionFolder
from utils.studies.cells import Cell, cells_of, network_of, options_of
from utils.studies.settings import AreaSettings, StudyData, StudySettings, words_of
from utils.suggest import unknown

SELECTION, CELL = "selection", "cell"  # kinds of jobs


@dataclass(frozen=True)
class Step:
    """One command of a job.

    Attributes:
        title: `select`, `train`, `best` or `last`.
        script: its file in tools/.
        words: its options.
        folder: that it writes.
        result: a file that is there when it has ended well.
    """

    title: str
    script: str
    words: tuple[str, ...]
    folder: Path
    result: Path


@dataclass(frozen=True)
class Job:
    """Commands that are run one after the other.

    Attributes:
        name: of its folder, below that of the study.
        kind: `SELECTION` or `CELL`.
        steps: its commands.
        cells: that need it; of a cell's own job, that cell.
        needs: names of the jobs that have to be done before.
    """

    name: str
    kind: str
    steps: tuple[Step, ...]
    cells: tuple[Cell, ...]
    needs: tuple[str, ...] = ()


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
        """Write the lists of the folds; those that are there already have to be the same.

        Raises:
            DataError: one differs: the data set is not the one that the study began with.
        """
        for folder, fold in self.folds.items():
            make_folder(folder)
            for part in LISTS:
                names, path = getattr(fold, part), folder / f"{part}.txt"
                if not names:
                    continue
                if path.is_file() and path.read_text(encoding="utf-8").split("\n") != [*names, ""]:
                    raise DataError(
                        f"{path} is of another data set than today's; bring that one back, or give the study a new name"
                    )
                if not path.is_file():
                    write_names(path, names)


def jobs_of(study: StudySettings, folder: Path) -> StudyJobs:
    """All jobs of a study; each command's options are read as that command would.

    Args:
        study: the study.
        folder: of its results.

    Raises:
        OptionError: an unknown method or option, or one that a command refuses; says for which cell.
        DataError: the folds of a data set cannot be made.
    """
    for method in study.methods:
        if method not in METHODS:
            raise OptionError(unknown("method", method, METHODS))
    areas: dict[str, list[AreaSettings]] = {}
    folds: dict[Path, Fold] = {}
    for data in study.data:
        areas[data.name] = list(_areas_of(data, folder / "lists" / data.name, folds))
    cells = cells_of(study, {name: [area.name for area in of_data] for name, of_data in areas.items()})
    selections: dict[tuple[str, ...], Job] = {}
    jobs: list[Job] = []
    for cell in cells:
        area = next(area for area in areas[cell.data] if area.name == cell.area)
        maker = _CellJobs(study, folder, cell, area)
        selection = None
        if study.strategies != ("random",):
            key = maker.selection_words()
            if key not in selections:
                selections[key] = maker.selection(key)
                jobs.append(selections[key])
            selection = selections[key]
        jobs.append(maker.job(selection))
    return StudyJobs(study, folder, areas, folds, cells, _with_cells(jobs))


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
        yield AreaSettings(name, lists / "train.txt", lists / "test.txt", val)


def _with_cells(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, of which selections know all cells that need them."""
    users: dict[str, list[Cell]] = {}
    for job in jobs:
        for name in job.needs:
            users.setdefault(name, []).extend(job.cells)
    return [Job(job.name, job.kind, job.steps, tuple(users.get(job.name, job.cells)), job.needs) for job in jobs]


class _CellJobs:
    """The commands of one cell.

    Args:
        study, folder: the study and its folder.
        cell: the cell.
        area: with its lists.
    """

    def __init__(self, study: StudySettings, folder: Path, cell: Cell, area: AreaSettings) -> None:
        self.study, self.folder, self.cell, self.area = study, folder, cell, area
        self.data = next(data for data in study.data if data.name == cell.data)
        self.network = network_of(study, cell)

    def selection_words(self) -> tuple[str, ...]:
        """Options of the selection, without its folder."""
        cell = self.cell
        learner = ("--model-name", self.network.classifier, "--classifier-weights", self.network.classifier_weights)
        asked = ("--query-strategy", cell.strategy, *self._amount(), "--oracle", "dataset")
        return (*self._on(self.area.train), *asked, *learner, *self._seed(), *self._options("select"))

    def selection(self, words: tuple[str, ...]) -> Job:
        """The job that chooses tiles."""
        cell = self.cell
        parts = (cell.data, cell.area, cell.network, cell.amount, cell.strategy.replace("_", "-"), f"seed{cell.seed}")
        name = f"selections/{'_'.join(parts)}"
        words = (*words, "--save-dir", str(self.folder / name))
        settings: SelectionSettings = self._read(select_options.parse_args, words)
        folder = selection_folder(settings)
        return Job(name, SELECTION, (Step("select", "train_AL.py", words, folder.path, folder.names),), (cell,))

    def job(self, selection: Job | None) -> Job:
        """The job that trains and scores."""
        steps = self._train(selection)
        needs = () if selection is None else (selection.name,)
        return Job(self.cell.name, CELL, tuple(steps), (self.cell,), needs)

    def _train(self, selection: Job | None) -> Iterator[Step]:
        area, network, run = self.area, self.network, self.folder / self.cell.name / "run"
        words = [*self._on(area.train), "--backbone", network.backbone, *self._seed(), "--checkpoint-dir", str(run)]
        words += ["--restore-from", network.weights] if network.weights is not None else []
        words += ["--val-list", str(area.val)] if area.val else []
        words += _method(self.cell.method)
        if selection is None:
            words += self._amount()
        else:
            words += ["--active-learning", "--active-learning-images-array", str(selection.steps[0].result)]
        words += self._options("train")
        settings: TrainingSettings = self._read(train_options.parse_args, words)
        last = settings.method.num_steps
        yield Step("train", "train_s4gan.py", tuple(words), run, run / f"checkpoint{last}.pth")
        if area.val is not None:
            yield self._evaluate("best", run, area.val, "--test-list", str(area.test), "--all")
        steps = str(last)
        yield self._evaluate("last", run, area.test, "--start-eval", steps, "--end-eval", steps, "--step-eval", steps)

    def _evaluate(self, title: str, run: Path, data_list: Path, *words: str) -> Step:
        results = self.folder / self.cell.name / title
        folders = ("--checkpoint-dir", str(run), "--save-dir", str(results))
        words = (*self._on(data_list), *words, *folders, *self._options("evaluate"))
        self._read(evaluate_options.parse_args, words)
        return Step(title, "auto_evaluate.py", words, results, results / "summary.json")

    def _on(self, data_list: Path) -> tuple[str, ...]:
        folder = self.area.data_dir or self.data.data_dir
        return "--dataset", self.data.dataset, "--data-dir", str(folder), "--data-list", str(data_list)

    def _amount(self) -> tuple[str, str]:
        amount = self.cell.amount
        return ("--budget", amount[1:]) if amount.startswith("n") else ("--labeled-ratio", amount)

    def _seed(self) -> tuple[str, str]:
        return "--random-seed", str(self.cell.seed)

    def _options(self, command: str) -> tuple[str, ...]:
        return tuple(words_of(options_of(self.study, command, self.cell)))

    def _read(self, parse: Callable[[str | None, list[str]], Any], words: Sequence[str]) -> Any:
        """What a command makes of its options."""
        said = StringIO()
        try:
            with redirect_stderr(said):
                return parse(None, list(words))
        except SystemExit as stop:
            message = said.getvalue().strip().removeprefix("error: ").removesuffix(" (--help lists the options)")
            raise OptionError(f"{self.cell.name}: {message}") from stop


def selection_folder(settings: SelectionSettings) -> SelectionFolder:
    """Where a selection lies that a command with these settings makes."""
    return SelectionFolder(settings.save_dir, settings.data.dataset, settings.query, settings.machine.random_seed)


def _method(name: str) -> list[str]:
    """The options that ask for a method."""
    if name == "supervised":
        return ["--supervised-only"]
    return [] if name == "s4gan" else ["--method", name]
