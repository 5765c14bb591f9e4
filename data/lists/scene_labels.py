"""Scene labels: the letters of a name (UCM), `class_map.json` (DeepGlobe), a CSV of name,label (custom, oracle)."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data.descriptions import Description
from data.lists.splits import tile_name
from utils.errors import DataError
from utils.paths import read_bytes
from utils.suggest import unknown
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

    Raises:
        DataError: not UTF-8, no such columns, an unknown class or contradicting rows, with the line.
    """
    labels: dict[str, str] = {}
    for line, name, label in label_rows(path):
        if label not in classes:
            raise DataError(f"{path}, line {line}: '{name}' has {unknown('scene class', label, classes)}")
        if labels.setdefault(name, label) != label:
            raise DataError(f"{path}, line {line}: '{name}' is {label} here and {labels[name]} above; keep one")
    return labels


def label_rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, name and label of the rows of a CSV that have a label.

    Raises:
        DataError: not UTF-8, no columns `name` and `label`, or a row without them.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV with UTF-8 encoding") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a readable CSV ({error}); expected the columns name,label") from error
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if "name" not in header or "label" not in header:
        raise DataError(f"{path}, line 1: expected a header with the columns name,label, found {','.join(header)!r}")
    name_at, label_at = header.index("name"), header.index("label")
    for line, row in rows[1:]:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(name_at, label_at):
            raise DataError(f"{path}, line {line}: expected {len(header)} columns, found {len(row)}")
        if label := row[label_at].strip():
            yield line, plain_cell(row[name_at].strip()), plain_cell(label)
