"""What an evaluation comes to: a row a checkpoint, the chosen one, and the words and numbers for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from utils.console import say
from utils.evaluation.intervals import Ends, Interval
from utils.evaluation.metric import CLASS_SCORES, Scores, fraction
from utils.evaluation.tile_lists import CheckpointScores, ListScorer, ListScores

COLUMNS = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")


@dataclass(frozen=True)
class Row:
    """What is kept of a checkpoint once the next one is evaluated."""

    step: int
    seconds: float
    scores: Scores
    interval: Interval
    refined: Scores | None
    refined_interval: Interval | None

    @classmethod
    def of(cls, evaluation: CheckpointScores) -> "Row":
        """A checkpoint's row; its tiles' counts are left behind."""
        plain, refined = evaluation.plain, evaluation.refined
        others = (refined.scores, refined.interval) if refined else (None, None)
        return cls(evaluation.step, evaluation.seconds, plain.scores, plain.interval, *others)


@dataclass(frozen=True)
class Comparison:
    """The chosen checkpoint, what it was chosen from, and what it scores where nothing was chosen.

    Attributes:
        rows: all checkpoints in the order of their evaluation.
        best: the chosen one, on the list that the choice was made on.
        chosen_on: that list.
        test, test_list: the chosen one on the test list; None without one.
    """

    rows: Sequence[Row]
    best: CheckpointScores
    chosen_on: ListScorer
    test: CheckpointScores | None = None
    test_list: ListScorer | None = None

    @property
    def shown(self) -> tuple[CheckpointScores, ListScorer]:
        """What pictures and the table of classes show: the test list where there is one."""
        return (self.test, self.test_list) if self.test and self.test_list else (self.best, self.chosen_on)

    @cached_property
    def class_intervals(self) -> Mapping[str, Sequence[Ends]]:
        """Intervals of the scores of each class, where `shown` looks."""
        shown, on = self.shown
        return on.class_intervals(shown.plain)

    @property
    def is_optimistic(self) -> bool:
        """Whether what is shown is the list that one of several checkpoints was chosen on."""
        return self.test is None and len(self.rows) > 1

    @property
    def refined(self) -> Row | None:
        """The checkpoint whose refined maps score best; None where nothing was refined."""
        rows = [row for row in self.rows if row.refined is not None]
        return max(rows, key=lambda row: (rank(row.refined), -row.step), default=None)


def rank(scores: Scores | None) -> float:
    """What checkpoints are compared by."""
    return -1.0 if scores is None or scores.mean_iou is None else scores.mean_iou


def shares_of(scores: Scores) -> list[float]:
    """Share of the labelled pixels that each class has."""
    return [pixels / max(1, sum(scores.class_pixels)) for pixels in scores.class_pixels]


def in_words(on_list: ListScores) -> str:
    """Scores and interval as a phrase."""
    scores = on_list.scores
    return f"mean IoU {fraction(scores.mean_iou)}, pixel accuracy {fraction(scores.pixel_accuracy)}; {on_list.interval}"


def summary_of(
    options: Mapping[str, Any],
    comparison: Comparison,
    conditions: Mapping[str, Any],
    skipped: Mapping[int, str],
    seconds: float,
) -> dict[str, Any]:
    """The content of `summary.json`.

    Args:
        options: what the evaluation was told, as a flat table.
        comparison: what came out.
        conditions: network, sizes and machine.
        skipped: reasons by step.
        seconds: of the whole command.
    """
    test, chosen_on = comparison.test, comparison.chosen_on
    return dict(conditions) | {
        "chosen": {
            "step": comparison.best.step,
            "of": len(comparison.rows),
            "on": str(chosen_on.tiles.path),
        },
        "data_list": _list_summary(chosen_on, comparison.best, is_chosen_on=True),
        "test_list": _list_summary(comparison.test_list, test, False) if test and comparison.test_list else None,
        "crf": _refined_summary(comparison.refined),
        "classes": _class_summary(comparison),
        "checkpoints": [_row_summary(row) for row in comparison.rows],
        "skipped": [{"step": step, "reason": reason} for step, reason in sorted(skipped.items())],
        "seconds": round(seconds, 2),
        "options": dict(options),
    }


def _list_summary(scorer: ListScorer, evaluation: CheckpointScores, is_chosen_on: bool) -> dict[str, Any]:
    """What a list says about the chosen checkpoint."""
    plain, refined = evaluation.plain, evaluation.refined
    return {
        "path": str(scorer.tiles.path),
        "tiles": len(scorer.tiles.names),
        "overlapping_tiles": scorer.tiles.overlapping,
        "labelled_training_tiles": scorer.num_labelled,
        "pixels": sum(plain.scores.class_pixels),
        "chosen_on_this_list": is_chosen_on,
        "scores": plain.scores.published(),
        "interval": plain.interval.as_plain() | {"optimistic": is_chosen_on, "text": str(plain.interval)},
        "scores_crf": refined.scores.published() if refined else None,
        "seconds": round(evaluation.seconds, 2),
    }


def _class_summary(comparison: Comparison) -> list[dict[str, Any]]:
    evaluation, scorer = comparison.shown
    scores, names = evaluation.plain.scores, scorer.tiles.classes
    of_classes, shares = scores.of_classes(), shares_of(scores)
    return [
        {"id": index, "name": name}
        | {score: of_classes[score][index] for score in CLASS_SCORES}
        | {"intervals": {score: list(comparison.class_intervals[score][index]) for score in CLASS_SCORES}}
        | {"pixels": scores.class_pixels[index], "share": shares[index]}
        for index, name in enumerate(names)
    ]


def _row_summary(row: Row) -> dict[str, Any]:
    values = {name: getattr(row.scores, name) for name in COLUMNS}
    values |= {"low": row.interval.low, "high": row.interval.high}
    if row.refined is not None:
        values["mean_iou_crf"] = row.refined.mean_iou
    return {"step": row.step, **values, "seconds": round(row.seconds, 2)}


def _refined_summary(row: Row | None) -> dict[str, Any] | None:
    if row is None or row.refined is None or row.refined_interval is None:
        return None
    return {"step": row.step, "scores": row.refined.published(), "interval": row.refined_interval.as_plain()}


def say_comparison(comparison: Comparison) -> None:
    """Say how each class does, which checkpoint is best, and what that may be taken for."""
    heads = ("IoU", "producer's", "user's", "F1")
    say(f"{'class':<20}{''.join(f'{head:>11}' for head in heads)} {'pixels':>14} {'share':>7}")
    for entry in _class_summary(comparison):
        figures = "".join(f"{fraction(entry[score]):>11}" for score in CLASS_SCORES)
        say(f"{entry['name']:<20}{figures} {entry['pixels']:>14,} {entry['share']:>7.1%}")
    best, refined, test = comparison.best, comparison.refined, comparison.test
    optimistic = "" if best.plain.interval.low is None else ", so the interval is optimistic"
    say(
        f"best of {len(comparison.rows)}: step {best.step}, {in_words(best.plain)} (chosen on this list: "
        f"{comparison.chosen_on.tiles.path}{optimistic})"
    )
    if refined is not None and refined.refined is not None:
        say(f"with CRF: step {refined.step}, mean IoU {fraction(refined.refined.mean_iou)} (chosen on this list)")
    if test is not None and comparison.test_list is not None:
        say(f"on the test list {comparison.test_list.tiles.path}: {in_words(test.plain)}")
        if test.refined is not None:
            say(f"on the test list with CRF: {in_words(test.refined)}")
