"""The folder that tools/auto_evaluate.py leaves behind: scores, summary, pictures, TensorBoard and a report."""

import argparse
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tools.cli.shared_options import as_plain
from tools.eval_checkpoints import Checkpoints
from tools.eval_list import Evaluation, TileList
from tools.eval_pictures import PICTURES, draw, draw_curve
from tools.eval_report import write_report
from tools.eval_summary import COLUMNS, Row, Verdict, in_words, print_verdict, rank, summary_of
from utils import distributed
from utils.console import say, valid_text
from utils.evaluation.intervals import Interval
from utils.evaluation.metric import Scores
from utils.runs.files import storage_error, write_json, write_text
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
    option="--save-dir",
    record="options.json",
    record_key="start_eval",
    files="|".join((r"options\.json", _SCORES, *map(re.escape, PICTURES), EVENTS)),
    worth=_SCORES,
    folders=("tensorboard",),
)


class Results:
    """What has come out so far, and its folder; of several processes the first one writes.

    Args:
        args: the command's options.
        folder: where it is written, claimed by the caller.
        chosen_on: the list that the choice is made on.
        facts: network, sizes and machine, for the summary.
    """

    def __init__(
        self, args: argparse.Namespace, folder: OutputFolder, chosen_on: TileList, facts: Mapping[str, Any]
    ) -> None:
        self.args, self.chosen_on, self.facts = args, chosen_on, dict(facts)
        self.folder, self.path = folder, folder.path
        self.rows: list[Row] = []
        self.best: Evaluation | None = None
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
        write_json(self.path / "options.json", as_plain(self.args) | self.facts)
        with self._storage_errors():
            self._events = open_events(self.path / "tensorboard")

    def add(self, evaluation: Evaluation) -> bool:
        """Write and say what a checkpoint scores; returns whether it is the best so far, the earliest of equals."""
        self.rows.append(Row.of(evaluation))
        is_best = self.best is None or rank(evaluation.plain.scores) > rank(self.best.plain.scores)
        if self.best is None or is_best:
            self.best = evaluation
        if distributed.is_main():
            say(f"step {evaluation.step}: {in_words(evaluation.plain)} ({evaluation.seconds:.1f} s)")
            write_text(self.path / "scores.csv", scores_table(self.rows, self.chosen_on.description.classes))
            self.folder.establish()
            self._add_events(evaluation)
            if self.args.follow:
                draw_curve(self.path / "miou.png", Verdict(self.rows, self.best, self.chosen_on))
        return is_best

    def finish(
        self, checkpoints: Checkpoints, test: Evaluation | None, test_list: TileList | None, seconds: float
    ) -> None:
        """Write and say what is known only in the end: the best scores, the summary, the pictures, the report."""
        if self.best is None or not distributed.is_main():
            return
        verdict = Verdict(self.rows, self.best, self.chosen_on, test, test_list)
        write_json(self.path / f"best_scores_{self.best.step}.json", self.best.plain.scores.published())
        if verdict.refined is not None and verdict.refined.refined is not None:
            path = self.path / f"best_scores_crf_{verdict.refined.step}.json"
            write_json(path, verdict.refined.refined.published())
        draw(self.path, verdict, checkpoints)
        summary = summary_of(self.args, verdict, self.facts, checkpoints.skipped, seconds)
        write_json(self.path / "summary.json", summary)
        pictures = {name: (self.path / name).read_bytes() for name in PICTURES if (self.path / name).is_file()}
        write_report(self.path / "report.html", summary, pictures, self.chosen_on.description.colours)
        with self._storage_errors():
            self._events.close()
        print_verdict(self.args, verdict)
        say(f"report, scores and pictures: {self.path / 'report.html'}")

    def _add_events(self, evaluation: Evaluation) -> None:
        scores = evaluation.plain.scores
        values = {name: getattr(scores, name) for name in COLUMNS}
        names = self.chosen_on.description.classes
        values |= {f"IoU/{name}": iou for name, iou in zip(names, scores.class_iou, strict=True)}
        if evaluation.refined:
            values["mean_iou_crf"] = evaluation.refined.scores.mean_iou
        with self._storage_errors():
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(valid_text(name), value, evaluation.step)
            self._events.flush()

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(self.path / "tensorboard", error) from error


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
