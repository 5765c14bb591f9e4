"""How much a command of a study has to do, in units whose cost can be measured, and which commands share that cost."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data.lists.folds import LISTS
from tools.cli.options import evaluate as evaluate_options
from tools.cli.options import pretrain as pretrain_options
from tools.cli.options import select as select_options
from tools.cli.options import train as train_options
from tools.settings.learning import TrainingSettings
from tools.studies.commands import Job, Step
from tools.studies.jobs import StudyJobs
from utils.errors import OptionError
from utils.selection.budget import Budget, count_of
from utils.studies.parts import PRETRAINED

STEP, FITTED, POOLED, SCORED = "training step", "tile fitted", "tile of the pool scored", "tile scored"
VIEWED = "tile pre-trained on"
UNITS = (STEP, FITTED, POOLED, SCORED, VIEWED)
TRAIN, SELECT, EVALUATE, PRETRAIN = "train_s4gan.py", "train_AL.py", "auto_evaluate.py", "pretrain.py"
Work = Mapping[str, float]  # how often each unit is done

# What says where a command works and how much, but not what a unit costs.
_WHERE_AND_HOW_MUCH = {
    "active-learning", "active-learning-images-array", "all", "alpha", "beta", "budget", "checkpoint-dir", "data-dir",
    "data-list", "end-eval", "eval-every", "include-initial-pool", "labeled-ratio", "log-every", "num-epochs",
    "num-steps", "random-seed", "save-dir", "save-pred-every", "save-state-every", "st-start", "start-eval",
    "step-eval", "stop-at-accuracy", "test-list", "val-list",
}  # fmt: skip


class Kind(NamedTuple):
    """Commands whose units cost the same on the same machine.

    script: of tools/. data: name of the data set. words: the options that the cost depends on.
    """

    script: str
    data: str
    words: str


def kind_of(job: Job, step: Step) -> Kind:
    """The kind of a command; every cell of a data set, network and method or strategy has the same."""
    options = {  # weights that the study makes are the same to all of them
        name: PRETRAINED if value and any(need in value for need in job.needs) else value
        for name, value in options_in(step.words).items()
    }
    words = words_of_options({name: options[name] for name in options if name not in _WHERE_AND_HOW_MUCH})
    return Kind(step.script, job.cells[0].data, " ".join(words))


def in_words(job: Job, step: Step) -> str:
    """A command's kind for a message."""
    cell = job.cells[0]
    if step.script == PRETRAIN:
        return f"pre-training on {cell.data}, {cell.network}"
    if step.script == SELECT:
        return f"choosing by {cell.strategy} of {cell.data}, {cell.network}"
    return f"{f'training {cell.method} on' if step.script == TRAIN else 'scoring'} {cell.data}, {cell.network}"


def options_in(words: Sequence[str]) -> dict[str, str | None]:
    """Options of a command by their names; None: a flag."""
    options: dict[str, str | None] = {}
    for place, word in enumerate(words):
        if word.startswith("--"):
            name, is_joined, value = word[2:].partition("=")
            following = words[place + 1 : place + 2]
            options[name] = value if is_joined else next((v for v in following if not v.startswith("--")), None)
    return options


def words_of_options(options: Mapping[str, str | None]) -> Iterable[str]:
    """Words of a command from its options by name."""
    for name, value in options.items():
        if value is None:
            yield f"--{name}"
        else:
            yield from ([f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value])


class Lists:
    """The lists of a study: those of its folds, whether they are written or not, and those it names.

    Args:
        jobs: of the study.
    """

    def __init__(self, jobs: StudyJobs) -> None:
        self._names: dict[Path, Sequence[str] | None] = {}
        for folder, fold in jobs.folds.items():
            self._names |= {folder / f"{part}.txt": getattr(fold, part) for part in LISTS}

    def names(self, path: Path) -> Sequence[str] | None:
        """The names of a list, as they are written there; None where it is not there."""
        if path not in self._names:
            lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else None
            self._names[path] = None if lines is None else [line.strip() for line in lines if line.strip()]
        return self._names[path]

    def length(self, path: Path | None) -> int:
        """How many tiles a list holds; none where no list is meant.

        Raises:
            OptionError: it is not there.
        """
        if path is None:
            return 0
        if (names := self.names(path)) is None:
            raise OptionError(f"no list of names at {path}; prepare the data set as the study's file says")
        return len(names)


def work_of(job: Job, step: Step, lists: Lists) -> Work | None:
    """What a command has to do; None where one of its lists is not there yet.

    Args:
        job: that the command is of; the first command of a cell is its training.
        step: the command.
        lists: of the study.
    """
    try:
        if step.script == PRETRAIN:
            return _pretraining(step, lists)
        if step.script == SELECT:
            return _selecting(step, lists)
        training = train_options.parse_args(None, list(job.steps[0].words))
        return _training(training, lists) if step.script == TRAIN else _evaluating(step, training, lists)
    except OptionError:
        return None


def _pretraining(step: Step, lists: Lists) -> Work:
    """Tiles that are drawn in all epochs; those that are held out to measure features on count too."""
    settings = pretrain_options.parse_args(None, list(step.words))
    batch_size = settings.views.batch_size
    return {VIEWED: batch_size * settings.learning.num_steps(lists.length(settings.data.data_list), batch_size)}


def _training(settings: TrainingSettings, lists: Lists) -> Work:
    """Steps, and tiles of the validation list at each validation."""
    steps = settings.method.num_steps
    validations = -(-steps // settings.keeping.eval_every)
    return {STEP: steps, SCORED: validations * lists.length(settings.val_list)}


def _evaluating(step: Step, training: TrainingSettings, lists: Lists) -> Work:
    """Tiles of the first list for each checkpoint, of the test list once, and of both once more for the confidence."""
    settings = evaluate_options.parse_args(None, list(step.words))
    every = training.keeping.save_pred_every if settings.range.all else training.method.num_steps
    first, test = lists.length(settings.data.data_list), lists.length(settings.test_list)
    again = 0 if settings.no_calibration else first + test
    return {SCORED: -(-training.method.num_steps // every) * first + test + again}


def _selecting(step: Step, lists: Lists) -> Work:
    """Tiles that the classifier is fitted on, an epoch at a time, and tiles left in the pool, in all rounds."""
    settings = select_options.parse_args(None, list(step.words))
    query, total = settings.query, lists.length(settings.data.data_list)
    target = min(count_of(query.labeled_ratio, query.budget, total) or 0, total)
    budget = Budget.of_count(target, query.alpha, query.beta)
    asked = target - budget.initial if query.include_initial_pool else min(target, total - budget.initial)
    labelled = [budget.initial + done for done in range(0, max(0, asked), budget.per_query)]  # at each round's start
    return {
        FITTED: settings.learner.num_epochs * sum(labelled),
        POOLED: sum(total - count for count in labelled),
    }
