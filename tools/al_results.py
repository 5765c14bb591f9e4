"""The folder of a run of the active learner: what it needs to go on, and results to look at after every round."""

import argparse
import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from utils.console import say
from utils.drawing.curves import Panel, plot_curves
from utils.drawing.pictures import save_bars, save_contact_sheets
from utils.errors import DataError, OptionError
from utils.runs.files import read_json, save_array, write_json
from utils.runs.folder import EVENTS, refuse_other_options
from utils.runs.output import Kind, OutputFolder
from utils.selection.names import PARTIAL
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


SELECTION = Kind(
    noun="a run",
    option="--save-dir",
    record="options.json",
    record_key="query_strategy",
    files=r"(options|selection)\.json|(list|selected)\.txt|state\.pth|metrics\.csv|(histogram|learning_curve)\.png"
    rf"|(chosen|to_label)(_\d+)?\.png|.+_(names|probs)_.+{re.escape(PARTIAL)}\.npy|{EVENTS}",
    worth=r"options\.json|state\.pth|selection\.json|selected\.txt",
    folders=("tensorboard",),
    people=r"to_label\.csv",
    can_resume=True,
)


class SelectionFolder(OutputFolder):
    """The files of one run.

    Args:
        args: the command's options.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__(run_folder(args), SELECTION)
        self.args = args
        self.options, self.list, self.state = (self.path / n for n in ("options.json", "list.txt", "state.pth"))
        self.to_label, self.metrics = self.path / "to_label.csv", self.path / "metrics.csv"
        self.selected, self.tensorboard = self.path / "selected.txt", self.path / "tensorboard"
        self._published_before: list[Path] = []  # by the run that is replaced

    # --- beginning and going on ---------------------------------------------------------------------------------------

    def check_resumable(self) -> None:
        """Refuse to go on with a run that had other options, or that has lost its state.

        Raises:
            OptionError: it had, or it has.
        """
        if not self.options.is_file():
            return
        refuse_other_options(read_json(self.options), as_plain(self.args), FREE_ON_RESUME, self.path, "--save-dir")
        if self.selected.is_file() and not self.state.is_file():
            raise OptionError(
                f"{self.state} is not there, so this run cannot go on exactly; restore it, or start over with "
                f"--overwrite; the names chosen so far are in {self.selected}"
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

    def begin_with(self, names: Sequence[str], record: Mapping[str, Any]) -> None:
        """Make room for a new run and record its options and list; labels that people wrote stay."""
        arrays = [path for content in ("names", "probs") if (path := array_path(self.args, content)).exists()]
        if arrays and self.has_published():
            self._published_before = arrays
        elif arrays:
            say(f"{self._published()} will be replaced in the end")
        self.begin()
        write_names(self.list, names)
        write_json(self.options, as_plain(self.args) | dict(record))

    def establish(self) -> None:
        """Remove the run before with what it has published; an error no longer brings it back."""
        super().establish()
        for path in self._published_before:
            path.unlink(missing_ok=True)
        self._published_before = []

    def has_published(self) -> bool:
        """Whether the published names are those of the run in this folder, not of one with another seed."""
        return self._has_published(self.path)

    def _has_published(self, run: Path) -> bool:
        try:
            published = np.load(array_path(self.args, "names"), allow_pickle=False)
            return (run / self.selected.name).read_text(encoding="utf-8").splitlines() == published.tolist()
        except (OSError, ValueError):  # they are not there, or are nobody's
            return False

    def _published(self) -> str:
        """The published names that are there, and whose they are, for a message."""
        runs = (run for run in sorted(self.path.parent.iterdir()) if run.is_dir() and self._has_published(run))
        run, names = next(runs, None), array_path(self.args, "names")
        return f"{names} of {run} (names also in its selected.txt)" if run else f"{names}, of an unknown run,"

    # --- people -------------------------------------------------------------------------------------------------------

    def answers(self, description: Description, names: Sequence[str]) -> dict[str, str]:
        """The labels that people wrote into to_label.csv."""
        return read_answers([self.to_label], description, set(names))

    def ask(self, listed: LabelledList, selection: Selection) -> int:
        """Write to_label.csv and its contact sheet; labels that people have written meanwhile stay.

        Args:
            listed: the tiles.
            selection: which of them were asked for.

        Returns:
            The number of tiles that wait for a label.

        Raises:
            DataError: a label there cannot be used; the file stays as it is.
        """
        thoughts = _thoughts(selection)
        names = listed.tiles.names
        answers = self.answers(listed.tiles.reader.description, names)
        unknown = [tile for tile in selection.labelled if listed.labels[tile] == UNKNOWN]
        waiting = [tile for tile in unknown if names[tile] not in answers]
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
        """Write what is chosen so far: names, their probabilities, the rounds and the pictures.

        Args:
            listed: the tiles.
            selection: what was chosen.
            rounds: numbers of each round, such as loss and seconds.
            predicted: class that the classifier last took each tile for, or -1; shape (N,).
        """
        thoughts, chosen = _thoughts(selection), selection.result
        self._write_arrays(listed, selection)
        write_names(self.selected, [listed.tiles.names[tile] for tile in chosen])
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

    def publish(self, listed: LabelledList, selection: Selection) -> None:
        """Give the names and probabilities of a run that is over the names that the next command takes."""
        if array_path(self.args, "names").exists() and not self.has_published():
            say(f"{self._published()} is replaced")
        self._write_arrays(listed, selection)
        with self._storage_errors():
            for content in ("probs", "names"):
                array_path(self.args, content, is_over=False).replace(array_path(self.args, content))

    def withdraw(self) -> None:
        """Take back what an unfinished run has published, as it was done before there were partial arrays."""
        if self.has_published():
            for content in ("names", "probs"):
                if (path := array_path(self.args, content)).exists():
                    path.replace(array_path(self.args, content, is_over=False))

    def _write_arrays(self, listed: LabelledList, selection: Selection) -> None:
        thoughts, chosen = _thoughts(selection), selection.result
        probabilities = [thoughts[tile][2] if tile in thoughts else math.nan for tile in chosen]
        save_array(array_path(self.args, "probs", is_over=False), np.array(probabilities, dtype=np.float32))
        names = np.array([listed.tiles.names[tile] for tile in chosen], dtype=np.str_)
        save_array(array_path(self.args, "names", is_over=False), names)

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
