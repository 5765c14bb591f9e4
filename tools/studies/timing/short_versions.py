"""Short versions of a study's commands: the same options, but for those that say how much is done, and where."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.cli.options import pretrain as pretrain_options
from tools.cli.options import select as select_options
from tools.studies.commands import Job, Step, selection_folder
from tools.studies.timing.work import Lists, options_in, words_of_options
from utils.runs.files import make_folder, write_names

STEPS = 20  # of a short training; the first quarter warms up
TILES = 32  # that a short evaluation scores, with two checkpoints
POOL, CHOSEN = 256, 64  # tiles that a short selection chooses from, and how many it starts from
_HALF = STEPS // 2


def short_training(job: Job, folder: Path, steps: int = STEPS) -> Step:
    """A training of some steps on tiles drawn at random, without validation; each step is logged.

    Args:
        job: of a cell.
        folder: of the run.
        steps: how many.
    """
    cell, before = job.cells[0], _from_nothing(job, options_in(job.steps[0].words))
    dropped = ("active-learning", "active-learning-images-array", "val-list", "st-start")
    amount = {"budget": cell.amount[1:]} if cell.amount.startswith("n") else {"labeled-ratio": cell.amount}
    changes = {"num-steps": str(steps), "save-pred-every": str(_HALF), "log-every": "1", "checkpoint-dir": str(folder)}
    words = _changed(before, dropped, amount | changes)
    return Step("train", job.steps[0].script, words, folder, folder / f"checkpoint{steps}.pth")


def short_evaluation(step: Step, run: Path, folder: Path, lists: Lists) -> Step:
    """The scoring of a short training's checkpoints on some tiles of a list.

    Args:
        step: the evaluation.
        run: folder of the short training.
        folder: of the results.
        lists: of the study.
    """
    before = options_in(step.words)
    path = _some(lists, before, TILES, folder.with_name(f"{folder.name}.txt"))
    dropped = ("test-list", "start-eval", "end-eval", "step-eval")
    places = {"data-list": str(path), "all": None, "checkpoint-dir": str(run), "save-dir": str(folder)}
    return Step(step.title, step.script, _changed(before, dropped, places), folder, folder / "summary.json")


def short_pretraining(step: Step, folder: Path, lists: Lists) -> Step:
    """A pre-training of some steps on some tiles; each step is logged.

    Args:
        step: the pre-training.
        folder: of the results.
        lists: of the study.
    """
    before = options_in(step.words)
    path = _some(lists, before, POOL, folder.with_name(f"{folder.name}.txt"))
    batch_size = pretrain_options.parse_args(None, list(step.words)).views.batch_size
    epochs = -(-STEPS * batch_size // lists.length(path))
    changes = {"data-list": str(path), "save-dir": str(folder), "num-epochs": str(epochs), "log-every": "1"}
    return Step(step.title, step.script, _changed(before, ("val-list",), changes), folder, folder / step.result.name)


def short_selection(job: Job, folder: Path, lists: Lists) -> Step:
    """Two rounds of one epoch on some tiles of the pool.

    Args:
        job: of a selection.
        folder: of the results.
        lists: of the study.
    """
    (step,) = job.steps
    before = _from_nothing(job, options_in(step.words))
    path = _some(lists, before, POOL, folder.with_name(f"{folder.name}.txt"))
    count = max(1, min(CHOSEN, lists.length(path) // 4))
    dropped = ("labeled-ratio", "include-initial-pool", "stop-at-accuracy")
    changes = {"budget": str(count), "alpha": "1", "beta": "0.5", "num-epochs": "1"}
    words = _changed(before, dropped, {"data-list": str(path), "save-dir": str(folder)} | changes)
    made = selection_folder(select_options.parse_args(None, list(words)))
    return Step(step.title, step.script, words, made.path, made.names)


def _from_nothing(job: Job, options: Mapping[str, str | None]) -> dict[str, str | None]:
    """Options with random weights where the study makes them first: what they are does not change the time."""
    is_made = {name for name, value in options.items() if value and any(need in value for need in job.needs)}
    made = {name: "none" for name in is_made if name in ("restore-from", "classifier-weights")}
    return {name: value for name, value in options.items() if not (made and name == "features")} | made


def _changed(
    options: Mapping[str, str | None], dropped: Sequence[str], changes: Mapping[str, str | None]
) -> tuple[str, ...]:
    kept = {name: value for name, value in options.items() if name not in dropped}
    return tuple(words_of_options(kept | dict(changes)))


def _some(lists: Lists, options: Mapping[str, str | None], most: int, path: Path) -> Path:
    """A list of some of the tiles of a command's own list, from all over it.

    Raises:
        OptionError: that list is not there.
    """
    own = Path(options["data-list"] or "")
    count = lists.length(own)
    names = lists.names(own) or ()
    make_folder(path.parent)
    write_names(path, [names[place * count // min(most, count)] for place in range(min(most, count))])
    return path
