"""What an evaluation comes to: a row a checkpoint, the chosen one, and what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from utils.evaluation.areas.resampled import AdjustedAreas, adjusted_areas_of_units
from utils.evaluation.areas.units import Units
from utils.evaluation.calibration.record import Calibration
from utils.evaluation.intervals import Ends, Interval
from utils.evaluation.metric import Scores, fraction
from utils.evaluation.report.scene import SceneCanvas
from utils.evaluation.tile_lists import CheckpointScores, ListScorer, ListScores


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
class Confidence:
    """What the confidence of the chosen checkpoint is worth, and a scene to see it on.

    Attributes:
        calibration: temperature and calibration error.
        canvas: the scene, with all of its probabilities.
    """

    calibration: Calibration
    canvas: SceneCanvas


@dataclass(frozen=True)
class Comparison:
    """The chosen checkpoint, what it was chosen from, and what it scores where nothing was chosen.

    Attributes:
        rows: all checkpoints in the order of their evaluation.
        best: the chosen one, on the list that the choice was made on.
        chosen_on: that list.
        test, test_list: the chosen one on the test list; None without one.
        confidence: what its confidence is worth; None: not measured.
    """

    rows: Sequence[Row]
    best: CheckpointScores
    chosen_on: ListScorer
    test: CheckpointScores | None = None
    test_list: ListScorer | None = None
    confidence: Confidence | None = None

    @property
    def shown(self) -> tuple[CheckpointScores, ListScorer]:
        """What pictures and the table of classes show: the test list where there is one."""
        return (self.test, self.test_list) if self.test and self.test_list else (self.best, self.chosen_on)

    @cached_property
    def class_intervals(self) -> Mapping[str, Sequence[Ends]]:
        """Intervals of the scores of each class, where `shown` looks."""
        shown, on = self.shown
        return on.class_intervals(shown.plain)

    @cached_property
    def units(self) -> Units:
        """Confusion of the tiles or scenes that are resampled, where `shown` looks."""
        shown, on = self.shown
        return Units.of(shown.plain.tiles, on.tiles.scenes)

    @cached_property
    def areas(self) -> AdjustedAreas | None:
        """Pixels mapped as each class there, and error-adjusted; None where none is labelled."""
        mapped = self.units.total.sum(axis=0)
        _, on = self.shown
        return adjusted_areas_of_units(self.units, mapped, on.resamples, on.seed) if mapped.any() else None

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
