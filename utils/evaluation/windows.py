"""Images of any size, read in windows; maps, scores and validation read them by the same plan.

An image no larger than a window is seen at once. A larger one is covered by as few windows as their largest size
permits, evenly spread; of what two neighbours have in common each gives the half on its side, and sees the other half
as context. So rows of windows do not depend on one another, and processes can share them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from utils.batches import ImageBatch
from utils.compute.threads import one_ahead
from utils.evaluation.settings import WindowSettings

Size = tuple[int, int]

LARGEST = 768  # pixels of a window's side: with ResNet-101 a pass takes about 1 GB, and larger ones save no more time
PIXELS_AT_ONCE = {"cpu": LARGEST**2, "cuda": 8 * LARGEST**2}  # of a batch; on a CPU more take memory and save no time
MOST_AT_ONCE = {"cpu": 4, "cuda": 16}


class ReadableImage(Protocol):
    """An image that is read in windows: an array, or a file of which only windows are in memory."""

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        ...

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """A window that lies inside the image; uint8, shape (height, width, C), as tiles are stored.

        None: it shows nothing that is to have a class, and is left out.
        """
        ...


@dataclass(frozen=True)
class ArrayImage:
    """An array as a `ReadableImage`; `pixels` are uint8, shape (H, W, C)."""

    pixels: np.ndarray

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A view of a window."""
        return self.pixels[top : top + height, left : left + width]


class Span(NamedTuple):
    """One side of a window: pixels `start` to `stop` are read, and the results of `first` to `last` are kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def kept(self) -> slice:
        """What is kept, counted from the window's own beginning."""
        return slice(self.first - self.start, self.last - self.start)


@dataclass(frozen=True)
class WindowPlan:
    """Windows that cover an image.

    Attributes:
        size: height and width of the image.
        window: height and width that the network sees; windows of smaller images are padded to it, right and below.
        rows, columns: of windows; what is kept of them tiles the image.
    """

    size: Size
    window: Size
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def is_single(self) -> bool:
        """Whether the image is seen at once."""
        return len(self.rows) == len(self.columns) == 1


@dataclass(frozen=True)
class Windows:
    """How a network reads images of any size.

    Attributes:
        largest: height and width of the largest window.
        least: height and width that smaller images are padded to, right and below.
        overlap: least share of the largest window, in [0, 1), that neighbours have in common.
        batch_size: windows, or smaller images, of a batch; None: as `pixels` and `most` permit, one at least.
        pixels: of a batch, at most.
        most: windows or images of a batch, at most.
    """

    largest: Size = (LARGEST, LARGEST)
    least: Size = (0, 0)
    overlap: float = WindowSettings.overlap
    batch_size: int | None = None
    pixels: int = PIXELS_AT_ONCE["cpu"]
    most: int = MOST_AT_ONCE["cpu"]

    def plan(self, size: Size) -> WindowPlan:
        """The windows of an image of a size."""
        rows, columns = (window_spans(*sides, self.overlap) for sides in zip(size, self.largest, strict=True))
        height, width = (
            max(spans[0].stop, least if len(spans) == 1 else 0)
            for spans, least in zip((rows, columns), self.least, strict=True)
        )
        return WindowPlan(size, (height, width), rows, columns)

    def at_once(self, window: Size) -> int:
        """Windows of a batch, or images that are seen at once."""
        return self.batch_size or max(1, min(self.most, self.pixels // (window[0] * window[1])))

    def tiles_at_once(self, size: Size) -> int:
        """Tiles of a batch: one where it is read in windows, which make batches of their own."""
        plan = self.plan(size)
        return self.at_once(plan.window) if plan.is_single else 1


def largest_window(crop: Size | None, tile: Size | None) -> Size | None:
    """The largest window of a network; None where nobody says what it was trained on.

    It is as large as a training crop. In larger windows the outer weights of the widest classifiers count, which met
    padding in most crops, or in all of them: those 192 pixels away learn nothing from crops of 192 pixels or less. Of
    a network that was trained on crops of 128, whole tiles of 256 made worse maps (mean IoU 0.476, in windows 0.501).

    Args:
        crop: height and width of a training crop.
        tile: height and width of a training tile; it counts where the crop is not known, up to `LARGEST`.
    """
    if crop is not None or tile is None:
        return crop
    return min(tile[0], LARGEST), min(tile[1], LARGEST)


def window_spans(size: int, largest: int, overlap: float) -> tuple[Span, ...]:
    """Windows along one side of an image: few, as long as they may be, and evenly spread.

    Shorter ones would cover it too, with fewer pixels that are seen twice; but context makes better maps.

    Args:
        size: pixels of the side.
        largest: pixels of the longest window.
        overlap: least share of it, in [0, 1), that a window has in common with the next one.
    """
    if size <= largest:
        return (Span(0, size, 0, size),)
    shared = int(largest * overlap)
    number = -(-(size - shared) // (largest - shared))
    starts = [place * (size - largest) // (number - 1) for place in range(number)]
    cuts = [0, *((start + largest + following) // 2 for start, following in pairwise(starts)), size]
    return tuple(Span(start, start + largest, *ends) for start, ends in zip(starts, pairwise(cuts), strict=True))


class WindowBatch(NamedTuple):
    """Windows as an `ImageBatch`: uint8 images (B, C, H, W), padded right and below; int64 sizes inside (B, 2)."""

    image: Tensor
    size: Tensor


Classify = Callable[[ImageBatch], Tensor]  # windows -> maps inside their padding, (B, K, h, w)


def window_batch(images: Sequence[np.ndarray], window: Size) -> WindowBatch:
    """Images of one size, uint8 (h, w, C) each, padded to the size of a window."""
    height, width, channels = images[0].shape
    if (height, width) == window:
        stacked = np.stack(images)
    else:
        stacked = np.zeros((len(images), *window, channels), np.uint8)
        stacked[:, :height, :width] = images
    return WindowBatch(torch.from_numpy(stacked).permute(0, 3, 1, 2), torch.tensor([(height, width)] * len(images)))


class Piece(NamedTuple):
    """What is kept of one window: its places in the image, and its maps, shape (K, rows, columns)."""

    row: Span
    column: Span
    maps: Tensor

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns in the image."""
        return slice(self.row.first, self.row.last), slice(self.column.first, self.column.last)


def classified_pieces(
    image: ReadableImage,
    plan: WindowPlan,
    classify: Classify,
    at_once: int,
    rows: Sequence[int] | None = None,
    blank: Tensor | None = None,
) -> Iterator[Piece]:
    """Maps of an image, window by window; a thread reads the next windows meanwhile.

    Args:
        image: of the plan's size.
        plan: the windows.
        classify: from a batch of them to maps of any kind, inside their padding, shape (B, K, h, w).
        at_once: windows of a batch; no batch goes from one row to the next.
        rows: numbers of the rows of windows that are wanted; None: all.
        blank: maps at a pixel of a window that is left out, shape (K,); None: no window is.
    """
    wanted = plan.rows if rows is None else [plan.rows[number] for number in rows]
    batches = [
        [(row, column) for column in plan.columns[first : first + at_once]]
        for row in wanted
        for first in range(0, len(plan.columns), at_once)
    ]

    def read(places: list[tuple[Span, Span]]) -> tuple[list[bool], WindowBatch | None]:
        """Which windows are not left out, and these."""
        ends = ((row.start, column.start, row.stop, column.stop) for row, column in places)
        crops = [image.read(top, left, bottom - top, right - left) for top, left, bottom, right in ends]
        shown = [crop for crop in crops if crop is not None]
        return [crop is not None for crop in crops], window_batch(shown, plan.window) if shown else None

    for places, (are_shown, windows) in zip(batches, one_ahead(read, batches), strict=True):
        maps = iter(() if windows is None else classify(windows))
        for (row, column), is_shown in zip(places, are_shown, strict=True):
            if is_shown:
                yield Piece(row, column, next(maps)[:, row.kept, column.kept])
            else:
                assert blank is not None  # where windows may be left out
                sides = row.last - row.first, column.last - column.first
                yield Piece(row, column, blank[:, None, None].expand(-1, *sides))


def strips_of(pieces: Iterator[Piece], width: int, of: Callable[[Tensor], Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Pieces side by side, a row of windows at a time.

    Args:
        pieces: in the order of their rows.
        width: of the image.
        of: what is kept of a piece's maps, (K, rows, columns) -> (..., rows, columns).

    Yields:
        The first row of a strip, and what is kept of it, shape (..., rows, width).
    """
    for row, of_row in groupby(pieces, lambda piece: piece.row):
        strip: Tensor | None = None
        for _, column, maps in of_row:
            part = of(maps)
            if strip is None:
                strip = part.new_empty(*part.shape[:-1], width)
            strip[..., column.first : column.last] = part
        assert strip is not None  # a group is not empty
        yield row.first, strip
