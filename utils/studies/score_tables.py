"""The tables of a study: `scores.csv` and `class_scores.csv`, which its jobs determine, and `times.csv`, the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from utils.studies.cells import Cell
from utils.studies.results import CellLabels, CellScore
from utils.tables import table_text

_CELL = tuple(field.name for field in fields(Cell))
SCORE_COLUMNS = (
    *_CELL, "checkpoint", "state", "masks", "scene_labels", "step", "mean_iou", "pixel_accuracy", "test_tiles",
)  # fmt: skip
CLASS_COLUMNS = (*_CELL, "checkpoint", "class", "iou", "share")
TIME_COLUMNS = ("job", "kind", "step", "seconds", "attempts", "ended", "machine")


@dataclass(frozen=True)
class StepTime:
    """What a command of a job took.

    Attributes:
        job, kind: of the job.
        step: title of the command.
        seconds: of its attempts that were not killed.
        attempts: how often it was started.
        ended: when, such as 2026-01-31 12:00:00.
        machine: where.
        arms: that it worked for.
    """

    job: str
    kind: str
    step: str
    seconds: float
    attempts: int
    ended: str
    machine: str
    arms: Sequence[Cell] = ()


def score_table(scores: Iterable[CellScore], labels: Mapping[Cell, CellLabels]) -> str:
    """`scores.csv`: a row for each cell and checkpoint, missing ones too."""
    rows: list[Sequence[object]] = [SCORE_COLUMNS]
    for score in scores:
        known, cell = labels.get(score.cell, CellLabels()), score.cell
        state = "missing" if score.is_missing else "done"
        costs = (_or_empty(known.masks), _or_empty(known.scene_labels))
        figures = (_or_empty(score.step), _fraction(score.mean_iou), _fraction(score.pixel_accuracy))
        rows.append((*_parts(cell), score.checkpoint, state, *costs, *figures, _or_empty(score.tiles)))
    return table_text(rows)


def class_table(scores: Iterable[CellScore]) -> str:
    """`class_scores.csv`: a row for each pixel class of each cell and checkpoint that is done."""
    rows: list[Sequence[object]] = [CLASS_COLUMNS]
    for score in scores:
        for each in score.classes:
            figures = (each.name, _fraction(each.iou), _fraction(each.share))
            rows.append((*_parts(score.cell), score.checkpoint, *figures))
    return table_text(rows)


def time_table(times: Iterable[StepTime]) -> str:
    """`times.csv`: a row for each command that has ended."""
    rows: list[Sequence[object]] = [TIME_COLUMNS]
    rows += [
        (time.job, time.kind, time.step, f"{time.seconds:.1f}", time.attempts, time.ended, time.machine)
        for time in times
    ]
    return table_text(rows)


def _parts(cell: Cell) -> tuple[object, ...]:
    return tuple(getattr(cell, name) for name in _CELL)


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _or_empty(value: object) -> object:
    return "" if value is None else value
