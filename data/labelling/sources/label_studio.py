"""Label Studio's JSON: brushes, polygons and rectangles by task, and the seconds that a task took."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from data.decoding.orientation import Size
from data.labelling.classes import ToolClasses
from data.labelling.run_lengths import decode_brush
from data.labelling.sources.drawing import Drawing, Shape, Source, drawn, polygon
from data.labelling.sources.json_files import of_kind, whole
from data.labelling.tiles import LabelTiles
from data.rasters.places.grids import Grid
from utils.errors import DataError
from utils.suggest import first_names

_KINDS = ("brushlabels", "polygonlabels", "rectanglelabels")
TILE = "tile"  # key of a task's data that holds the tile's name


def read_label_studio(path: Path, raw: Any, classes: ToolClasses, tiles: LabelTiles) -> Source:
    """The drawings of an export as JSON.

    Of several annotations of a task the one that was changed last counts; cancelled ones do not.

    Args:
        path: the file, for messages.
        raw: its content.
        classes, tiles: of the data set.

    Raises:
        DataError: tasks without annotations, labels that are no classes, or malformed.
    """
    if not any(isinstance(task, dict) and isinstance(task.get("annotations"), list) for task in raw):
        raise DataError(f"{path} holds tasks without annotations; export the project as JSON, not the tasks themselves")
    found, several, left_out = [], 0, set()
    chosen: list[tuple[str, str, Any]] = []
    for task in raw:
        where = f"{path}, task {task.get('id', '?') if isinstance(task, dict) else '?'}"
        annotations = [a for a in of_kind(task, "annotations", list, where, "a list") if _counts(a)]
        if annotations:
            several += len(annotations) > 1
            newest = max(annotations, key=lambda a: str(a.get("updated_at") or a.get("created_at") or ""))
            chosen.append((_image_of(task, where, tiles), where, (newest, _minutes(annotations))))
    results = [(where, result) for _, where, (newest, _) in chosen for result in newest["result"]]
    labels = [label for where, result in results if result.get("type") in _KINDS for label in _labels(where, result)]
    index_of = classes.ids_of(str(path), labels)
    for image, where, (newest, minutes) in chosen:
        drawn_in = [result for result in newest["result"] if result.get("type") in _KINDS]
        left_out |= {str(r.get("type")) for r in newest["result"] if r.get("type") not in _KINDS}
        size = _size(where, drawn_in)
        found.append(Drawing(image, where, partial(_draw, where, drawn_in, index_of), size, minutes))
    remarks = [f"{path}: of {several} tasks with several annotations the newest is used"] if several else []
    if left_out:
        remarks.append(f"{path}: {first_names(sorted(left_out))} left out; brushes, polygons and rectangles are read")
    return Source("label-studio", found, remarks)


def _counts(annotation: Any) -> bool:
    is_one = isinstance(annotation, dict) and isinstance(annotation.get("result"), list)
    return is_one and not annotation.get("was_cancelled") and all(isinstance(r, dict) for r in annotation["result"])


def _minutes(annotations: list[Any]) -> float | None:
    """Of all people who annotated a task: each one's time was spent."""
    seconds = [a.get("lead_time") for a in annotations]
    known = [s for s in seconds if isinstance(s, int | float) and math.isfinite(s) and s >= 0]
    return sum(known) / 60 if known else None


def _image_of(task: Any, where: str, tiles: LabelTiles) -> str:
    """The tile's name where the task has it, else the address of its image."""
    data = of_kind(task, "data", dict, where, "the image of the task")
    texts = [value for value in data.values() if isinstance(value, str)]
    if isinstance(name := data.get(TILE), str) and tiles.find(name) is not None:
        return name
    if not texts:
        raise DataError(f"{where} has no image; export the project as JSON")
    return data["image"] if isinstance(data.get("image"), str) else texts[0]


def _labels(where: str, result: Any) -> list[str]:
    value = of_kind(result, "value", dict, where, "what was drawn")
    labels = value.get(str(result["type"]))
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise DataError(f"{where}: a region has the labels {labels}, expected one; give each region one label")
    return labels


def _size(where: str, results: list[Any]) -> Size | None:
    sizes = {(whole(r, "original_height", where), whole(r, "original_width", where)) for r in results}
    if len(sizes) > 1:
        raise DataError(f"{where}: its regions are of images of {len(sizes)} different sizes; export it again")
    return sizes.pop() if sizes else None


def _draw(where: str, results: list[Any], index_of: dict[str, int], grid: Grid) -> np.ndarray:
    size = _size(where, results) or grid.size
    areas = ((_area(where, result, size), _labels(where, result)[0]) for result in results)
    return drawn((Shape(area, index_of[label]) for area, label in areas), size)


def _area(where: str, result: Any, size: Size) -> Any:
    value, number = result["value"], result.get("id", "?")
    if result.get("image_rotation") not in (None, 0):
        raise DataError(f"{where}: the image was turned by {result['image_rotation']}°; turn it back and draw anew")
    if result["type"] == "brushlabels":
        try:
            return decode_brush(value.get("rle") or (), *size)
        except ValueError as error:
            raise DataError(f"{where}, region {number}: its brush {error}; export it again") from error
    height, width = size
    if result["type"] == "polygonlabels":
        points = value.get("points")
        return polygon(where, _in_pixels(points, width, height), number)
    x, y, w, h = (of_kind(value, key, (int, float), where, "a number") for key in ("x", "y", "width", "height"))
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    box = polygon(where, _in_pixels(corners, width, height), number)
    degrees = float(value.get("rotation") or 0)
    return shapely.affinity.rotate(box, degrees, origin=(x * width / 100, y * height / 100)) if degrees else box


def _in_pixels(points: Any, width: int, height: int) -> Any:
    """Points in percent of width and height, in pixels; what is none is left to whoever makes a polygon of it."""
    try:
        return np.asarray(points, float) * (width / 100, height / 100)
    except (TypeError, ValueError):
        return points
