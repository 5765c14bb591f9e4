"""What one cell of a study runs: published commands with their options, read as each command would read them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from model.pretraining.folder import PretrainingFolder
from tools.cli.options import evaluate as evaluate_options
from tools.cli.options import pretrain as pretrain_options
from tools.cli.options import select as select_options
from tools.cli.options import train as train_options
from tools.settings.learning import PretrainingSettings, SelectionSettings, TrainingSettings
from utils.errors import OptionError
from utils.selection.folder import SelectionFolder
from utils.studies.cells import Cell, network_of, options_of
from utils.studies.options import words_of
from utils.studies.parts import PRETRAINED, AreaSettings
from utils.studies.settings import StudySettings

PRETRAINING, SELECTION, CELL = "pretraining", "selection", "cell"  # kinds of jobs


@dataclass(frozen=True)
class Step:
    """One command of a job.

    Attributes:
        title: `pretrain`, `select`, `train`, `best` or `last`.
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
        kind: `PRETRAINING`, `SELECTION` or `CELL`.
        steps: its commands.
        cells: that need it; of a cell's own job, that cell.
        needs: names of the jobs that have to be done before.
    """

    name: str
    kind: str
    steps: tuple[Step, ...]
    cells: tuple[Cell, ...]
    needs: tuple[str, ...] = ()


class CellCommands:
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

    def pretraining_words(self) -> tuple[str, ...]:
        """Options of the pre-training, without its folder."""
        backbone = ("--backbone", self.network.backbone)
        return (*self._on(self.area.train), *backbone, *self._seed(), *self._options("pretrain"))

    def pretraining(self, words: tuple[str, ...]) -> Job:
        """The job that makes the weights."""
        cell = self.cell
        name = f"pretraining/{'_'.join((cell.data, cell.area, cell.network, f'seed{cell.seed}'))}"
        words = (*words, "--save-dir", str(self.folder / name / "run"))
        settings: PretrainingSettings = self._read(pretrain_options.parse_args, words)
        folder = PretrainingFolder(settings.save_dir, {})
        return Job(name, PRETRAINING, (Step("pretrain", "pretrain.py", words, folder.path, folder.weights),), (cell,))

    def selection_words(self, pretraining: Job | None) -> tuple[str, ...]:
        """Options of the selection, without its folder."""
        cell, network = self.cell, self.network
        weights = _made_of(network.classifier_weights, pretraining)
        learner = ("--model-name", network.classifier, "--classifier-weights", weights)
        asked = ("--query-strategy", cell.strategy, *self._amount(), "--oracle", "dataset")
        return (*self._on(self.area.train), *asked, *learner, *self._seed(), *self._options("select"))

    def selection(self, words: tuple[str, ...], pretraining: Job | None) -> Job:
        """The job that chooses tiles."""
        cell = self.cell
        parts = (cell.data, cell.area, cell.network, cell.amount, cell.strategy.replace("_", "-"), f"seed{cell.seed}")
        name = f"selections/{'_'.join(parts)}"
        words = (*words, "--save-dir", str(self.folder / name))
        settings: SelectionSettings = self._read(select_options.parse_args, words)
        folder = selection_folder(settings)
        step = Step("select", "train_AL.py", words, folder.path, folder.names)
        return Job(name, SELECTION, (step,), (cell,), _names(pretraining))

    def job(self, pretraining: Job | None, selection: Job | None) -> Job:
        """The job that trains and scores."""
        steps = self._train(pretraining, selection)
        return Job(self.cell.name, CELL, tuple(steps), (self.cell,), _names(pretraining, selection))

    def _train(self, pretraining: Job | None, selection: Job | None) -> Iterator[Step]:
        area, network, run = self.area, self.network, self.folder / self.cell.name / "run"
        words = [*self._on(area.train), "--backbone", network.backbone, *self._seed(), "--checkpoint-dir", str(run)]
        words += [] if network.weights is None else ["--restore-from", _made_of(network.weights, pretraining)]
        words += ["--val-list", str(area.val)] if area.val else []
        words += _method(self.study.method_of(self.cell.method))
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


def _made_of(weights: str, pretraining: Job | None) -> str:
    """The weights' file; that of the pre-training where the study makes them."""
    return str(pretraining.steps[0].result) if pretraining is not None and weights == PRETRAINED else weights


def _names(*jobs: Job | None) -> tuple[str, ...]:
    return tuple(job.name for job in jobs if job is not None)


def _method(name: str) -> list[str]:
    """The options that ask for a method."""
    if name == "supervised":
        return ["--supervised-only"]
    return [] if name == "s4gan" else ["--method", name]
