"""Views of tiles to pre-train on: random crops, mirrored and resized, and how their colours change.

Crops are cut here, by the loader's processes; colours change on the device, by `utils.augmentation`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from data.batches.loaders import ALONE
from data.batches.samplers import Draw, EndlessBatches, build_loader
from data.batches.samples import to_channels_first
from data.settings import AugmentationSettings
from data.tiles import Tiles
from utils.augmentation.parameters import Appearance
from utils.imagery.bands import Bands
from utils.settings import SettingsError

# Of the published recipe (Bardes et al., ICLR 2022), which is that of BYOL but for solarising.
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
JITTERED, GREY, BLURRED = 0.8, 0.2, 0.5  # shares of the views
LEAST_BLUR, MOST_BLUR = 0.1 / 224, 2 / 224  # deviations as shares of the view's shorter side
LONGEST = 4 / 3  # ratio of a crop's sides


class ViewSample(NamedTuple):
    """Views of one tile; a batch holds the same fields with a leading dimension B.

    image: uint8 (V, C, H, W). appearance: of each view, leading dimension V. label: scene class id, -1 where it is not
    known. tile: the tile's position in its list.
    """

    image: Tensor
    appearance: Appearance
    label: int
    tile: int


@dataclass(frozen=True)
class ViewTransform:
    """Draws a view of a tile.

    Attributes:
        settings: its size, the least share of the tile that it shows, how strongly its colours change.
        bands: of the images; those of RGB change brightness and contrast together, others each for itself, as there is
            no hue and no saturation of theirs.
    """

    settings: AugmentationSettings
    bands: Bands

    def __call__(self, image: Tensor, rng: np.random.Generator) -> tuple[Tensor, Appearance]:
        """A view of uint8 (C, H, W) at the views' size, and how it is changed, without a leading dimension."""
        crop = _crop(image.shape[-2], image.shape[-1], self.settings.smallest_crop, rng)
        view = F.resize(
            F.crop(image, *crop), list(self.settings.input_size), InterpolationMode.BILINEAR, antialias=True
        )
        is_mirrored, is_flipped = rng.random(2) < 0.5  # aerial images have no upright position
        view = F.horizontal_flip(view) if is_mirrored else view
        view = F.vertical_flip(view) if is_flipped else view
        return view, self._appearance(rng)

    def _appearance(self, rng: np.random.Generator) -> Appearance:
        strength, bands = self.settings.jitter, len(self.bands.names)
        spread = strength * float(rng.random() < JITTERED)
        offsets = np.broadcast_to(rng.uniform(-1, 1, (2, 1 if self.bands.is_rgb else bands)), (2, bands))
        saturation, hue = rng.uniform(-1, 1, 2)
        grey, blurred = rng.random(2) < (GREY, BLURRED)
        blur = rng.uniform(LEAST_BLUR, MOST_BLUR) * min(self.settings.input_size)
        changes = strength > 0  # a share of a change is still a grey image
        return Appearance(
            brightness=_floats(1 + spread * BRIGHTNESS * offsets[0]),
            contrast=_floats(1 + spread * CONTRAST * offsets[1]),
            saturation=_floats(1 + spread * SATURATION * saturation),
            hue=_floats(spread * HUE * hue),
            grey=torch.tensor(bool(changes and grey)),
            blur=_floats(blur if changes and blurred else 0),
        )


def _crop(height: int, width: int, smallest: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a part of a tile, of any share of its area from the smallest to 1."""
    area, shape = rng.uniform(smallest, 1), math.exp(rng.uniform(-math.log(LONGEST), math.log(LONGEST)))
    rows = max(1, min(height, round(math.sqrt(area / shape) * height)))
    columns = max(1, min(width, round(math.sqrt(area * shape) * width)))
    return int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)), rows, columns


def _floats(values: object) -> Tensor:
    return torch.as_tensor(np.asarray(values, np.float32))


class TileViews(Dataset[ViewSample]):
    """Views of tiles, addressed by draw.

    Args:
        tiles: the list.
        labels: scene class id of each tile or -1.
        transform: draws a view.
        count: views of a sample.
        seed, stream: what they depend on, with the number of the draw.
    """

    def __init__(
        self, tiles: Tiles, labels: Sequence[int], transform: ViewTransform, count: int, seed: int, stream: str
    ) -> None:
        self.tiles, self.labels, self.transform, self.count = tiles, labels, transform, count
        self.seed, self.stream = seed, stream

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, draw: Draw | int) -> ViewSample:
        draw = Draw.of(draw)
        image, rng = to_channels_first(self.tiles.image(draw.tile)), draw.generator(self.seed, self.stream)
        views, appearances = zip(*(self.transform(image, rng) for _ in range(self.count)), strict=True)
        together = Appearance(*(torch.stack(values) for values in zip(*appearances, strict=True)))
        return ViewSample(torch.stack(views), together, int(self.labels[draw.tile]), draw.tile)


class ViewBatches:
    """Batches of views without end.

    Args:
        tiles: the list.
        labels: scene class id of each tile or -1, int64, shape (N,).
        positions: those of the list that are learned from.
        settings: the views, and the tiles of a batch over all processes.
        count: views of a tile.
        seed: what order and views depend on.

    Raises:
        SettingsError: there are fewer tiles than a batch holds.
    """

    STREAM = "pretraining"

    def __init__(
        self,
        tiles: Tiles,
        labels: np.ndarray,
        positions: Sequence[int],
        settings: AugmentationSettings,
        count: int,
        seed: int,
    ) -> None:
        if len(positions) < settings.batch_size:  # else a tile would have to differ from itself
            message = "{batch_size} {} exceeds the {} tiles that can be learned from; lower it"
            raise SettingsError(message, settings.batch_size, len(positions))
        self.positions, self.settings, self.count, self.seed = positions, settings, count, seed
        transform = ViewTransform(settings, tiles.description.bands)
        self._views = TileViews(tiles, labels.tolist(), transform, count, seed, self.STREAM)
        self._order = self._ordered()

    def _ordered(self, first: int = 0, rank: int = 0, world_size: int = 1) -> EndlessBatches:
        size = self.settings.batch_size
        return EndlessBatches(self.positions, size, self.seed, self.STREAM, first, rank, world_size)

    def names(self, step: int) -> dict[str, list[str]]:
        """Names of the tiles of the step-th batch, counted from 1; they follow from the seed."""
        return {"tiles": [self._views.tiles.names[draw.tile] for draw in self._order.batch(step - 1)]}

    def load(
        self, first_step: int = 0, share: tuple[int, int] = ALONE, workers: int = 0, pin_memory: bool = False
    ) -> Iterator[Any]:
        """Batches from a step on, this process's share of each; see `data.batches.loaders.training_batches`."""
        return iter(build_loader(self._views, self._ordered(first_step, *share), workers, pin_memory))
