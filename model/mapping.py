"""Mapping images with a trained network: strip by strip, in as many processes as there are."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import groupby
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from model.trained import Trained
from utils.compute import distributed
from utils.compute.turns import in_turn
from utils.errors import DataError
from utils.evaluation.calibration import tempered
from utils.evaluation.settings import CRFSettings, WindowSettings
from utils.evaluation.strips import MapStrip, OpenImage
from utils.evaluation.views import BrokenMapsError
from utils.imagery.labels import IGNORE_INDEX

Size = tuple[int, int]


class Mappable(Protocol):
    """An image that can be opened; any object with these fields will do."""

    @property
    def opened(self) -> Callable[[], AbstractContextManager[OpenImage]]:
        """Makes it an `OpenImage`; raises DataError."""

    @property
    def size(self) -> Callable[[], Size] | None:
        """Its height and width, where they are known before."""


Image = TypeVar("Image", bound=Mappable)


class _Batch(NamedTuple):
    """Images of one size that a window holds, or (size None) one image of any size."""

    images: list
    size: Size | None


class Mapper:
    """From images to strips of their maps.

    Of several processes, each computes every n-th row of windows of a large image and every n-th batch of small ones.

    Args:
        network: the network.
        windows: how large images are read.
        crf: refine each window by the dense CRF; None: do not.
        temperature: of the probabilities (Guo et al. 2017), which makes confidences honest and changes no class.
        with_confidence, with_probabilities: what the strips hold beside class ids.
    """

    def __init__(
        self,
        network: Trained,
        windows: WindowSettings,
        crf: CRFSettings | None = None,
        temperature: float = 1.0,
        with_confidence: bool = False,
        with_probabilities: bool = False,
    ) -> None:
        self.network, self.windows, self.crf, self.temperature = network, windows, crf, temperature
        self.with_confidence, self.with_probabilities = with_confidence, with_probabilities

    def strips(self, images: Sequence[Image]) -> Generator[tuple[Image, MapStrip | DataError], None, None]:
        """The maps of images one after the other, each from top to bottom; in place of a strip, why it cannot be read.

        All processes get all of them, and end an image together, whichever of them cannot read it.

        Raises:
            BrokenMapsError: the network's output is not finite.
        """
        for is_small, batches in groupby(self._batches(images), key=lambda batch: batch.size is not None):
            if is_small:
                yield from self._small(list(batches))
                continue
            for (image,), _ in batches:
                try:
                    for strip in self._large(image):
                        yield image, strip
                except BrokenMapsError:
                    raise
                except DataError as error:
                    yield image, error

    def _batches(self, images: Sequence[Image]) -> Iterator[_Batch]:
        """Neighbours of one size that a window holds come together, so that they share a batch."""
        batch = _Batch([], None)
        for image in images:
            size = self._small_size(image)
            fits = (
                size is not None and size == batch.size and len(batch.images) < self.network.at_once(size, self.windows)
            )
            if not fits:
                if batch.images:
                    yield batch
                batch = _Batch([], size)
            batch.images.append(image)
        if batch.images:
            yield batch

    def _small_size(self, image: Image) -> Size | None:
        """Height and width of an image that is one window; None for others, and for those that cannot be read."""
        if image.size is None:
            return None
        try:
            size = image.size()
        except DataError:
            return None
        return size if self.network.plan(size, self.windows).is_single else None

    # --- small ones ---------------------------------------------------------------------------------------------------

    def _small(self, batches: list[_Batch]) -> Iterator[tuple[Image, MapStrip | DataError]]:
        own = (self._whole(batch.images) for batch in batches[distributed.rank() :: distributed.world_size()])
        for batch, maps in zip(batches, in_turn(own, len(batches)), strict=True):
            yield from zip(batch.images, maps, strict=True)

    def _whole(self, images: Sequence[Image]) -> list[MapStrip | DataError]:
        """The whole map of each image, or why it cannot be read."""
        found: dict[int, MapStrip | DataError] = {}
        sources: dict[int, OpenImage] = {}
        with ExitStack() as stack:
            for place, image in enumerate(images):
                try:
                    sources[place] = stack.enter_context(image.opened())
                except DataError as error:
                    found[place] = error
            if sources:
                pixels = np.stack([_whole(source) for source in sources.values()])
                maps = self.network.classified(pixels, self.windows, self.crf)
                for (place, source), probabilities in zip(sources.items(), maps, strict=True):
                    found[place] = self._strip(0, probabilities, source)
        return [found[place] for place in range(len(images))]

    # --- large ones ---------------------------------------------------------------------------------------------------

    def _large(self, image: Image) -> Iterator[MapStrip]:
        with ExitStack() as stack:
            source = _opened_by_all(image, stack)
            rows = self.network.plan(source.size, self.windows).rows
            own = range(distributed.rank(), len(rows), distributed.world_size())
            computed = self.network.strips(source, self.windows, self.crf, own)
            stack.enter_context(closing(computed))  # so that its thread ends before the image is closed
            strips = (self._strip(top, maps, source) for top, maps in computed)
            yield from map(source.as_filed, in_turn(strips, len(rows)))

    def _strip(self, top: int, probabilities: Tensor, source: OpenImage) -> MapStrip:
        """A strip of probabilities, (C, rows, W), as what is written."""
        ids = probabilities.argmax(dim=0).to("cpu", torch.uint8).numpy()
        rows, height = len(ids), source.size[0]
        has_data = source.valid(top, rows)
        if has_data is not None:
            ids[~has_data] = IGNORE_INDEX
        share, is_last = rows / height, top + rows == height
        if not (self.with_confidence or self.with_probabilities):
            return MapStrip(top, ids, share=share, is_last=is_last)
        if self.temperature != 1:
            probabilities = tempered(probabilities, self.temperature)
        confidence = probabilities.amax(dim=0).cpu().numpy() if self.with_confidence else None
        maps = probabilities.cpu().numpy() if self.with_probabilities else None
        return MapStrip(top, ids, confidence, maps, share, is_last)


def _whole(image: OpenImage) -> np.ndarray:
    """All pixels of an image that is held whole."""
    pixels = image.read(0, 0, *image.size)
    assert pixels is not None
    return pixels


def _opened_by_all(image: Mappable, stack: ExitStack) -> OpenImage:
    """An image that every process has opened.

    Raises:
        DataError: one of them could not; in all of them.
    """
    source, fault = None, None
    try:
        source = stack.enter_context(image.opened())
    except DataError as error:
        fault = error
    distributed.barrier()  # the main one may still be writing the image before
    for found in distributed.gather_objects(fault):
        if found is not None:
            raise found
    assert source is not None
    return source
