"""What the demo scenes are painted on: a tile's image and its mask."""

import cv2
import numpy as np

from data.demo.outlines import TILE, turn
from data.demo.textures import MATERIALS

WHITE, YELLOW, GREY, GLASS = (232, 232, 226), (214, 188, 96), (150, 147, 142), (70, 84, 98)  # markings, RGB


class Canvas:
    """A tile being painted: its image, its mask, and the turn about its centre from layout to pixels.

    Outlines are polygons in the layout, corners (x, y) in pixels: shape (corners, 2), or (n, corners, 2) for several.

    Args:
        rng: source of every choice made on this tile.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.image = np.zeros((TILE, TILE, 3), np.float32)  # RGB, 0..255
        self.mask = np.zeros((TILE, TILE), np.uint8)
        self._turn = turn(np.pi / 2 * rng.integers(4) + 0.2 * rng.standard_normal())
        self._colours = {name: material.colour(rng) for name, material in MATERIALS.items()}

    def fill(self, name: str, outline: np.ndarray, height: float = 0.0) -> None:
        """Covers an outline with a material, in image and mask; `height` is the length of its shadow in pixels."""
        if height:
            self.shade(outline, 0.55, offset=height)
        window, coverage = self._coverage(outline)
        if coverage.size:
            material = MATERIALS[name]
            colour = material.colour(self.rng) if material.varies else self._colours[name]
            self._blend(window, coverage, material.render(self.rng, colour, *coverage.shape))
            self.mask[window][coverage > 0.5] = material.id

    def shade(self, outline: np.ndarray, gain: float, offset: float = 0.0) -> None:
        """Multiplies the image by `gain` within an outline moved `offset` pixels to the lower right."""
        window, coverage = self._coverage(outline, offset)
        self.image[window] *= 1 + (gain - 1) * coverage[..., None]

    def mark(self, outline: np.ndarray, colour: tuple[int, int, int]) -> None:
        """Paints a marking (RGB, 0..255), in the image only."""
        window, coverage = self._coverage(outline)
        self._blend(window, coverage, np.array(colour, np.float32))

    def spots(self, name: str, count: int) -> list[tuple[float, float]]:
        """Random layout positions (x, y) that a material covers at present: `count` of them, or none."""
        y, x = np.nonzero(self.mask == MATERIALS[name].id)
        picks = self.rng.integers(max(len(x), 1), size=count if len(x) else 0)
        places = (np.stack([x[picks], y[picks]], axis=1) - TILE / 2) @ self._turn.T + TILE / 2
        return [(float(x), float(y)) for x, y in places]

    def chance(self, probability: float) -> bool:
        """Whether something happens on this tile."""
        return bool(self.rng.random() < probability)

    def _blend(self, window: tuple[slice, slice], coverage: np.ndarray, colour: np.ndarray) -> None:
        self.image[window] += coverage[..., None] * (colour - self.image[window])

    def _coverage(self, outline: np.ndarray, offset: float = 0.0) -> tuple[tuple[slice, slice], np.ndarray]:
        """The part of the tile around an outline, and how much of each of its pixels is inside, in [0, 1]."""
        corners = (outline - TILE / 2) @ self._turn + TILE / 2 + offset
        flat = corners.reshape(-1, 2)
        left, top = (min(max(int(low), 0), TILE) for low in flat.min(axis=0))
        right, bottom = (min(max(int(high) + 2, 0), TILE) for high in flat.max(axis=0))
        coverage = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.uint8)
        if coverage.size:
            polygons = ((corners - (left, top)) * 16).astype(np.int32).reshape(-1, outline.shape[-2], 2)
            cv2.fillPoly(coverage, list(polygons), 255, cv2.LINE_AA, shift=4)
        return (slice(top, bottom), slice(left, right)), coverage.astype(np.float32) / 255
