"""What a unit of work costs: read from what commands have left behind, kept in the study's `timings.json`."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from model.methods import method_class
from tools.cli.options import pretrain as pretrain_options
from tools.cli.options import select as select_options
from tools.cli.options import train as train_options
from tools.studies.commands import Job, Step
from tools.studies.timing.work import (
    FITTED,
    POOLED,
    PRETRAIN,
    SCORED,
    SELECT,
    STEP,
    TRAIN,
    UNITS,
    VIEWED,
    Kind,
    Lists,
    Work,
)
from utils.errors import DataError, UserError
from utils.runs.files import read_json, write_json
from utils.runs.log import read_rows

TIMINGS = "timings.json"
_WARM_UP = 0.25  # share of the lines of a log that come before the pace is steady


@dataclass(frozen=True)
class Rates:
    """What commands of a kind cost.

    Attributes:
        kind: of the commands.
        called: that kind, in words.
        start: seconds beside the units: start-up, first reading, pictures; 0 where nobody has measured it.
        seconds: of a unit of work, by unit.
        measured: how many units were measured.
        machine: where.
        when: it was measured, such as 2026-01-31 12:00:00.
    """

    kind: Kind
    called: str
    start: float
    seconds: Mapping[str, float]
    measured: Mapping[str, float]
    machine: str
    when: str


@dataclass(frozen=True)
class Pace:
    """What the log of a command says, whether it has ended or not.

    Attributes:
        seconds: of a unit of work, by unit, after the first units have warmed the machine up.
        measured: how many units that is the mean of.
        done: units of work that were done in all.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    done: Work = field(default_factory=dict)

    def rest(self, seconds: float) -> float:
        """What is left of a command's time without its units."""
        return max(0.0, seconds - sum(self.seconds[unit] * self.done.get(unit, 0) for unit in self.seconds))


def pace_of(job: Job, step: Step, lists: Lists, done: Work | None) -> Pace:
    """The pace of a command by what lies in its folder; empty where it has not come far enough.

    Args:
        job: that the command is of.
        step: the command.
        lists: of the study.
        done: all that the command has to do, where it has ended; None: it has not.
    """
    try:
        if step.script == TRAIN:
            return _pace_of_training(step)
        if step.script == PRETRAIN:
            return _pace_of_pretraining(step)
        if step.script == SELECT:
            return _pace_of_selection(step, lists)
        return Pace() if done is None else _pace_of_evaluation(step, done)
    except (OSError, UserError, KeyError, TypeError, ValueError):  # half-written, or of another version
        return Pace()


def _pace_of_training(step: Step) -> Pace:
    rows = [row for row in read_rows(step.folder / "metrics.csv") if row["images_per_s"]]
    settings = train_options.parse_args(None, list(step.words))
    streams = 1 + method_class(str(read_json(step.folder / "options.json")["method"])).unlabelled_batches
    images = settings.samples.batch_size * streams
    ends = [0, *(int(row["step"]) for row in rows)]
    lines = [
        (end - start, images / float(row["images_per_s"]))
        for (start, end), row in zip(pairwise(ends), rows, strict=True)
    ]
    return _pace({STEP: lines}, {STEP: ends[-1]})


def _pace_of_pretraining(step: Step) -> Pace:
    rows = [row for row in read_rows(step.folder / "metrics.csv") if row["tiles_per_s"]]
    batch_size = pretrain_options.parse_args(None, list(step.words)).views.batch_size
    ends = [0, *(int(row["step"]) for row in rows)]
    lines = [
        (batch_size * (end - start), 1 / float(row["tiles_per_s"]))
        for (start, end), row in zip(pairwise(ends), rows, strict=True)
    ]
    return _pace({VIEWED: lines}, {VIEWED: batch_size * ends[-1]})


def _pace_of_selection(step: Step, lists: Lists) -> Pace:
    rows = read_rows(step.folder / "metrics.csv")
    settings = select_options.parse_args(None, list(step.words))
    total, epochs = lists.length(settings.data.data_list), settings.learner.num_epochs
    lines: dict[str, list[tuple[float, float]]] = {FITTED: [], POOLED: []}
    for row in rows:
        labelled = float(row["labelled"])
        for unit, count, column in (
            (FITTED, epochs * labelled, "fit_seconds"),
            (POOLED, total - labelled, "score_seconds"),
        ):
            if row[column] and count > 0:
                lines[unit].append((count, float(row[column]) / count))
    return _pace(lines, {unit: sum(count for count, _ in found) for unit, found in lines.items()})


def _pace_of_evaluation(step: Step, done: Work) -> Pace:
    summary = read_json(step.folder / "summary.json")
    tiles, seconds = summary["data_list"]["tiles"], [each["seconds"] for each in summary["checkpoints"]]
    return _pace({SCORED: [(tiles, each / tiles) for each in seconds]}, done)


def _pace(lines: Mapping[str, Sequence[tuple[float, float]]], done: Work) -> Pace:
    """The mean over lines of (units, seconds of one), the first ones left out where there are several."""
    seconds: dict[str, float] = {}
    measured: dict[str, float] = {}
    for unit, found in lines.items():
        steady = found[math.ceil(_WARM_UP * len(found)) :] if len(found) > 1 else found
        if steady:
            measured[unit] = sum(count for count, _ in steady)
            seconds[unit] = sum(count * each for count, each in steady) / measured[unit]
    return Pace(seconds, measured, done)


# --- timings.json -----------------------------------------------------------------------------------------------------


def read_timings(folder: Path) -> list[Rates]:
    """The rates that were measured for a study; none where nobody has.

    Raises:
        DataError: the file cannot be used.
    """
    path = folder / TIMINGS
    if not path.is_file():
        return []
    try:
        return [_rates(entry) for entry in read_json(path)["rates"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} holds no rates (no {error}); remove it, and measure again with `plan --time`"
        ) from error


def _rates(entry: Mapping[str, object]) -> Rates:
    fields = json.loads(json.dumps(entry))  # plain copies
    fields["kind"] = Kind(*fields["kind"])
    for name in ("seconds", "measured"):
        fields[name] = {unit: float(fields[name][unit]) for unit in UNITS if unit in fields[name]}
    return Rates(**fields)


def write_timings(folder: Path, rates: Iterable[Rates]) -> None:
    """Write `timings.json`; of rates of one kind on one machine the last ones stay."""
    newest = {(each.kind, each.machine): each for each in rates}
    write_json(folder / TIMINGS, {"version": 1, "rates": [asdict(each) for each in newest.values()]})
