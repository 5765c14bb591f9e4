"""Scenes of any bands, values and place: read in windows, cut into GeoTIFF files that keep bits, bands and place."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from data.checking.mask_values import MaskValues
from data.decoding.orientation import UPRIGHT
from data.descriptions import Description
from data.preparing.plain_scenes import MASKS, write_mask
from data.preparing.raster_tiles import different_names, write_tile
from data.preparing.settings import Cut
from data.preparing.tile_grid import Size, Tile, check_scene, record_of, tile_places
from data.rasters.bands import check_same_bands, choose_bands, left_out, listing
from data.rasters.files.headers import Band
from data.rasters.opening import grid_of, open_scene
from data.rasters.places.grids import Grid
from data.rasters.places.place import differs
from data.rasters.sampling import SceneWindow
from data.rasters.views.turned import scene_turn
from utils.compute.threads import in_threads
from utils.errors import DataError, warn
from utils.imagery.bands import BY_MASK
from utils.imagery.labels import IGNORE_INDEX, count_classes
from utils.suggest import first_names
from utils.wording import worded

IMAGES = "images/{name}.tif"


class SceneMask(Protocol):
    """A mask on the grid of its scene."""

    @property
    def values(self) -> MaskValues:
        """What it holds."""
        ...

    def ids(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Class ids of a window, uint8 (height, width), 255 where a pixel has no class."""
        ...


OpenMask = Callable[[Grid], AbstractContextManager[SceneMask]]


@dataclass(frozen=True)
class RasterSceneInfo:
    """What the header of a scene says, and how its mask is opened.

    Attributes:
        name: of the scene.
        grid: its pixels, and where they lie.
        bands: the chosen ones, in the order that networks see them.
        unused: other bands that hold no mask.
        dtype: of their values.
        metres_per_pixel: None where it is not known.
        may_lack_data: whether pixels without data are possible.
        nodata: the value that the file declares.
        orientation: in its EXIF data, where it has no place.
        turn: the orientation that it is read with.
        mask: opens its mask; None where it has none.
    """

    name: str
    grid: Grid
    bands: tuple[Band, ...]
    unused: tuple[Band, ...]
    dtype: np.dtype
    metres_per_pixel: float | None
    may_lack_data: bool
    nodata: float | None
    orientation: int
    turn: int
    mask: OpenMask | None = None

    @property
    def is_turned(self) -> bool:
        """Whether it is read as its EXIF data say."""
        return self.turn != UPRIGHT

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the chosen bands in the file."""
        return tuple(band.index for band in self.bands)


def open_raster_scenes(
    images: Mapping[str, Path], masks: Mapping[str, Path], bands: str | None, cut: Cut
) -> list[RasterSceneInfo]:
    """Read the headers of scenes, all of them before the first one is cut.

    Args:
        images: scenes by name.
        masks: those that are rasters, by name; they may tell that their scene is not to be turned.
        bands: the text of `--bands`.
        cut: how they are cut.

    Raises:
        OptionError: the bands are not clear, or not there.
        DataError: a scene is damaged, smaller than a tile, or has other bands or another scale than the first one.
    """
    turns = {name: scene_turn(path, masks.get(name)) for name, path in images.items()}
    found = [_info(name, path, bands, cut, turns[name]) for name, path in sorted(images.items())]
    first = found[0]
    if unused := {listing(info.unused) for info in found if info.unused}:
        warn(f"bands left out: {'; '.join(sorted(unused))}; --bands names those that are used")
    for other in found[1:]:
        check_same_bands(first.bands, other.bands, first.grid.path, other.grid.path)
    scaled = [info for info in found if info.metres_per_pixel is not None]
    scales = [info.metres_per_pixel or 0.0 for info in scaled]
    for info in scaled[1:]:
        if differs(scaled[0].metres_per_pixel, info.metres_per_pixel):
            raise DataError(
                worded(
                    "{} has {} m per pixel, {} {}; they may differ by 20 %: bring all to one by {metres_per_pixel}, "
                    "such as {}, or prepare them apart",
                    *(info.grid.path, f"{info.metres_per_pixel:.4g}", scaled[0].grid.path),
                    *(f"{scaled[0].metres_per_pixel:.4g}", f"{max(scales):.3g}"),
                )
            )
    return found


def _info(name: str, path: Path, bands: str | None, cut: Cut, turns: tuple[int, int]) -> RasterSceneInfo:
    orientation, turn = turns if cut.exif == "apply" else (turns[0], UPRIGHT)
    with open_scene(path, cut.metres_per_pixel, turn) as scene:
        check_scene(path, name, scene.size, cut, ".tif")
        chosen = choose_bands(scene.bands, bands, path)
        numbers = [band.index for band in chosen]
        return RasterSceneInfo(
            name,
            grid_of(scene),
            chosen,
            left_out(scene.bands, chosen),
            scene.dtype,
            scene.metres_per_pixel,
            scene.may_lack_data(numbers),
            scene.nodata,
            orientation,
            turn,
        )


def cut_raster_scenes(
    scenes: Sequence[RasterSceneInfo], folder: Path, description: Description, cut: Cut
) -> tuple[list[Tile], dict[str, MaskValues]]:
    """Cut scenes into GeoTIFF files, in windows: memory does not grow with a scene.

    Tiles with less data than `cut.min_valid` are left out and counted; labels of pixels without data are too.

    Returns:
        The tiles, and what the mask of each scene holds that has one, by the scene's name.

    Raises:
        DataError: a scene is damaged, or no tile has data enough.
    """
    (folder / IMAGES).parent.mkdir()
    if any(scene.mask for scene in scenes):
        (folder / MASKS).parent.mkdir()
    results = in_threads(lambda scene: _cut_scene(scene, folder, description, cut), scenes, "cutting", "scene")
    tiles = [tile for found, _, _ in results for tile in found]
    empty = {scene.name: count for scene, (_, _, count) in zip(scenes, results, strict=True) if count}
    if empty:
        few = f"with data in less than {cut.min_valid:.0%} of their pixels" if cut.min_valid else "without data"
        warn(
            f"{sum(empty.values())} tiles {few} are left out "
            f"({first_names(f'{name}: {count}' for name, count in empty.items())}); --min-valid sets the share"
        )
    if not tiles and empty:
        raise DataError(f"no tile has data in {cut.min_valid:.0%} of its pixels; lower --min-valid")
    masks = {scene.name: values for scene, (_, values, _) in zip(scenes, results, strict=True) if values is not None}
    return tiles, masks


def _cut_scene(
    scene: RasterSceneInfo, folder: Path, description: Description, cut: Cut
) -> tuple[list[Tile], MaskValues | None, int]:
    """Write a scene's tiles; returns them, what its mask holds, and how many tiles have too few data."""
    if scene.mask is None:
        tiles, empty = _cut_tiles(scene, None, folder, description, cut)
        return tiles, None, empty
    with scene.mask(scene.grid) as mask:
        values = mask.values  # an error of the mask comes before its tiles
        tiles, empty = _cut_tiles(scene, mask, folder, description, cut)
        return tiles, values, empty


def _cut_tiles(
    scene: RasterSceneInfo, mask: SceneMask | None, folder: Path, description: Description, cut: Cut
) -> tuple[list[Tile], int]:
    tiles, empty, side = [], 0, cut.tile_size
    with open_scene(scene.grid.path, cut.metres_per_pixel, scene.turn) as opened:
        for name, top, left in tile_places(scene.name, scene.grid.size, cut):
            values, valid = opened.read(top, left, side, side, scene.numbers)
            share = float(valid.mean())
            if share < cut.min_valid or not share:
                empty += 1
                continue
            counts = None
            if mask is not None:
                ids = np.where(valid, mask.ids(top, left, side, side), np.uint8(IGNORE_INDEX))
                counts = count_classes(ids, description.num_classes)
                if counts.sum() < cut.min_labelled * side**2:
                    continue
                counts = counts if counts.any() else None
                if counts is not None:
                    write_mask(folder / MASKS.format(name=name), ids, description)
            record = record_of(name, scene.name, scene.grid, top, left, cut, share)
            write_tile(folder / IMAGES.format(name=name), values, valid, scene.bands, scene.nodata, record)
            tiles.append(Tile(record, counts))
    return tiles, empty


def band_names(scene: RasterSceneInfo) -> tuple[str, ...]:
    """What the bands of a data set are called, in the order that networks see them."""
    return different_names(scene.bands)


def nodata_of(scenes: Sequence[RasterSceneInfo]) -> float | str | None:
    """How pixels without data are told in the tiles: the scenes' one value, or else by masks; None: there are none."""
    if not any(scene.may_lack_data for scene in scenes):
        return None
    values = {scene.nodata for scene in scenes}
    value = values.pop()
    return BY_MASK if values or value is None or value != value else value


def windows_of(scenes: Sequence[RasterSceneInfo], tiles: Sequence[Tile]) -> list[SceneWindow]:
    """Where tiles lie in the files of their scenes."""
    files = {scene.name: (scene.grid.path, scene.turn) for scene in scenes}
    places = [(files[tile.record.scene], tile.record) for tile in tiles]
    return [SceneWindow(path, r.row, r.column, r.height, r.width, turn) for (path, turn), r in places]


def sizes_of(scenes: Sequence[RasterSceneInfo]) -> dict[str, Size]:
    """Height and width of the scenes, by name."""
    return {scene.name: scene.grid.size for scene in scenes}
