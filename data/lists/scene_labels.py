"""Scene labels: the letters of a name (UCM), `class_map.json` (DeepGlobe), a CSV of name,label (custom, oracle)."""

import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.descriptions import Description
from data.lists.splits import tile_name
from utils.errors import DataError
from utils.paths import read_bytes
from utils.spreadsheets import read_table
from utils.suggest import KnownNames, first_names, unknown
from utils.tables import plain_cell


def read_scene_labels(description: Description, data_dir: Path, names: Sequence[str]) -> dict[str, str]:
    """Scene class by name, of those tiles that have one; empty where the data set has no scene labels.

    Raises:
        DataError: a label is not one of the description's scene classes, or the file of labels cannot be read.
    """
    source, classes = description.scene_labels, description.scene_classes
    if source is None or classes is None:
        return {}
    if source == "name":
        return {name: _class_in_name(name, classes) for name in names}
    path = data_dir / source
    if not path.is_file():
        return {}
    labels = read_class_map(path) if path.suffix == ".json" else read_label_csv(path, classes)
    labels = {tile_name(name, description): label for name, label in labels.items()}
    for name, label in labels.items():
        if label not in classes:
            raise DataError(f"{path}: '{name}' has {unknown('scene class', label, classes)}")
    return {name: labels[name] for name in names if name in labels}


def _class_in_name(name: str, classes: Sequence[str]) -> str:
    letters = re.match(r"[A-Za-z]*", name.rpartition("/")[2])
    label = letters.group(0).lower() if letters else ""
    if label not in classes:
        raise DataError(f"tile '{name}' does not begin with a scene class: {unknown('scene class', label, classes)}")
    return label


def read_class_map(path: Path) -> Mapping[str, str]:
    """Read DeepGlobe's `class_map.json`: {id: class}."""
    content = read_bytes(path)
    try:
        labels = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error}); expected {{tile id: scene class}}") from error
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise DataError(f"{path}: expected {{tile id: scene class}}, both as text")
    return labels


def read_label_csv(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """Read a CSV with the columns `name` and `label`; further columns are fine, rows with an empty label are left out.

    What a spreadsheet program or a person wrote in another way, and was read all the same, is a warning.

    Raises:
        DataError: no such columns, an unknown class or contradicting rows, with the line.
    """
    labels: dict[str, str] = {}
    known, table = KnownNames(classes), label_rows(path)
    corrected: dict[str, str] = {}
    for line, name, text in table.rows:
        label = known.meant(text)
        if label is None:
            raise DataError(f"{path}, line {line}: '{name}' has {unknown('scene class', text, classes)}")
        if label != text:
            corrected[text] = label
        if labels.setdefault(name, label) != label:
            raise DataError(f"{path}, line {line}: '{name}' is {label} here and {labels[name]} above; keep one")
    for remark in [*table.remarks, *corrections(path, "scene class", corrected)]:
        warnings.warn(remark, stacklevel=2)
    return labels


def corrections(path: Path, kind: str, corrected: Mapping[str, str]) -> list[str]:
    """One line on what was written in a file and how it was read; none where all was read as it stands."""
    pairs = [f"'{text}' as '{name}'" for text, name in corrected.items()]
    plural = f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return [f"{path}: {len(pairs)} {plural} were read as the known one: {first_names(pairs, 5)}"] if pairs else []


@dataclass(frozen=True)
class LabelRows:
    """Rows of a table of scene labels.

    Attributes:
        rows: line, name and label of those that have a label.
        minutes: that an answer took, by name as it is written, where the table says so.
        remarks: on how the file was read.
    """

    rows: list[tuple[int, str, str]]
    minutes: dict[str, float]
    remarks: list[str]


def label_rows(path: Path) -> LabelRows:
    """Read the rows of a table with the columns `name` and `label`, as spreadsheet programs save it.

    Raises:
        DataError: not text, no columns `name` and `label`, or a row without them.
    """
    table = read_table(path, ("name", "label"))
    name_at, label_at, minutes_at = (table.place(column) for column in ("name", "label", "minutes"))
    assert name_at is not None
    assert label_at is not None
    rows, minutes = [], {}
    for line, row in table.rows:
        if len(row) <= max(name_at, label_at):
            raise DataError(f"{path}, line {line}: expected {len(table.columns)} columns, found {len(row)}")
        name = plain_cell(row[name_at].strip())
        if label := row[label_at].strip():
            rows.append((line, name, plain_cell(label)))
            if minutes_at is not None and minutes_at < len(row):
                with suppress(ValueError):  # a note in words
                    minutes[name] = max(0.0, float(row[minutes_at].strip().replace(",", ".")))
    return LabelRows(rows, {name: m for name, m in minutes.items() if math.isfinite(m)}, table.remarks)
