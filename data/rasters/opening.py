"""Opening scenes as they are or at another scale, and where their pixels lie."""

from pathlib import Path

from data.decoding.orientation import UPRIGHT
from data.rasters.places.grids import Grid
from data.rasters.scene import RasterScene
from data.rasters.views.resampled import ResampledScene
from data.rasters.views.turned import TurnedScene
from data.rasters.windowed import WindowedScene

_SAME = 0.01  # pixels by which the ends of a scene may move and count as unmoved


def grid_of(scene: WindowedScene) -> Grid:
    """The pixels of a scene, and where they lie."""
    crs, transform = (scene.place.crs or None, scene.place.transform) if scene.place else (None, None)
    if scene.factor == 1:
        return Grid(scene.path, scene.size, crs, transform)
    return Grid(scene.path, scene.size, crs, transform, scene.factor, scene.file_size)


def open_scene(path: Path, metres_per_pixel: float | None = None, turn: int = UPRIGHT) -> WindowedScene:
    """Open a scene, its palette as colours.

    Args:
        path: the file.
        metres_per_pixel: to bring it to; None: as it is. A scene that has them, to a hundredth of a pixel over all of
            it, stays as it is.
        turn: the EXIF orientation to show it by, as `scene_turn` says it.

    Raises:
        DataError: as of `RasterScene.open` and `ResampledScene`.
    """
    file = RasterScene.open(path, expand_palette=True)
    scene: WindowedScene = file if turn == UPRIGHT else TurnedScene(file, turn)
    if metres_per_pixel is None:
        return scene
    try:
        view = ResampledScene(scene, metres_per_pixel)
    except BaseException:
        scene.close()
        raise
    is_same = abs(view.factor - 1) * max(scene.size) < _SAME
    return scene if is_same else view
