"""JSON files of labelling tools: reading them, and values of the kinds that are expected."""

import json
from pathlib import Path
from typing import Any, Literal

from utils.errors import DataError
from utils.paths import read_bytes

Kind = Literal["coco", "label-studio", "labelme", "geojson"]


def read_any_json(path: Path) -> Any:
    """The content of a JSON file, of any kind.

    Raises:
        DataError: missing, not JSON, or cut off.
    """
    content = read_bytes(path)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}); export it again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text, which JSON is; export it again") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: nested too deeply, or numbers too long, to be an export") from error


def kind_of_json(raw: Any) -> Kind | None:
    """The tool that wrote some JSON, by its content; None where it is none that is read."""
    if isinstance(raw, dict):
        if raw.get("type") in ("FeatureCollection", "Feature"):
            return "geojson"
        if {"images", "annotations"} <= set(raw):
            return "coco"
        if "shapes" in raw:
            return "labelme"
    is_tasks = isinstance(raw, list) and bool(raw) and all(isinstance(task, dict) for task in raw)
    return "label-studio" if is_tasks and any("data" in task or "annotations" in task for task in raw) else None


def of_no_tool(path: Path, raw: Any) -> DataError:
    """What is said of JSON that no tool that is read wrote."""
    if isinstance(raw, list) and raw and isinstance(raw[0], dict):
        raw, what = raw[0], "a list of objects"
    else:
        what = "an object" if isinstance(raw, dict) else type(raw).__name__
    keys = f" with the keys {', '.join(list(map(str, raw))[:5])}" if isinstance(raw, dict) and raw else ""
    if isinstance(raw, dict) and {"image", "annotation_id"} <= set(raw):
        return DataError(f"{path} is Label Studio's JSON-MIN, which lacks sizes; export as JSON")
    return DataError(
        f"{path} is JSON of no tool that is read ({what}{keys}); expected COCO, Label Studio's JSON, LabelMe or GeoJSON"
    )


def of_kind(raw: Any, key: str, kind: type | tuple[type, ...], where: str, expected: str) -> Any:
    """A value of an object.

    Raises:
        DataError: it is missing, or of another kind.
    """
    value = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "is missing" if value is None else f"is {str(value)[:40]!r}"
        raise DataError(f"{where}: `{key}` {found}, expected {expected}; export it again")
    return value


def whole(raw: Any, key: str, where: str, least: int = 1) -> int:
    """A whole number of an object, also where it is written as 320.0.

    Raises:
        DataError: it is missing, none, or too small.
    """
    value = of_kind(raw, key, (int, float), where, f"a whole number of {least} or more")
    if value != value or value < least or value != int(value):
        raise DataError(f"{where}: `{key}` is {value}, expected a whole number of {least} or more; export it again")
    return int(value)
