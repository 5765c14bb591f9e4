"""What a person drew on one image, and shapes brought to class ids."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from data.decoding.orientation import Size
from data.labels.vector_files import mended
from data.rasters.places.grids import Grid
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX


@dataclass(frozen=True)
class Drawing:
    """What was drawn on one image.

    Attributes:
        image: what the tool calls the image.
        where: file and entry, for messages.
        draw: class ids on the grid of a tile, uint8 (H, W), 255 where nobody drew; raises DataError.
        size: height and width of what it was drawn on; None where that is known to be the tile.
        minutes: that it took, where the tool says so.
    """

    image: str
    where: str
    draw: Callable[[Grid], np.ndarray]
    size: Size | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Source:
    """What a tool wrote.

    Attributes:
        tool: its name, for the ledger.
        drawings: one for each image.
        remarks: lines to be said.
    """

    tool: str
    drawings: Sequence[Drawing]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """A polygon or a mask with its class.

    Attributes:
        area: shapely polygons in pixels (column, row), or bool (H, W).
        index: class id, or 255.
    """

    area: Any
    index: int


def drawn(shapes: Iterable[Shape], size: Size) -> np.ndarray:
    """Class ids, uint8 (H, W); later shapes lie on top. A pixel belongs to the polygons that its centre lies in."""
    ids = np.full(size, IGNORE_INDEX, np.uint8)
    waiting: list[tuple[Any, int]] = []

    def burn() -> None:
        if waiting:
            rasterize(waiting, out=ids, transform=Affine.identity(), all_touched=False)
            waiting.clear()

    for shape in shapes:
        if isinstance(shape.area, np.ndarray):
            burn()
            ids[shape.area] = shape.index
        elif shape.area.area > 0:
            waiting.append((shape.area, shape.index))
    burn()
    return ids


def polygon(where: str, points: Any, number: object) -> shapely.Geometry:
    """A valid polygon.

    Args:
        where: the file, for messages.
        points: pairs of column and row.
        number: of the shape, for messages.

    Raises:
        DataError: fewer than three points, others than numbers, or no area that all would agree on.
    """
    try:
        corners = np.asarray(points, float)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise DataError(
            f"{where}: shape {number} is no polygon of three points or more, each of two numbers; mend or delete it"
        )
    (valid,), _ = mended(where, np.array([shapely.Polygon(corners)], object), np.array([number], object))
    return valid
