"""What tools/auto_evaluate.py leaves behind: scores, summary, pictures, TensorBoard and a report."""

import argparse
import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tools.arguments import as_plain
from tools.eval_checkpoints import Checkpoints
from tools.eval_list import Evaluation, Outcome, TileList
from tools.eval_report import write_report
from utils import distributed
from utils.bootstrap import Interval
from utils.charts import save_class_bars, save_confusion, save_score_curve
from utils.checkpoint import make_folder, storage_error, write_json, write_text
from utils.distributed import say
from utils.errors import OptionError
from utils.metric import Scores, tile_mean_iou
from utils.visualize import WRONG_COLOUR, colourise, errors, picture_grid, save_picture, with_legend

COLUMNS = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")
PICTURES = ("miou.png", "classes.png", "confusion.png", "tiles.png")
_FILES = ("options.json", "scores.csv", "summary.json", "report.html", *PICTURES)
_MANY_TILES = 24  # from here on two tiles of each kind are shown, else one


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
    def of(cls, evaluation: Evaluation) -> "Row":
        """A checkpoint's row; its tiles' counts are left behind."""
        plain, refined = evaluation.plain, evaluation.refined
        others = (refined.scores, refined.interval) if refined else (None, None)
        return cls(evaluation.step, evaluation.seconds, plain.scores, plain.interval, *others)


class Results:
    """The folder of results; with several processes the first one writes.

    Args:
        args: the command's options.
        chosen_on: the list that the choice is made on.
        facts: what else `summary.json` is to hold.
    """

    def __init__(self, args: argparse.Namespace, chosen_on: TileList, facts: Mapping[str, Any]) -> None:
        self.args, self.chosen_on, self.facts = args, chosen_on, dict(facts)
        self.description, self.path = chosen_on.description, args.save_dir
        self.rows: list[Row] = []
        self.best: Evaluation | None = None
        self.events: Any = None

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes."""
        return self.description.classes

    # --- as checkpoints come -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make room for the results, once there is a checkpoint to evaluate; a second call changes nothing.

        Raises:
            OptionError: the folder cannot be written.
        """
        if self.events is not None or not distributed.is_main():
            return
        make_folder(self.path)
        remove_results(self.args)
        write_json(self.path / "options.json", as_plain(self.args) | self.facts)
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        with self._storage_errors():
            self.events = SummaryWriter(str(self.path / "tensorboard"))

    def add(self, evaluation: Evaluation) -> bool:
        """Write and say what a checkpoint scores; returns whether it is the best so far, the earliest of equals."""
        self.rows.append(Row.of(evaluation))
        is_best = self.best is None or _key(evaluation.plain.scores) > _key(self.best.plain.scores)
        if is_best:
            self.best = evaluation
        if distributed.is_main():
            say(f"step {evaluation.step}: {_in_words(evaluation.plain)} ({evaluation.seconds:.1f} s)")
            write_text(self.path / "scores.csv", scores_table(self.rows, self.classes))
            self._add_events(evaluation)
            if self.args.follow:
                self._draw_curve(None)
        return is_best

    def _add_events(self, evaluation: Evaluation) -> None:
        scores = evaluation.plain.scores
        values = {name: getattr(scores, name) for name in COLUMNS}
        values |= {f"IoU/{name}": iou for name, iou in zip(self.classes, scores.class_iou, strict=True)}
        if evaluation.refined:
            values["mean_iou_crf"] = evaluation.refined.scores.mean_iou
        with self._storage_errors():
            for name, value in values.items():
                if value is not None:
                    self.events.add_scalar(name, value, evaluation.step)
            self.events.flush()

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(self.path / "tensorboard", error) from error

    # --- in the end --------------------------------------------------------------------------------------------------

    def finish(
        self, checkpoints: Checkpoints, test: Evaluation | None, test_list: TileList | None, seconds: float
    ) -> None:
        """Write what is known only in the end: the best scores, the summary, the pictures, the report.

        The pictures show the test list where there is one, because no choice was made on it.
        """
        assert self.best is not None
        shown, on = (test, test_list) if test and test_list else (self.best, self.chosen_on)
        pictured, predictions = self._predict_some(shown, on, checkpoints)
        if not distributed.is_main():
            return
        self._write_best()
        where = f"step {self.best.step} on {on.path.name}" + ("" if test else " (chosen on this list)")
        self._draw_curve(test)
        counts = shown.plain.tiles.sum(dim=0, dtype=torch.int64).numpy()
        save_confusion(self.path / "confusion.png", f"Confusion, {where}", counts, self.classes)
        scores = shown.plain.scores
        shares = _shares(scores)
        save_class_bars(self.path / "classes.png", f"IoU by class, {where}", self.classes, scores.class_iou, shares)
        self._draw_tiles(on, pictured, predictions)
        summary = self._summary(checkpoints, test, test_list, seconds)
        write_json(self.path / "summary.json", summary)
        pictures = {name: (self.path / name).read_bytes() for name in PICTURES if (self.path / name).is_file()}
        write_report(self.path / "report.html", summary, pictures, self.description.colours)
        self.close()
        self._say(test)

    def close(self) -> None:
        """Finish the TensorBoard events."""
        if self.events is not None:
            with self._storage_errors():
                self.events.close()
            self.events = None

    def best_refined(self) -> Row | None:
        """The checkpoint whose refined maps score best; None where nothing is refined."""
        rows = [row for row in self.rows if row.refined is not None]
        return max(rows, key=lambda row: (_key(row.refined), -row.step), default=None)

    def _write_best(self) -> None:
        assert self.best is not None
        write_json(self.path / f"best_scores_{self.best.step}.json", self.best.plain.scores.published())
        refined = self.best_refined()
        if refined is not None and refined.refined is not None:
            write_json(self.path / f"best_scores_crf_{refined.step}.json", refined.refined.published())

    def _draw_curve(self, test: Evaluation | None) -> None:
        assert self.best is not None
        rows = sorted(self.rows, key=lambda row: row.step)
        save_score_curve(
            self.path / "miou.png",
            f"Mean IoU on the {len(self.chosen_on.tiles)} tiles of {self.chosen_on.path.name} (chosen on this list)",
            [row.step for row in rows],
            [row.scores.mean_iou for row in rows],
            [(row.interval.low, row.interval.high) for row in rows],
            self.best.step,
            test.plain.scores.mean_iou if test else None,
        )

    # --- tiles -------------------------------------------------------------------------------------------------------

    def _predict_some(
        self, shown: Evaluation, on: TileList, checkpoints: Checkpoints
    ) -> tuple[list[tuple[str, int]], list[np.ndarray]]:
        """The best, median and worst tiles with their captions, and what the checkpoint predicts for them."""
        pictured = extreme_tiles(shown.plain.tiles, on.tiles.names)
        if not distributed.is_main() or not pictured:
            return pictured, []
        tiles = [tile for _, tile in pictured]
        if all(tile in shown.predictions for tile in tiles):
            return pictured, [shown.predictions[tile] for tile in tiles]
        checkpoints.return_to(shown.step)
        return pictured, on.predictions(checkpoints.network, tiles)

    def _draw_tiles(self, on: TileList, pictured: list[tuple[str, int]], predictions: list[np.ndarray]) -> None:
        if not pictured:
            return
        rows, captions = [], []
        colours = self.description.colours
        for (caption, tile), prediction in zip(pictured, predictions, strict=True):
            image, truth = np.array(on.tiles.image(tile)), np.array(on.tiles.mask(tile))
            maps = [colourise(truth, colours), colourise(prediction, colours), errors(image, truth, prediction)]
            rows.append([image, *maps])
            known = truth != 255
            share = float((truth != prediction)[known].mean()) if known.any() else 0.0
            captions.append([caption, "truth", "prediction", f"errors: {share:.1%} of the pixels"])
        legend = [*self.classes, "wrong pixel"], [*colours, WRONG_COLOUR]
        sheet = with_legend(picture_grid(rows, captions, size=220), *legend)
        save_picture(self.path / "tiles.png", sheet)

    # --- summary -----------------------------------------------------------------------------------------------------

    def _summary(
        self, checkpoints: Checkpoints, test: Evaluation | None, test_list: TileList | None, seconds: float
    ) -> dict[str, Any]:
        assert self.best is not None
        shown = test or self.best
        refined = self.best_refined()
        shares = _shares(shown.plain.scores)
        return self.facts | {
            "chosen": {"step": self.best.step, "of": len(self.rows), "on": str(self.chosen_on.path)},
            "data_list": _list_summary(self.chosen_on, self.best, is_chosen_on=True),
            "test_list": _list_summary(test_list, test, is_chosen_on=False) if test and test_list else None,
            "crf": None
            if refined is None or refined.refined is None or refined.refined_interval is None
            else {"step": refined.step, "scores": refined.refined.published()}
            | {"interval": refined.refined_interval.as_plain()},
            "classes": [
                {"id": i, "name": name, "iou": iou, "pixels": pixels, "share": share}
                for i, (name, iou, pixels, share) in enumerate(
                    zip(
                        self.classes, shown.plain.scores.class_iou, shown.plain.scores.class_pixels, shares, strict=True
                    )
                )
            ],
            "checkpoints": [_row_summary(row) for row in self.rows],
            "skipped": [{"step": step, "reason": reason} for step, reason in sorted(checkpoints.skipped.items())],
            "seconds": round(seconds, 2),
            "options": as_plain(self.args),
        }

    def _say(self, test: Evaluation | None) -> None:
        assert self.best is not None
        shown = test or self.best
        say(f"{'class':<20} {'IoU':>7} {'pixels':>12} {'share':>7}")
        scores = shown.plain.scores
        for name, iou, pixels, share in zip(
            self.classes, scores.class_iou, scores.class_pixels, _shares(scores), strict=True
        ):
            say(f"{name:<20} {'–' if iou is None else f'{iou:.4f}':>7} {pixels:>12,} {share:>7.1%}")
        say(
            f"best of {len(self.rows)}: step {self.best.step}, {_in_words(self.best.plain)} (chosen on this list: "
            f"{self.chosen_on.path}{_optimistic(self.best.plain.interval)})"
        )
        refined = self.best_refined()
        if refined is not None and refined.refined is not None:
            say(f"with CRF: step {refined.step}, mean IoU {refined.refined.mean_iou or 0:.4f} (chosen on this list)")
        if test is not None:
            say(f"on the test list {self.args.test_list}: {_in_words(test.plain)}")
            if test.refined is not None:
                say(f"on the test list with CRF: {_in_words(test.refined)}")
        say(f"report, scores and pictures: {self.path / 'report.html'}")


def refuse_earlier_results(args: argparse.Namespace) -> None:
    """Stop where the folder holds results that nobody asked to replace.

    Raises:
        OptionError: it does, or it is a file.
    """
    if args.overwrite or not args.save_dir.is_dir():
        return
    there = [name for name in _FILES if (args.save_dir / name).exists()]
    if there or any(args.save_dir.glob("best_scores_*.json")):
        raise OptionError(
            f"{args.save_dir} holds results of an earlier evaluation already; --overwrite replaces them, or give "
            "another --save-dir"
        )


def remove_results(args: argparse.Namespace) -> None:
    """Remove what an earlier evaluation wrote."""
    for path in (*(args.save_dir / name for name in _FILES), *args.save_dir.glob("best_scores_*.json")):
        path.unlink(missing_ok=True)
    shutil.rmtree(args.save_dir / "tensorboard", ignore_errors=True)


def scores_table(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """A line a checkpoint as CSV: fractions, empty where nothing was counted or there are too few for an interval."""
    with_crf = rows[0].refined is not None
    columns = [*COLUMNS, "mean_iou_low", "mean_iou_high"]
    header = ["step", *columns, *([f"{name}_crf" for name in columns] if with_crf else [])]
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([*header, *(f"IoU {name}" for name in classes)])
    for row in rows:
        values = _values(row.scores, row.interval)
        if row.refined is not None and row.refined_interval is not None:
            values += _values(row.refined, row.refined_interval)
        values += row.scores.class_iou
        table.writerow([row.step, *("" if value is None else f"{value:.6f}" for value in values)])
    return buffer.getvalue()


def _values(scores: Scores, interval: Interval) -> list[float | None]:
    return [*(getattr(scores, name) for name in COLUMNS), interval.low, interval.high]


def extreme_tiles(tiles: torch.Tensor, names: Sequence[str]) -> list[tuple[str, int]]:
    """Captions and positions of the tiles with the highest, the middle and the lowest mean IoU.

    Args:
        tiles: confusion matrices, shape (N, C, C); tiles without a labelled pixel do not count.
        names: of the tiles.
    """
    scores = tile_mean_iou(tiles)
    order = scores.argsort(descending=True, stable=True)
    ranking: list[int] = order[scores[order].isfinite()].tolist()
    each = 2 if len(ranking) >= _MANY_TILES else 1
    middle = (len(ranking) - each) // 2
    kinds = {"best": ranking[:each], "median": ranking[middle : middle + each], "worst": ranking[-each:]}
    return [
        (f"{kind}: {names[tile]}\nmean IoU {float(scores[tile]):.3f}", tile)
        for kind, positions in kinds.items()
        for tile in positions
        if len(ranking) >= 3 or kind == "best"
    ]


def _key(scores: Scores | None) -> float:
    return -1.0 if scores is None or scores.mean_iou is None else scores.mean_iou


def _shares(scores: Scores) -> list[float]:
    return [pixels / max(1, sum(scores.class_pixels)) for pixels in scores.class_pixels]


def _in_words(outcome: Outcome) -> str:
    scores = outcome.scores
    return f"mean IoU {scores.mean_iou or 0:.4f}, pixel accuracy {scores.pixel_accuracy or 0:.4f}; {outcome.interval}"


def _optimistic(interval: Interval) -> str:
    return "" if interval.low is None else ", so the interval is optimistic"


def _list_summary(tile_list: TileList, evaluation: Evaluation, is_chosen_on: bool) -> dict[str, Any]:
    """What a list says about the chosen checkpoint."""
    plain, refined = evaluation.plain, evaluation.refined
    return {
        "path": str(tile_list.path),
        "tiles": len(tile_list.tiles),
        "pixels": sum(plain.scores.class_pixels),
        "chosen_on_this_list": is_chosen_on,
        "scores": plain.scores.published(),
        "interval": plain.interval.as_plain() | {"optimistic": is_chosen_on, "text": str(plain.interval)},
        "scores_crf": refined.scores.published() if refined else None,
        "seconds": round(evaluation.seconds, 2),
    }


def _row_summary(row: Row) -> dict[str, Any]:
    values = {name: getattr(row.scores, name) for name in COLUMNS}
    values |= {"low": row.interval.low, "high": row.interval.high}
    if row.refined is not None:
        values["mean_iou_crf"] = row.refined.mean_iou
    return {"step": row.step, **values, "seconds": round(row.seconds, 2)}
