"""People as the oracle: the CSV of tiles that wait for a scene class, with the pictures of them."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.drawing.pictures import save_contact_sheets
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.files import write_text
from utils.selection.rounds import Selection
from utils.selection.scene_tiles import SceneTiles
from utils.tables import AsWritten, plain_cell, table_text

COLUMNS = ("name", "label", "predicted", "score")


@dataclass(frozen=True)
class Question:
    """A tile whose scene class is asked for.

    Attributes:
        name: the tile.
        predicted: what the classifier takes it for; empty before there is a classifier.
        score: the strategy's figure for it.
    """

    name: str
    predicted: str = ""
    score: float | None = None


def ask_people(path: Path, tiles: SceneTiles, selection: Selection, answers: Mapping[str, str]) -> int:
    """Write the CSV of the tiles asked for, and beside it contact sheets of those that wait for a label.

    Args:
        path: the CSV; the sheets are called like it.
        tiles: the tiles.
        selection: which of them were asked for.
        answers: the labels that the file holds; they stay.

    Returns:
        The number of tiles that wait for a label.
    """
    predictions, names = selection.predictions(), tiles.names
    unknown = [tile for tile in selection.labelled if tiles.labels[tile] == UNKNOWN_SCENE]
    waiting = [tile for tile in unknown if names[tile] not in answers]
    questions, captions = [], []
    for tile in selection.labelled:
        prediction = predictions.get(tile)
        predicted = "" if prediction is None or prediction.scene < 0 else tiles.classes[prediction.scene]
        if tile in waiting or names[tile] in answers:
            is_scored = prediction is not None and math.isfinite(prediction.utility)
            questions.append(Question(names[tile], predicted, prediction.utility if prediction and is_scored else None))
        if tile in waiting:
            captions.append(f"{names[tile]}\n" + (f"seen as {predicted}" if predicted else "initial pool"))
    write_questions(path, questions, answers)
    for sheet in path.parent.glob(f"{path.stem}*.png"):  # there may have been more of them before
        sheet.unlink()
    save_contact_sheets(path.with_suffix(".png"), lambda i: tiles.picture(waiting[i]), captions)
    return len(waiting)


def write_questions(path: Path, questions: Sequence[Question], answers: Mapping[str, str]) -> None:
    """Write the CSV that people fill in, keeping what they wrote before: labels, and columns of their own.

    Args:
        path: the file.
        questions: the tiles asked for so far, in order.
        answers: the labels that the file held; those of other tiles follow at the end.
    """
    kept = _rows_by_name(path)
    own_columns = [c for c in next(iter(kept.values()), {}) if c.strip().lower() not in COLUMNS]
    names = {question.name for question in questions}
    asked = [*questions, *(Question(name) for name in answers if name not in names)]
    rows: list[list[str]] = [[*COLUMNS, *map(AsWritten, own_columns)]]
    for question in asked:
        score = "" if question.score is None else f"{question.score:.6g}"
        own = [AsWritten(kept.get(question.name, {}).get(column) or "") for column in own_columns]
        rows.append([question.name, answers.get(question.name, ""), question.predicted, score, *own])
    write_text(path, table_text(rows))


def _rows_by_name(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [{key: value for key, value in row.items() if key is not None} for row in csv.DictReader(file)]
    return {plain_cell(row["name"].strip()): row for row in rows if row.get("name")}
