"""One whole scene of a list, put together from its tiles at the size of a picture: image, truth, map, confidence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from utils.compute import distributed
from utils.drawing.pictures import colourise, legend_of
from utils.drawing.scene_picture import NOTHING, confidence_colours, scene_sheet
from utils.evaluation.calibration.temperature import tempered
from utils.evaluation.tile_lists import ListTiles, TilePlace
from utils.imagery.labels import IGNORE_INDEX

LONG_SIDE = 440  # pixels of a scene in the picture


@dataclass(frozen=True)
class Scene:
    """What is pictured.

    Attributes:
        name: of the scene, or of the tile that stands alone.
        members: positions of its tiles in the list, and their places in it.
        top, left, height, width: of the box around them, in pixels of the scene.
        is_tile: whether it is a single tile, as it is not known where tiles were cut.
    """

    name: str
    members: dict[int, TilePlace]
    top: int
    left: int
    height: int
    width: int
    is_tile: bool

    def in_words(self, metres_per_pixel: float | None) -> str:
        """Name, size in pixels and on the ground."""
        words = f"{'Tile' if self.is_tile else 'Scene'} {self.name}, {self.height:,} × {self.width:,} pixels"
        if metres_per_pixel is not None:
            height, width = (_length(metres_per_pixel * side) for side in (self.height, self.width))
            words += f", {height} from top to bottom and {width} across ({metres_per_pixel:g} m a pixel)"
        if not self.is_tile:
            words += f", put together from {len(self.members)} tiles of the list"
        return words


def _length(metres: float) -> str:
    return f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"


def chosen_scene(tiles: ListTiles, typical: int) -> Scene:
    """The scene with most tiles in a list, the first of equals.

    Args:
        tiles: the list.
        typical: the tile that is shown instead where it is not known where tiles were cut.
    """
    places = tiles.places or ()
    counts = Counter(place.scene for place in places if place is not None)
    if not counts:
        height, width = tiles.tile_size
        name = tiles.names[typical]
        return Scene(name, {typical: TilePlace(name, 0, 0, height, width)}, 0, 0, height, width, is_tile=True)
    name = max(counts, key=lambda scene: counts[scene])
    members = {index: place for index, place in enumerate(places) if place is not None and place.scene == name}
    top, left = (min(getattr(place, side) for place in members.values()) for side in ("row", "column"))
    bottom = max(place.row + place.height for place in members.values())
    right = max(place.column + place.width for place in members.values())
    return Scene(name, members, top, left, bottom - top, right - left, is_tile=False)


class SceneCanvas:
    """Takes what is predicted for the tiles of a scene, at the size of the picture: 4·C·440² bytes at most.

    Args:
        tiles: the list.
        scene: of it.
    """

    def __init__(self, tiles: ListTiles, scene: Scene) -> None:
        self.tiles, self.scene = tiles, scene
        scale = min(1.0, LONG_SIDE / max(scene.height, scene.width))
        height, width = (max(1, round(scale * side)) for side in (scene.height, scene.width))
        self.rows = scene.top + ((np.arange(height) + 0.5) * scene.height / height).astype(int)  # of the scene
        self.columns = scene.left + ((np.arange(width) + 0.5) * scene.width / width).astype(int)
        self.probabilities = torch.zeros(len(tiles.classes), height, width)

    def keep(self, tile: int, top: int, left: int, probabilities: Tensor) -> None:
        """Take the probabilities of a piece of a tile, float32 (C, h, w) from its pixel (top, left), if it is of the
        scene."""
        if tile not in self.scene.members:
            return
        rows, columns = self._inside(tile, self.tiles.tile_size)
        in_rows, in_columns = (
            slice(*np.searchsorted(inside, (start, start + length)))
            for inside, start, length in ((rows, top, probabilities.shape[1]), (columns, left, probabilities.shape[2]))
        )
        picked = probabilities[:, torch.from_numpy(rows[in_rows] - top)]
        picked = picked[:, :, torch.from_numpy(columns[in_columns] - left)]
        part = self.probabilities[(slice(None), *self._span(tile))]
        part[:, in_rows, in_columns] += picked * torch.from_numpy(self._own(tile)[in_rows, in_columns])

    def gather(self, device: torch.device) -> None:
        """Put together what the processes have; all of them have to ask."""
        self.probabilities = distributed.total(self.probabilities.to(device)).cpu()

    def draw(self, temperature: float = 1.0) -> Image.Image:
        """The picture.

        Args:
            temperature: at which confidence is shown.
        """
        tiles, shape = self.tiles, self.probabilities.shape[1:]
        image, truth = np.full((*shape, 3), NOTHING, np.uint8), np.full(shape, IGNORE_INDEX, np.uint8)
        covered = np.zeros(shape, bool)
        for tile in self.scene.members:
            own, place = self._own(tile), self._span(tile)
            for whole, part in ((image, self._shrunk(tile)), (truth, np.array(tiles.mask(tile)))):
                rows, columns = self._inside(tile, part.shape[:2])
                whole[place][own] = part[np.ix_(rows, columns)][own]
            covered[place] |= own
        confidence, ids = (part.numpy() for part in tempered(self.probabilities, temperature).max(dim=0))
        is_mapped = self.probabilities.sum(dim=0).numpy() > 0
        names, colours = legend_of(*tiles.legend, [truth[covered]])
        least = 1 / len(tiles.classes)
        maps = colourise(truth, tiles.colours), colourise(ids.astype(np.uint8), tiles.colours)
        panels = [image, *maps, confidence_colours(confidence, least)]
        for panel, shown in zip(panels, (covered, covered, is_mapped, is_mapped), strict=True):
            panel[~shown] = NOTHING
        right = (truth == ids)[is_mapped & (truth != IGNORE_INDEX)]
        captions = [
            "image",
            "truth (masks)",
            f"map: {right.mean():.0%} of the pixels right" if len(right) else "map",
            f"confidence: {confidence[is_mapped].mean():.0%} on average" if is_mapped.any() else "confidence",
        ]
        return scene_sheet(panels, captions, names, colours, least, LONG_SIDE)

    def _shrunk(self, tile: int) -> np.ndarray:
        """Image of a tile, averaged over what becomes a pixel of the picture."""
        image, place = np.array(self.tiles.image(tile)), self.scene.members[tile]
        step = [
            max(1, round(self.scene.height / len(self.rows) * image.shape[0] / place.height)),
            max(1, round(self.scene.width / len(self.columns) * image.shape[1] / place.width)),
        ]
        return cv2.blur(image, (step[1], step[0]), borderType=cv2.BORDER_REPLICATE)

    def _span(self, tile: int) -> tuple[slice, slice]:
        """The pixels of the picture that lie in a tile."""
        place = self.scene.members[tile]
        return (
            slice(*np.searchsorted(self.rows, (place.row, place.row + place.height))),
            slice(*np.searchsorted(self.columns, (place.column, place.column + place.width))),
        )

    def _inside(self, tile: int, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of a tile of a size that those pixels are."""
        place, (rows, columns) = self.scene.members[tile], self._span(tile)
        return (
            (self.rows[rows] - place.row) * size[0] // place.height,
            (self.columns[columns] - place.column) * size[1] // place.width,
        )

    def _own(self, tile: int) -> np.ndarray:
        """Which of them this tile counts, bool."""
        place = self.scene.members[tile]
        rows, columns = self._inside(tile, (place.height, place.width))
        counted = self.tiles.counted(tile) if not self.scene.is_tile else None
        return np.ones((len(rows), len(columns)), bool) if counted is None else counted[np.ix_(rows, columns)]
