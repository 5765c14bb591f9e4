"""Maps of images of any size by one network: strips of windows, or batches of images that a window holds."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from utils.batches import ImageBatch
from utils.evaluation.settings import ViewSettings
from utils.evaluation.views import BrokenMapsError, Network, maps_for_ids, predict_probabilities
from utils.evaluation.windows import (
    ArrayImage,
    Classify,
    ReadableImage,
    Windows,
    classified_pieces,
    strips_of,
    window_batch,
)
from utils.imagery.pixels import PixelFormat

Refine = Callable[[Tensor, Tensor], Tensor]  # maps and uint8 images of windows -> maps on the CPU
Keep = Callable[[Tensor], Tensor]  # (C, rows, columns) -> what is kept of it, (..., rows, columns)


def window_classifier(
    network: Network,
    device: torch.device,
    precision: str,
    pixels: PixelFormat,
    flip: bool = False,
    refine: Refine | None = None,
    for_ids: bool = False,
) -> Classify:
    """From windows to their maps: class probabilities, or for ids alone what tells them exactly as in evaluation.

    Args:
        network: normalised images -> logits, in evaluation mode.
        device, precision, pixels: as of `predict_probabilities`.
        flip: average with the mirrored windows.
        refine: the probabilities; None: do not.
        for_ids: the likeliest classes are all that is wanted.

    Raises:
        BrokenMapsError: from what it returns: the network's output is not finite.
    """
    make_maps = maps_for_ids if for_ids and refine is None else predict_probabilities
    views = ViewSettings(flip=flip)

    def classify(windows: ImageBatch) -> Tensor:
        maps = make_maps(network, windows, device, precision, views, pixels)
        if not torch.isfinite(maps).all():
            raise BrokenMapsError
        return maps if refine is None else refine(maps, windows.image[:, :, : maps.shape[2], : maps.shape[3]])

    return classify


class WindowMaps:
    """Maps of images by a plan of windows.

    Args:
        windows: how images are read.
        classify: windows -> maps (B, C, h, w).
        blank: maps at a pixel of a window that an image leaves out, shape (C,).
        keep: what is kept of the maps of a window.
    """

    def __init__(self, windows: Windows, classify: Classify, blank: Tensor, keep: Keep) -> None:
        self.windows, self.classify, self.blank, self.keep = windows, classify, blank, keep

    def strips(self, image: ReadableImage, rows: Sequence[int] | None = None) -> Iterator[tuple[int, Tensor]]:
        """First rows of strips, and what is kept of the maps of each; `rows`: which of the plan's are wanted."""
        plan = self.windows.plan(image.size)
        at_once = self.windows.at_once(plan.window)
        pieces = classified_pieces(image, plan, self.classify, at_once, rows, self.blank)
        yield from strips_of(pieces, plan.size[1], self.keep)

    def strips_of_several(self, images: np.ndarray) -> Iterator[tuple[int, int, Tensor]]:
        """The same of images (N, H, W, C): number of the first image, first row, and what is kept of each, N' first."""
        plan = self.windows.plan((images.shape[1], images.shape[2]))
        if not plan.is_single:
            for number, image in enumerate(images):
                for top, strip in self.strips(ArrayImage(image)):
                    yield number, top, strip[None]
            return
        at_once = self.windows.at_once(plan.window)
        for first in range(0, len(images), at_once):
            maps = self.classify(window_batch(list(images[first : first + at_once]), plan.window))
            yield first, 0, torch.stack([self.keep(each) for each in maps])
