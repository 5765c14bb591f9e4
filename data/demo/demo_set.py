"""Drawing the demo set: synthetic aerial scenes in the layout of UC Merced Land Use with DLRSD masks.

A painter works on a layout in pixels, x to the right and y down, that the canvas turns about the tile's centre.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.demo import land, town, traffic
from data.demo.canvas import Canvas
from data.demo.outlines import TILE
from data.demo.textures import noise
from utils.progress import progress

ODD_SIZES = ((247, 247), (256, 251), (253, 256), (242, 256))  # rows and columns of tiles that are not 256×256
ODD_EVERY = 8

SCENE_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "agricultural": land.agricultural,
    "airplane": traffic.airplane_scene,
    "baseballdiamond": land.baseballdiamond,
    "beach": land.beach,
    "buildings": town.buildings,
    "chaparral": land.chaparral,
    "denseresidential": town.denseresidential,
    "forest": land.forest,
    "freeway": traffic.freeway,
    "golfcourse": land.golfcourse,
    "harbor": traffic.harbor,
    "intersection": traffic.intersection,
    "mediumresidential": town.mediumresidential,
    "mobilehomepark": town.mobilehomepark,
    "overpass": traffic.overpass,
    "parkinglot": traffic.parkinglot,
    "river": land.river,
    "runway": traffic.runway,
    "sparseresidential": town.sparseresidential,
    "storagetanks": town.storagetanks,
    "tenniscourt": town.tenniscourt,
}


def draw_scene(scene: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws one tile.

    Args:
        scene: a key of `SCENE_PAINTERS`.
        rng: source of every choice, so that one state gives one tile.

    Returns:
        The image, shape (256, 256, 3), uint8 RGB, and its mask, shape (256, 256), uint8 ids 1..17.
    """
    if scene not in SCENE_PAINTERS:
        raise ValueError(f"unknown scene {scene!r}, expected one of {', '.join(SCENE_PAINTERS)}")
    canvas = Canvas(rng)
    SCENE_PAINTERS[scene](canvas)
    return _photograph(canvas.image, rng), canvas.mask


def draw_demo(out: Path, tiles_per_class: int, seed: int) -> list[str]:
    """Writes a set of tiles in the layout of UC Merced and DLRSD, one in eight of an odd size as in the real set.

    A tile depends on seed, scene and number alone, so a larger set begins with the tiles of a smaller one.

    Args:
        out: folder that receives `UCMerced_Images/<name>.tif` (RGB) and `UCMerced_Labels/<name>.png` (ids 1..17).
        tiles_per_class: 1..100; tiles are numbered 00..99.
        seed: any whole number from 0.

    Returns:
        The names, such as `agricultural00`, by scene and number.
    """
    if not 1 <= tiles_per_class <= 100:
        raise ValueError(f"tiles_per_class is {tiles_per_class}, expected 1 to 100: names end in two digits")
    for folder in ("UCMerced_Images", "UCMerced_Labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for index, scene in enumerate(progress(SCENE_PAINTERS, len(SCENE_PAINTERS), "drawing", "scene")):
        for number in range(tiles_per_class):
            name = f"{scene}{number:02d}"
            image, mask = draw_scene(scene, np.random.default_rng((seed, index, number)))
            odd = (index + number) % ODD_EVERY == ODD_EVERY - 1
            rows, columns = ODD_SIZES[index % len(ODD_SIZES)] if odd else (TILE, TILE)
            Image.fromarray(image[:rows, :columns]).save(out / "UCMerced_Images" / f"{name}.tif")
            Image.fromarray(mask[:rows, :columns]).save(out / "UCMerced_Labels" / f"{name}.png")
            names.append(name)
    return names


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The painted ground, RGB in 0..255, as a camera sees it: light, tint and haze of the day, blur, pixel noise."""
    light = (rng.uniform(0.92, 1.08) * rng.uniform(0.97, 1.03, 3)).astype(np.float32)
    shading = 1 + 0.04 * noise(rng, TILE, TILE, 128)[..., None]
    blurred = cv2.GaussianBlur(image * light * shading, (0, 0), 0.6)
    grain = rng.uniform(3, 6) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(blurred + rng.uniform(0, 10) + grain, 0, 255).astype(np.uint8)
