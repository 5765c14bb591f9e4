"""People as the oracle: the CSV of tiles that wait for a scene class, with a page to answer on and pictures."""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.drawing.pictures import save_contact_sheets
from utils.drawing.scene_label_page import PageTile, scene_label_page
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.files import write_text
from utils.selection.rounds import Selection
from utils.selection.scene_tiles import SceneTiles
from utils.spreadsheets import read_table
from utils.suggest import KnownNames
from utils.tables import AsWritten, plain_cell, table_text, written_cell

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
    """Write the CSV of the tiles asked for, and beside it a page and contact sheets of those that wait for a label.

    Args:
        path: the CSV; the page and the sheets are called like it.
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
    rows = write_questions(path, questions, answers)
    for old in (path.with_suffix(".html"), *path.parent.glob(f"{path.stem}*.png")):  # there may have been more of them
        old.unlink(missing_ok=True)
    if waiting:
        shown = [question for question in questions if question.name not in answers]
        write_page(path, tiles, rows, shown, round_number=len(selection.rounds))
    save_contact_sheets(path.with_suffix(".png"), lambda i: tiles.picture(waiting[i]), captions)
    return len(waiting)


def write_page(
    path: Path, tiles: SceneTiles, rows: Sequence[Sequence[str]], questions: Sequence[Question], round_number: int
) -> None:
    """Write the page on which people answer, whose download takes the place of the CSV.

    Args:
        path: the CSV; the page is called like it.
        tiles: the tiles.
        rows: cells of the CSV, the header first.
        questions: those that the page asks.
        round_number: rounds so far; with the run's folder it is what the browser keeps the answers under.
    """
    position = {name: number for number, name in enumerate(tiles.names)}
    row_of = {plain_cell(row[0]): number for number, row in enumerate(rows) if number}
    run = path.parent.resolve()
    digest = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    page = scene_label_page(
        f"{run.name}: scene labels of {len(questions)} tiles",
        f"scene labels {digest} {round_number}",
        path.resolve(),
        tiles.classes,
        [written_cell(name) for name in tiles.classes],
        rows,
        COLUMNS.index("label"),
        [PageTile(question.name, row_of[question.name], question.predicted) for question in questions],
        lambda place: tiles.picture(position[questions[place].name]),
    )
    write_text(path.with_suffix(".html"), page)


def write_questions(path: Path, questions: Sequence[Question], answers: Mapping[str, str]) -> list[list[str]]:
    """Write the CSV that people fill in, keeping what they wrote before: labels, and columns of their own.

    Args:
        path: the file.
        questions: the tiles asked for so far, in order.
        answers: the labels that the file held; those of other tiles follow at the end.

    Returns:
        The cells as they were written, the header first.
    """
    names = {question.name for question in questions}
    asked = [*questions, *(Question(name) for name in answers if name not in names)]
    own_columns, kept = _own_cells(path, [question.name for question in asked])
    rows: list[list[str]] = [[*COLUMNS, *map(AsWritten, own_columns)]]
    for question in asked:
        score = "" if question.score is None else f"{question.score:.6g}"
        own = [AsWritten(kept.get(question.name, {}).get(column, "")) for column in own_columns]
        rows.append([question.name, answers.get(question.name, ""), question.predicted, score, *own])
    write_text(path, table_text(rows))
    return [[written_cell(cell) for cell in row] for row in rows]


def _own_cells(path: Path, names: Sequence[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Columns that people added to the CSV, and by tile what they wrote there."""
    if not path.is_file():
        return [], {}
    table, known = read_table(path, ("name", "label")), KnownNames(names)
    name_at = table.place("name")
    assert name_at is not None
    own = {column: place for place, column in enumerate(table.columns) if column and column.lower() not in COLUMNS}
    kept = {}
    for _, row in table.rows:
        written = plain_cell(row[name_at].strip()) if name_at < len(row) else ""
        if (name := known.meant(written)) is not None:
            kept[name] = {column: row[place] for column, place in own.items() if place < len(row)}
    return list(own), kept
