"""People as the oracle: a CSV of tiles that wait for a scene label, and what they wrote into it."""

import csv
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.descriptions import Description
from data.scene_labels import label_rows
from data.splits import tile_name
from utils.errors import DataError
from utils.runs.files import write_text
from utils.suggest import unknown
from utils.tables import AsWritten, plain_cell, table_text

COLUMNS = ("name", "label", "predicted", "score")
_LISTED = 20  # mistakes that a message lists


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


def read_answers(paths: Sequence[Path], description: Description, names: Container[str]) -> dict[str, str]:
    """Read CSV files with the columns `name` and `label`, in which rows with an empty label still wait.

    Args:
        paths: the files; one that is not there holds no answers.
        description: the data set, for its scene classes and the endings of its files.
        names: the tiles that may be named.

    Returns:
        Scene class by name.

    Raises:
        DataError: lists every unknown class, unknown name and contradiction, within a file or between two, with lines.
    """
    classes = description.scene_classes or ()
    answers: dict[str, tuple[str, str]] = {}
    mistakes = []
    for path in paths:
        for line, text, label in label_rows(path) if path.is_file() else ():
            name, place = tile_name(text, description), f"{path.name}, line {line}"
            if name not in names:
                mistakes.append(f"{place}: '{name}' is not in the list of tiles")
            elif label not in classes:
                mistakes.append(f"{place}: '{name}' has {unknown('scene class', label, classes)}")
            elif (before := answers.setdefault(name, (label, place)))[0] != label:
                mistakes.append(f"{place}: '{name}' is {label} here and {before[0]} in {before[1]}")
    if mistakes:
        more = f"; and {len(mistakes) - _LISTED} more" if len(mistakes) > _LISTED else ""
        raise DataError(
            f"{len(mistakes)} labels cannot be used: {'; '.join(mistakes[:_LISTED])}{more}; correct the lines"
        )
    return {name: label for name, (label, _) in answers.items()}


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
