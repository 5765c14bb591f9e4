"""Images larger than a network's input: read in overlapping windows whose probabilities are blended.

A pixel's result is the weighted mean of all windows that hold it. A window's weights fall off smoothly from its middle,
where the network sees most around a pixel, to almost nothing at its border: so no window's border shows as a seam.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Classify = Callable[[Tensor], Tensor]


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Where windows start along one side of an image, evenly spread so that they cover it from end to end.

    Args:
        size: pixels of the side.
        window: pixels of a window, at most `size`.
        overlap: share of a window, in [0, 1), that it has at least in common with the next one.
    """
    stride = max(1, int(window * (1 - overlap)))
    gaps = -(-(size - window) // stride)
    return [number * (size - window) // gaps for number in range(gaps)] + [size - window]


def raised_cosine(length: int) -> Tensor:
    """Weights across a window, from near 0 at its border to near 1 in the middle, never 0; float32, shape (length,)."""
    places = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return (0.5 - 0.5 * torch.cos(2 * torch.pi * places)).float()


def blended_strips(
    images: Tensor, classify: Classify, window: tuple[int, int], overlap: float, batch_size: int
) -> Iterator[tuple[int, Tensor]]:
    """Class probabilities of images of any size, strip by strip from top to bottom.

    Beside the images this holds C floats for each pixel of a row of windows, N·C·h·W·4 bytes: 184 MB for 18 classes,
    windows of 256 and an image 10,000 pixels wide, whatever its height; and the strip that is handed out, a part of it.

    Args:
        images: of one size, shape (N, 3, H, W).
        classify: a batch cut from them, (B, 3, h, w) -> probabilities, float32, (B, C, h, w).
        window: height and width that are classified at once; an image that is smaller is one window.
        overlap: least share of a window, in [0, 1), that it has in common with the next one.
        batch_size: windows of a batch; at least one of each image.

    Yields:
        The first row of a strip, and its probabilities, float32, shape (N, C, rows, W), on the device of the results.
    """
    height, width = min(window[0], images.shape[2]), min(window[1], images.shape[3])
    tops = window_starts(images.shape[2], height, overlap)
    lefts = window_starts(images.shape[3], width, overlap)
    row_weights, column_weights = raised_cosine(height), raised_cosine(width)
    row_totals = _total_weights(tops, row_weights, images.shape[2])
    column_totals = _total_weights(lefts, column_weights, images.shape[3])
    weights = row_weights[:, None] * column_weights
    at_once = max(1, batch_size // len(images))
    sums: Tensor | None = None
    for top, next_top in zip(tops, [*tops[1:], images.shape[2]], strict=True):
        for first in range(0, len(lefts), at_once):
            some_lefts = lefts[first : first + at_once]
            crops = [images[:, :, top : top + height, left : left + width] for left in some_lefts]
            probabilities = classify(torch.cat(crops))
            if sums is None:
                sums = probabilities.new_zeros(len(images), probabilities.shape[1], height, images.shape[3])
                weights, row_totals, column_totals = (
                    constant.to(sums.device) for constant in (weights, row_totals, column_totals)
                )
            for left, crop in zip(some_lefts, probabilities.split(len(images)), strict=True):
                sums[..., left : left + width] += crop * weights
        assert sums is not None  # there is a window at least
        yield top, sums[:, :, : next_top - top] / (row_totals[top:next_top, None] * column_totals)
        _move_up(sums, next_top - top)


def _total_weights(starts: list[int], weights: Tensor, size: int) -> Tensor:
    """Sum of all windows' weights at each pixel of one side; those of both sides multiply."""
    totals = torch.zeros(size)
    for start in starts:
        totals[start : start + len(weights)] += weights
    return totals


def _move_up(sums: Tensor, rows: int) -> None:
    """Make room for the next row of windows; what this one has already added to it stays."""
    shared = sums[:, :, rows:].clone()
    sums.zero_()
    sums[:, :, : shared.shape[2]] = shared
