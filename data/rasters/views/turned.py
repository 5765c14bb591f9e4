"""A scene that is shown turned, as its EXIF orientation says, where it has no place that tells which way is up."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.decoding.orientation import UPRIGHT, in_stored, orientation_of_file, swaps_sides, turned, turned_size
from data.rasters.places.place import Place, Size
from data.rasters.scene import RasterScene
from data.rasters.views.scene_view import SceneView


def scene_turn(path: Path, mask: Path | None = None) -> tuple[int, int]:
    """How a scene is turned, by the rules of images without a place.

    Args:
        path: the scene.
        mask: of its pixels; where it has the size of the stored pixels and not that of the turned ones, it was drawn
            on the stored pixels, and the scene is not turned.

    Returns:
        The orientation in its EXIF data, 1 to 8, and the one to read it with: 1 where a place says how it lies, or the
        mask fits only that.

    Raises:
        DataError: scene or mask cannot be opened.
    """
    tagged = orientation_of_file(path)
    if tagged == UPRIGHT:
        return UPRIGHT, UPRIGHT
    with RasterScene.open(path) as scene:
        size, place = scene.size, scene.place
    if place is not None:
        return UPRIGHT, UPRIGHT  # as programs for maps show it
    if mask is None or not swaps_sides(tagged) or size[0] == size[1]:
        return tagged, tagged
    with RasterScene.open(mask) as file:
        drawn_on_stored = turned_size(file.size, orientation_of_file(mask)) == size
    return tagged, UPRIGHT if drawn_on_stored else tagged


class TurnedScene(SceneView):
    """A view of a scene without a place, turned; a context manager that closes it.

    Args:
        scene: open.
        orientation: as of EXIF, 2 to 8.

    Attributes:
        size: height and width of the view.
        block_size: what a block of the file becomes.
        place, metres_per_pixel: None.
        factor: 1.
    """

    place: Place | None = None
    metres_per_pixel: float | None = None
    factor = 1.0

    def __init__(self, scene: RasterScene, orientation: int) -> None:
        super().__init__(scene)
        self.orientation = orientation
        self.size: Size = turned_size(scene.size, orientation)
        self.block_size: Size = turned_size(scene.block_size, orientation)

    @property
    def file_size(self) -> Size:
        """Height and width of what is read: those of the view."""
        return self.size

    def read(
        self, top: int, left: int, height: int, width: int, bands: Sequence[int], out: Size | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """A window, as of `RasterScene.read`."""
        rows, columns = in_stored(
            np.array([top, top + height]), np.array([left, left + width]), self.size, self.orientation
        )
        height, width = turned_size((height, width), self.orientation)
        out = out and turned_size(out, self.orientation)
        values, valid = self._scene.read(int(rows.min()), int(columns.min()), height, width, bands, out)
        planes = turned(np.moveaxis(values, 0, -1), self.orientation)
        return np.ascontiguousarray(np.moveaxis(planes, -1, 0)), turned(valid, self.orientation)
