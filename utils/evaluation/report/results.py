"""The folder of an evaluation: scores, summary, pictures, TensorBoard and a report."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from utils.compute import distributed
from utils.console import say, valid_text
from utils.evaluation.intervals import Interval
from utils.evaluation.metric import Scores
from utils.evaluation.report.comparison import Comparison, Confidence, Row, in_words, rank
from utils.evaluation.report.page import write_report
from utils.evaluation.report.pictures import PICTURES, draw, draw_curve
from utils.evaluation.report.summary import COLUMNS, say_comparison, summary_of
from utils.evaluation.tile_lists import CheckpointScores, ListScorer
from utils.runs.files import storage_errors, write_json, write_text
from utils.runs.folder import EVENTS
from utils.runs.log import open_events
from utils.runs.output import Kind, OutputFolder

CLASS_COLUMNS = {
    "iou": "IoU",
    "producers_accuracy": "producer's accuracy",
    "users_accuracy": "user's accuracy",
    "f1": "F1",
}
_SCORES = r"scores\.csv|summary\.json|report\.html|best_scores_.*\.json"
RESULTS = Kind(
    noun="results of an earlier evaluation",
    option="save_dir",
    record="options.json",
    record_key="start_eval",
    files="|".join((r"options\.json", _SCORES, *map(re.escape, PICTURES), EVENTS)),
    worth=_SCORES,
    folders=("tensorboard",),
)


class Results:
    """What has come out so far, and its folder; of several processes the first one writes.

    Args:
        folder: where it is written, claimed by the caller.
        chosen_on: the list that the choice is made on.
        options: what the evaluation was told, as a flat table.
        conditions: network, sizes and machine, for the summary.
        notes: what has to be said beside the scores; more may be added until the end.
        draws_at_once: draw the curve after every checkpoint.
    """

    def __init__(
        self,
        folder: OutputFolder,
        chosen_on: ListScorer,
        options: Mapping[str, Any],
        conditions: Mapping[str, Any],
        notes: Sequence[str] = (),
        draws_at_once: bool = False,
    ) -> None:
        self.chosen_on, self.options, self.conditions = chosen_on, dict(options), dict(conditions)
        self.notes, self.draws_at_once = list(notes), draws_at_once
        self.folder, self.path = folder, folder.path
        self.rows: list[Row] = []
        self.best: CheckpointScores | None = None
        self._events: Any = None

    def begin(self) -> None:
        """Make room for the results, once a checkpoint was evaluated; a second call changes nothing.

        Raises:
            OptionError: the folder cannot be written; so do all methods.
            DataError: the disk is full; so do all methods.
        """
        if self._events is not None or not distributed.is_main():
            return
        self.folder.begin()
        write_json(self.path / "options.json", self.options | self._conditions())
        with storage_errors(self.path / "tensorboard"):
            self._events = open_events(self.path / "tensorboard")

    def add(self, evaluation: CheckpointScores) -> bool:
        """Write and say what a checkpoint scores; returns whether it is the best so far, the earliest of equals."""
        self.rows.append(Row.of(evaluation))
        is_best = self.best is None or rank(evaluation.plain.scores) > rank(self.best.plain.scores)
        if self.best is None or is_best:
            self.best = evaluation
        if distributed.is_main():
            say(f"step {evaluation.step}: {in_words(evaluation.plain)} ({evaluation.seconds:.1f} s)")
            write_text(self.path / "scores.csv", scores_table(self.rows, self.chosen_on.tiles.classes))
            self.folder.establish()
            self._add_events(evaluation)
            if self.draws_at_once:
                draw_curve(self.path / "miou.png", Comparison(self.rows, self.best, self.chosen_on))
        return is_best

    def finish(
        self,
        test: CheckpointScores | None,
        test_list: ListScorer | None,
        skipped: Mapping[int, str],
        seconds: float,
        return_to: Callable[[int], None],
        confidence: Confidence | None = None,
    ) -> None:
        """Write and say what is known only in the end: the best scores, the summary, the pictures, the report.

        Args:
            test, test_list: the chosen checkpoint on the test list; None without one.
            skipped: reasons by step.
            seconds: of the whole evaluation.
            return_to: gives the network the weights of a step again.
            confidence: of the chosen checkpoint on the test list, else on the other; None: not measured.
        """
        if self.best is None or not distributed.is_main():
            return
        comparison = Comparison(self.rows, self.best, self.chosen_on, test, test_list, confidence)
        write_json(self.path / f"best_scores_{self.best.step}.json", self.best.plain.scores.published())
        if comparison.refined is not None and comparison.refined.refined is not None:
            path = self.path / f"best_scores_crf_{comparison.refined.step}.json"
            write_json(path, comparison.refined.refined.published())
        draw(self.path, comparison, return_to)
        summary = summary_of(self.options, comparison, self._conditions(), skipped, seconds)
        write_json(self.path / "summary.json", summary)
        pictures = {name: (self.path / name).read_bytes() for name in PICTURES if (self.path / name).is_file()}
        write_report(self.path / "report.html", summary, pictures, self.chosen_on.tiles.colours)
        with storage_errors(self.path / "tensorboard"):
            self._events.close()
        say_comparison(comparison)
        say(f"report, scores and pictures: {self.path / 'report.html'}")

    def _conditions(self) -> dict[str, Any]:
        return self.conditions | {"notes": self.notes}

    def _add_events(self, evaluation: CheckpointScores) -> None:
        scores = evaluation.plain.scores
        values = {name: getattr(scores, name) for name in COLUMNS}
        names = self.chosen_on.tiles.classes
        values |= {f"IoU/{name}": iou for name, iou in zip(names, scores.class_iou, strict=True)}
        if evaluation.refined:
            values["mean_iou_crf"] = evaluation.refined.scores.mean_iou
        with storage_errors(self.path / "tensorboard"):
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(valid_text(name), value, evaluation.step)
            self._events.flush()


def scores_table(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """A line a checkpoint as CSV: fractions, empty where nothing was counted or there are too few for an interval."""
    with_crf = rows[0].refined is not None
    columns = [*COLUMNS, "mean_iou_low", "mean_iou_high"]
    header = ["step", *columns, *([f"{name}_crf" for name in columns] if with_crf else [])]
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([*header, *(f"{score} {name}" for score in CLASS_COLUMNS.values() for name in classes)])
    for row in rows:
        values = _values(row.scores, row.interval)
        if row.refined is not None and row.refined_interval is not None:
            values += _values(row.refined, row.refined_interval)
        values += [value for score in CLASS_COLUMNS for value in row.scores.of_classes()[score]]
        table.writerow([row.step, *("" if value is None else f"{value:.6f}" for value in values)])
    return buffer.getvalue()


def _values(scores: Scores, interval: Interval) -> list[float | None]:
    return [*(getattr(scores, name) for name in COLUMNS), interval.low, interval.high]
