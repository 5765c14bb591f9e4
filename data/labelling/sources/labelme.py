"""LabelMe's JSON, a file for each image: polygons, rectangles, circles and masks, later ones on top."""

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely

from data.decoding.orientation import Size
from data.labelling.classes import ToolClasses
from data.labelling.sources.drawing import Drawing, Shape, Source, drawn, polygon
from data.labelling.sources.json_files import of_kind, whole
from data.labelling.tiles import LabelTiles
from data.rasters.places.grids import Grid
from utils.errors import DataError

_KINDS = ("polygon", "rectangle", "circle", "mask")


def read_labelme(files: Mapping[Path, Any], classes: ToolClasses, tiles: LabelTiles) -> Source:
    """The drawings of LabelMe's files.

    Args:
        files: their contents.
        classes, tiles: of the data set.

    Raises:
        DataError: labels that are no classes, or malformed.
    """
    found, left_out = [], 0
    labels: list[str] = []
    of_file: dict[Path, list[Any]] = {}
    for path, raw in files.items():
        shapes = of_kind(raw, "shapes", list, str(path), "a list")
        of_file[path] = [s for s in shapes if isinstance(s, dict) and (s.get("shape_type") or "polygon") in _KINDS]
        left_out += len(shapes) - len(of_file[path])
        labels += [of_kind(shape, "label", str, str(path), "text") for shape in of_file[path]]
    where = str(next(iter(files)) if len(files) == 1 else next(iter(files)).parent)
    index_of = classes.ids_of(where, labels)
    for path, raw in files.items():
        size = whole(raw, "imageHeight", str(path)), whole(raw, "imageWidth", str(path))
        draw = partial(_draw, str(path), of_file[path], size, index_of)
        found.append(Drawing(_image_of(path, raw, tiles), str(path), draw, size))
    remarks = [f"{where}: {left_out} shapes without an area left out, such as lines and points"] if left_out else []
    return Source("labelme", found, remarks)


def _image_of(path: Path, raw: Any, tiles: LabelTiles) -> str:
    named = raw.get("imagePath")
    return named if isinstance(named, str) and tiles.find(named) is not None else path.stem


def _draw(where: str, shapes: list[Any], size: Size, index_of: dict[str, int], _: Grid) -> np.ndarray:
    areas = ((_area(where, shape, number, size), shape["label"]) for number, shape in enumerate(shapes, 1))
    return drawn((Shape(area, index_of[label]) for area, label in areas), size)


def _area(where: str, shape: Any, number: int, size: Size) -> Any:
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind == "polygon":
        return polygon(where, points, number)
    try:
        (x, y), (right, bottom) = np.asarray(points, float).tolist()
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: shape {number}, a {kind}, has other than two points; mend or delete it") from error
    if kind == "circle":
        return shapely.Point(x, y).buffer(float(np.hypot(right - x, bottom - y)), quad_segs=32)
    if kind == "rectangle":
        return polygon(where, [(x, y), (right, y), (right, bottom), (x, bottom)], number)
    return _pasted(where, shape.get("mask"), (round(y), round(x)), number, size)


def _pasted(where: str, text: Any, corner: tuple[int, int], number: int, size: Size) -> np.ndarray:
    """A small mask, a PNG in base64, at its place in the image; bool (H, W)."""
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        small = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
    except (TypeError, ValueError, binascii.Error):
        small = None
    top, left = corner
    area = np.zeros(size, bool)
    if small is None or min(top, left) < 0 or top + small.shape[0] > size[0] or left + small.shape[1] > size[1]:
        raise DataError(f"{where}: shape {number} is a mask that is damaged or reaches out of the image; draw it anew")
    area[top : top + small.shape[0], left : left + small.shape[1]] = small > 0
    return area
