"""The folder of a run of the active learner: what it needs to go on, and results to look at after every round."""

import argparse
import math
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchvision

from data.descriptions import Description
from data.oracle import Question, read_answers, write_questions
from data.splits import write_names
from data.tiles import Tiles
from tools.cli.select_options import FREE_ON_RESUME, array_path, run_folder
from tools.cli.shared_options import as_plain
from utils.drawing.curves import Panel, plot_curves
from utils.drawing.pictures import save_bars, save_contact_sheets
from utils.errors import DataError, OptionError
from utils.output import say
from utils.runs.files import make_folder, read_json, save_array, write_json
from utils.runs.folder import refuse_other_options
from utils.selection.rounds import Selection
from utils.suggest import first_names

UNKNOWN = -1  # the scene class of a tile that has no label yet
COLUMNS = ("labelled", "loss", "val_accuracy", "query_accuracy", "fit_seconds", "score_seconds")
CURVES = (
    Panel("loss of the classifier on the labelled tiles", {"loss": "loss"}),
    Panel("accuracy on the validation list", {"val_accuracy": "accuracy"}, is_share=True),
    Panel("share of the tiles asked for that were predicted right", {"query_accuracy": "share"}, is_share=True),
)


@dataclass(frozen=True)
class LabelledList:
    """The tiles of a list with their scene classes as far as they are known.

    Attributes:
        tiles: the list.
        classes: names of the scene classes.
        labels: class id of each tile or -1, int64, shape (N,).
    """

    tiles: Tiles
    classes: Sequence[str]
    labels: np.ndarray

    def class_name(self, tile: int) -> str | None:
        """Scene class of a tile, or None where it is not known."""
        return None if self.labels[tile] == UNKNOWN else self.classes[self.labels[tile]]

    def picture(self, tile: int) -> np.ndarray:
        """Image of a tile, uint8 (H, W, 3); grey where it cannot be read any more."""
        try:
            return self.tiles.image(tile)
        except DataError:
            return np.full((*self.tiles.reader.tile_size, 3), 128, np.uint8)


class SelectionFolder:
    """The files of one run.

    Args:
        args: the command's options.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.path = args, run_folder(args)
        self.options, self.list, self.state = (self.path / n for n in ("options.json", "list.txt", "state.pth"))
        self.to_label, self.metrics = self.path / "to_label.csv", self.path / "metrics.csv"
        self.tensorboard = self.path / "tensorboard"

    # --- beginning and going on ---------------------------------------------------------------------------------------

    @property
    def holds_run(self) -> bool:
        """Whether a run has begun here."""
        return self.options.is_file()

    def check_options(self) -> None:
        """Refuse before any work what cannot be begun or resumed here.

        Raises:
            OptionError: there is a run, and neither `--resume` nor `--overwrite`; or options differ from the run's.
        """
        if not self.holds_run:
            return
        if self.args.resume:
            recorded = read_json(self.options)
            refuse_other_options(recorded, as_plain(self.args), FREE_ON_RESUME, self.path, "--save-dir")
        elif not self.args.overwrite:
            raise OptionError(
                f"{self.path} holds a run already; --resume goes on with it, --overwrite replaces it, "
                "or give another --save-dir"
            )

    def check_list(self, names: Sequence[str]) -> None:
        """Refuse to resume a run whose list has changed.

        Raises:
            DataError: names the tiles that were added or removed.
        """
        before = self.list.read_text(encoding="utf-8").splitlines() if self.list.is_file() else list(names)
        if before == list(names):
            return
        groups = {"added": sorted(set(names) - set(before)), "removed": sorted(set(before) - set(names))}
        changes = [f"{len(g)} {change} ({first_names(map(repr, g))})" for change, g in groups.items() if g]
        raise DataError(
            f"--data-list {self.args.data_list} has changed since this run began: "
            f"{', '.join(changes) or 'its order is another'}; {self.list} is what it was; or begin with --overwrite"
        )

    def begin(self, names: Sequence[str], record: Mapping[str, Any]) -> None:
        """Make room for a new run and record its options and list; labels that people wrote stay."""
        names_file = array_path(self.args, "names")
        if names_file.exists() and not self.holds_run:
            say(f"{names_file} of another seed's run will be replaced; its names stay in selected.txt of that run")
        make_folder(self.path)
        self.options.unlink(missing_ok=True)
        for path in self.path.iterdir():
            if path.suffix in (".json", ".pth", ".png", ".txt") or path == self.metrics:
                path.unlink()
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        write_names(self.list, names)
        write_json(self.options, as_plain(self.args) | dict(record))

    # --- people -------------------------------------------------------------------------------------------------------

    def answers(self, description: Description, names: Sequence[str]) -> dict[str, str]:
        """The labels that people wrote into to_label.csv."""
        return read_answers([self.to_label], description, set(names))

    def ask(self, listed: LabelledList, selection: Selection, answers: Mapping[str, str]) -> int:
        """Write to_label.csv and its contact sheet.

        Args:
            listed: the tiles.
            selection: which of them were asked for.
            answers: the labels that to_label.csv held.

        Returns:
            The number of tiles that wait for a label.
        """
        thoughts = _thoughts(selection)
        names = listed.tiles.names
        waiting = [tile for tile in selection.labelled if listed.labels[tile] == UNKNOWN]
        questions, captions = [], []
        for tile in selection.labelled:
            utility, predicted, _ = thoughts.get(tile, (math.nan, UNKNOWN, math.nan))
            seen_as = listed.classes[predicted] if predicted != UNKNOWN else ""
            if tile in waiting or names[tile] in answers:
                questions.append(Question(names[tile], seen_as, utility if math.isfinite(utility) else None))
            if tile in waiting:
                captions.append(f"{names[tile]}\n" + (f"seen as {seen_as}" if seen_as else "initial pool"))
        write_questions(self.to_label, questions, answers)
        for sheet in self.path.glob("to_label*.png"):  # there may have been more of them before
            sheet.unlink()
        save_contact_sheets(self.path / "to_label.png", lambda i: listed.picture(waiting[i]), captions)
        return len(waiting)

    # --- results ------------------------------------------------------------------------------------------------------

    def write_results(
        self,
        listed: LabelledList,
        selection: Selection,
        rounds: Sequence[Mapping[str, float]],
        predicted: np.ndarray,
    ) -> None:
        """Write the names, their probabilities, the rounds and the pictures.

        Args:
            listed: the tiles.
            selection: what was chosen.
            rounds: numbers of each round, such as loss and seconds.
            predicted: class that the classifier last took each tile for, or -1; shape (N,).
        """
        thoughts, names = _thoughts(selection), listed.tiles.names
        chosen = selection.result
        chosen_names = [names[tile] for tile in chosen]
        probabilities = [thoughts[tile][2] if tile in thoughts else math.nan for tile in chosen]
        save_array(array_path(self.args, "names"), np.array(chosen_names, dtype=np.str_))
        save_array(array_path(self.args, "probs"), np.array(probabilities, dtype=np.float32))
        write_names(self.path / "selected.txt", chosen_names)
        write_json(self.path / "selection.json", self._record(listed, selection, rounds))
        is_continued = len(selection.rounds) > 1 and not selection.skipped
        first = len(chosen) - len(selection.rounds[-1].tiles) if is_continued else 0
        captions = [_caption(listed, place, tile, thoughts) for place, tile in enumerate(chosen, start=1)]
        save_contact_sheets(self.path / "chosen.png", lambda i: listed.picture(chosen[i]), captions, first)
        classes = np.where(listed.labels == UNKNOWN, predicted, listed.labels)
        shares = {"chosen": _shares(classes[chosen], listed.classes), "all tiles": _shares(classes, listed.classes)}
        title = "scene classes, as labelled" + ("" if (listed.labels != UNKNOWN).all() else " or else as predicted")
        save_bars(self.path / "histogram.png", title, listed.classes, shares)
        plot_curves(self.metrics, self.path / "learning_curve.png", CURVES, "labelled", "labelled tiles")

    def _record(
        self, listed: LabelledList, selection: Selection, rounds: Sequence[Mapping[str, float]]
    ) -> dict[str, Any]:
        names, classes = listed.tiles.names, listed.classes
        return {
            "options": as_plain(self.args),
            "versions": {
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "torchvision": str(torchvision.__version__),
                "numpy": np.__version__,
            },
            "ledger": ledger(selection, rounds),
            "initial_pool": [names[tile] for tile in selection.initial],
            "rounds": [
                {
                    **rounds[number],
                    "names": [names[tile] for tile in query.tiles],
                    "scores": [_finite(utility) for utility in query.utilities],
                    "predicted": [classes[c] if c != UNKNOWN else None for c in query.predicted],
                    "probabilities": [_finite(probability) for probability in query.probabilities],
                    "true": [listed.class_name(tile) for tile in query.tiles],
                }
                for number, query in enumerate(selection.rounds)
            ],
            "last_fit": dict(rounds[len(selection.rounds)]) if len(rounds) > len(selection.rounds) else None,
            "left_out": [names[tile] for tile in sorted(selection.skipped)],
        }


def ledger(selection: Selection, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What the selection costs: scene labels that the classifier learned from, masks to draw."""
    return {
        "scene_labels_asked_for": int(max((r.get("labelled", 0) for r in rounds), default=0)),
        "masks_to_draw": len(selection.result),
        "target": selection.budget.target,
        "short_of_target": selection.missing,
        "initial_pool": len(selection.initial),
        "initial_pool_counts": selection.include_initial,
    }


def _thoughts(selection: Selection) -> dict[int, tuple[float, int, float]]:
    """Utility, predicted class and its probability of each queried tile."""
    return {
        tile: (utility, predicted, probability)
        for query in selection.rounds
        for tile, utility, predicted, probability in zip(
            query.tiles, query.utilities, query.predicted, query.probabilities, strict=True
        )
    }


def _caption(listed: LabelledList, place: int, tile: int, thoughts: Mapping[int, tuple[float, int, float]]) -> str:
    utility, predicted, probability = thoughts.get(tile, (math.nan, UNKNOWN, math.nan))
    seen_as = "initial pool" if tile not in thoughts else "not classified"
    figures = [f"score {utility:.3f}"] if math.isfinite(utility) else []
    if predicted != UNKNOWN:
        seen_as = f"seen as {listed.classes[predicted]}"
        figures.insert(0, f"p {probability:.2f}")
    name, true_class = listed.tiles.names[tile], listed.class_name(tile) or "no label"
    return "\n".join((f"{place}. {name}", true_class, seen_as, ", ".join(figures)))


def _shares(classes: np.ndarray, names: Sequence[str]) -> list[float]:
    known = classes[classes != UNKNOWN]
    return list(np.bincount(known, minlength=len(names)) / max(1, len(known)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
