"""COCO JSON: polygons and runs of pixels by image, later annotations on top."""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from data.labelling.classes import ToolClasses
from data.labelling.run_lengths import decode_coco
from data.labelling.sources.drawing import Drawing, Shape, Source, drawn, polygon
from data.labelling.sources.json_files import of_kind, whole
from data.rasters.places.grids import Grid
from utils.errors import DataError


def read_coco(path: Path, raw: Any, classes: ToolClasses) -> Source:
    """The drawings of a COCO file.

    Args:
        path: the file, for messages.
        raw: its content.
        classes: of the data set.

    Raises:
        DataError: categories that are no classes, annotations of no image or no category, or malformed.
    """
    where = str(path)
    images = _by_id(raw, "images", where)
    annotations = of_kind(raw, "annotations", list, where, "a list")
    categories = {
        number: of_kind(category, "name", str, f"{where}, categories", "text")
        for number, category in _by_id(raw, "categories", where).items()
    }
    of_image: dict[int, list[Any]] = defaultdict(list)
    used: set[int] = set()
    boxes = 0
    for annotation in annotations:
        entry = f"{where}, annotation {annotation.get('id', '?') if isinstance(annotation, dict) else '?'}"
        image, category = whole(annotation, "image_id", entry, 0), whole(annotation, "category_id", entry, 0)
        if image not in images or category not in categories:
            what = f"image {image}" if image not in images else f"category {category}"
            raise DataError(f"{entry} is of {what}, which the file does not list; export it again")
        if not annotation.get("segmentation"):
            boxes += 1
            continue
        used.add(category)
        of_image[image].append(annotation)
    ids = classes.ids_of(where, [categories[number] for number in categories if number in used])
    index_of = {number: ids[categories[number]] for number in used}
    remarks = [f"{path}: {boxes} annotations without an outline left out, such as boxes"] if boxes else []
    found = [_drawing(path, image, of_image[number], index_of) for number, image in images.items()]
    return Source("coco", found, remarks)


def _by_id(raw: Any, key: str, where: str) -> dict[int, Any]:
    """The entries of a list by their ids.

    Raises:
        DataError: two have the same, as where files were put together, or one has none.
    """
    found: dict[int, Any] = {}
    for entry in of_kind(raw, key, list, where, "a list"):
        number = whole(entry, "id", f"{where}, {key}", 0)
        if number in found:
            raise DataError(f"{where}: two {key} have the id {number}; give each its own, or export it again")
        found[number] = entry
    return found


def _drawing(path: Path, image: Any, annotations: list[Any], index_of: dict[int, int]) -> Drawing:
    name = of_kind(image, "file_name", str, f"{path}, images", "text")
    where = f"{path}, image '{name}'"
    size = whole(image, "height", where), whole(image, "width", where)
    return Drawing(name, where, partial(_draw, where, size, annotations, index_of), size)


def _draw(where: str, size: tuple[int, int], annotations: list[Any], index_of: dict[int, int], _: Grid) -> np.ndarray:
    shapes = (Shape(_area(where, size, a), index_of[int(a["category_id"])]) for a in annotations)
    return drawn(shapes, size)


def _area(where: str, size: tuple[int, int], annotation: Any) -> Any:
    segmentation, number = annotation["segmentation"], annotation.get("id", "?")
    if isinstance(segmentation, dict):
        if segmentation.get("size") != list(size):
            raise DataError(
                f"{where}, annotation {number}: its mask is of size {segmentation.get('size')}, the image of "
                f"{list(size)}; export it again"
            )
        try:
            return decode_coco(segmentation.get("counts"), *size)
        except ValueError as error:
            raise DataError(f"{where}, annotation {number}: its mask {error}; export it again") from error
    rings = segmentation if isinstance(segmentation, list) else []
    if not rings or not all(isinstance(ring, list) and len(ring) % 2 == 0 for ring in rings):
        raise DataError(f"{where}, annotation {number}: expected polygons as lists of x, y, x, y, …; export it again")
    pairs = ([ring[place : place + 2] for place in range(0, len(ring), 2)] for ring in rings)
    return shapely.union_all([polygon(where, points, number) for points in pairs])
