"""Where the tiles of a scene lie, and what they are called."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.descriptions import Description
from data.footprints.records import TileRecord
from data.preparing.settings import Cut
from data.rasters.places.grids import Grid
from utils.errors import DataError, OptionError
from utils.paths import LONGEST_NAME

Size = tuple[int, int]

SMALLEST_TILE = 16  # pixels of a side, as dataset.json has them at least


@dataclass(frozen=True)
class Tile:
    """One tile that was cut.

    Attributes:
        record: its name, and where it lies.
        counts: its pixels of each class, int64 (C,); None where it has no labelled pixel, which is no mask.
    """

    record: TileRecord
    counts: np.ndarray | None

    @property
    def name(self) -> str:
        """What it is called: <scene>_<row>_<column>."""
        return self.record.name


def tile_origins(length: int, tile_size: int, stride: int) -> list[int]:
    """Where tiles begin along one side: every `stride` pixels, the last one moved inwards to end with the scene.

    Args:
        length: pixels of that side, at least `tile_size`.
        tile_size: pixels of a tile.
        stride: at most `tile_size`, so that every pixel lies in a tile.
    """
    origins = list(range(0, length - tile_size + 1, stride))
    if origins[-1] + tile_size < length:
        origins.append(length - tile_size)
    return origins


def tile_places(scene: str, size: Size, cut: Cut) -> list[tuple[str, int, int]]:
    """Name, top and left of each tile of a scene."""
    tops, lefts = (tile_origins(length, cut.tile_size, cut.step) for length in size)
    return [(f"{scene}_{row}_{column}", top, left) for row, top in enumerate(tops) for column, left in enumerate(lefts)]


def record_of(name: str, scene: str, grid: Grid, top: int, left: int, cut: Cut, valid: float = 1.0) -> TileRecord:
    """Where a tile lies: its pixels in the scene, and the transform from its own pixels where the scene has a place."""
    transform = grid.transform
    if transform is not None:
        a, b, c, d, e, f = transform
        transform = (a, b, a * left + b * top + c, d, e, d * left + e * top + f)
    return TileRecord(name, scene, top, left, cut.tile_size, cut.tile_size, grid.crs, transform, valid)


def check_scene(image: Path, name: str, size: Size, cut: Cut, ending: str) -> None:
    """Refuse a scene that is smaller than a tile, or whose tiles' names are too long for file systems.

    Raises:
        DataError: it is one.
    """
    if min(size) < cut.tile_size:
        at = f" at {cut.metres_per_pixel:g} m per pixel" if cut.metres_per_pixel else ""
        lower = f"lower --tile-size to {min(size)}, or " if min(size) >= SMALLEST_TILE else ""
        raise DataError(
            f"{image} is {size[0]}×{size[1]}{at}, smaller than a tile of {cut.tile_size}×{cut.tile_size}; "
            f"{lower}leave the image out"
        )
    longest = max(len(os.fsencode(tile)) for tile, _, _ in tile_places(name, size, cut)) + len(ending)
    if longest > LONGEST_NAME:
        raise DataError(
            f"{image} would be cut into tiles whose file names have up to {longest} bytes, above the {LONGEST_NAME} "
            f"that file systems take; shorten its name by {longest - LONGEST_NAME}"
        )


def check_groups(sizes: Mapping[str, Size], description: Description, cut: Cut) -> None:
    """The group is written for names of tiles; it must say there what it says on the names of scenes.

    Args:
        sizes: of the scenes, by name.
        description: with the group.
        cut: how they are cut.

    Raises:
        OptionError: it does not.
    """
    if cut.group is None:
        return
    try:
        of_scenes = replace(description, group=cut.group).groups_of(list(sizes))
        tiles = [(scene, name) for scene, size in sizes.items() for name, _, _ in tile_places(scene, size, cut)]
        of_tiles = description.groups_of([name for _, name in tiles])
    except DataError as error:
        raise OptionError(f"--group: {error}") from error
    for scene, group in of_scenes.items():
        if group is None:
            raise OptionError(f"--group {cut.group!r} does not match scene '{scene}'; it has to match all of them")
    for scene, name in tiles:
        if of_tiles[name] != of_scenes[scene]:
            raise OptionError(
                f"--group {cut.group!r} reads '{of_scenes[scene]}' from scene '{scene}', but '{of_tiles[name]}' from "
                f"its tile '{name}'; write it without $, so that a row and column may follow"
            )
