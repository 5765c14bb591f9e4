"""What the jobs of a study have left: scores of each cell, what its labels cost, and what pairs have to share."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import DataError
from utils.runs.files import read_json
from utils.studies.cells import Cell

BEST, LAST = "best", "last"  # checkpoints that are scored on the test tiles: the one that validation chose, the last
CHECKPOINTS = (BEST, LAST)


@dataclass(frozen=True)
class ClassScore:
    """A pixel class on the test tiles.

    Attributes:
        name: of the class.
        iou: as a fraction; None: no pixel of the test tiles has it.
        share: of their labelled pixels.
    """

    name: str
    iou: float | None
    share: float


@dataclass(frozen=True)
class CellScore:
    """A checkpoint of a cell on the test tiles of its area; all is None where it is missing.

    Attributes:
        cell: the cell.
        checkpoint: `BEST` or `LAST`.
        step: of the checkpoint.
        mean_iou, pixel_accuracy: as fractions.
        tiles: that were scored.
        classes: the pixel classes.
    """

    cell: Cell
    checkpoint: str
    step: int | None = None
    mean_iou: float | None = None
    pixel_accuracy: float | None = None
    tiles: int | None = None
    classes: Sequence[ClassScore] = ()

    @property
    def is_missing(self) -> bool:
        """Whether the checkpoint was not scored (yet)."""
        return self.mean_iou is None


@dataclass(frozen=True)
class CellLabels:
    """What a cell learned from.

    Attributes:
        masks: labelled tiles; None: not known (yet).
        scene_labels: that the active learner asked for; None: it was not asked.
        names: of the labelled tiles.
        pool: digest of the names of all training tiles.
        initial: digest of those that the active learner started from; empty where it was not asked.
    """

    masks: int | None = None
    scene_labels: int | None = None
    names: Sequence[str] = field(default=(), repr=False)
    pool: str = ""
    initial: str = ""


def read_score(cell: Cell, checkpoint: str, results: Path) -> CellScore:
    """A checkpoint's score.

    Args:
        cell, checkpoint: which.
        results: folder of `tools/auto_evaluate.py`; without a finished evaluation in it, the score is missing.

    Raises:
        DataError: it holds something else.
    """
    path = results / "summary.json"
    if not path.is_file():
        return CellScore(cell, checkpoint)
    summary = read_json(path)
    try:
        on = summary["test_list" if checkpoint == BEST else "data_list"]
        if on is None:  # the evaluation ended before its test list was scored
            return CellScore(cell, checkpoint)
        classes = [ClassScore(each["name"], each["iou"], each["share"]) for each in summary["classes"]]
        scores = on["scores"]
        figures = (scores["Mean IoU"], scores["Pixel Accuracy"], on["tiles"])
        return CellScore(cell, checkpoint, summary["chosen"]["step"], *figures, classes)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no summary of an evaluation (no {error}); remove the folder, and run again"
        ) from error


def read_labels(run: Path, data_list: Path, selection: Path | None) -> CellLabels:
    """What a cell learned from, as far as it is known.

    Args:
        run: folder of its training.
        data_list: of all training tiles.
        selection: folder of the active learner's run; None: the labels were drawn without it.

    Raises:
        DataError: a file is not what it has to be.
    """
    path = run / "labelled_names.txt"
    if not path.is_file():
        return CellLabels()
    names = _lines(path)
    pool = _digest(_lines(data_list)) if data_list.is_file() else ""
    record = {} if selection is None else _selection(selection / "selection.json")
    asked = record.get("ledger", {}).get("scene_labels_asked_for")
    return CellLabels(len(names), asked, names, pool, _digest(record["initial_pool"]) if record else "")


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]


def _selection(path: Path) -> Mapping[str, Any]:
    """A run of the active learner; empty where it has left nothing yet."""
    record = read_json(path) if path.is_file() else {}
    if record and not (isinstance(record.get("ledger"), dict) and isinstance(record.get("initial_pool"), list)):
        raise DataError(f"{path} is no record of a selection; remove its folder, and run again")
    return record


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
