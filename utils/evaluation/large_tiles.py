"""Scoring tiles larger than a window: their maps are counted window by window, and never in memory as a whole."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.batches import ImageBatch, MaskedBatch
from utils.evaluation.metric import ConfusionMatrix, TileMatrices
from utils.evaluation.views import resized, size_inside
from utils.evaluation.windows import ArrayImage, Classify, Piece, Windows, classified_pieces, strips_of

Refine = Callable[[Tensor, Tensor], Tensor]


def count_in_windows(
    plain: TileMatrices,
    refined: TileMatrices | None,
    batch: MaskedBatch,
    masks: Sequence[Tensor] | None,
    windows: Windows,
    classify: Classify,
    refine: Refine | None = None,
    keep: Callable[[Any, Tensor], None] | None = None,
) -> Tensor:
    """Count the likeliest classes of a batch's tiles; arguments as of `evaluate`.

    Args:
        plain, refined: take a confusion matrix of each tile.
        batch: of tiles of one size.
        masks: on grids of their own; None: the batch's.
        windows: how the tiles are read.
        classify: windows -> maps.
        refine: (maps, images) of windows -> maps.
        keep: takes the batch and the ids of its tiles.

    Returns:
        How many windows had maps that are not finite.
    """
    size, device = size_inside(batch), plain.device
    plan, broken = windows.plan(size), torch.zeros((), dtype=torch.int64, device=device)
    both = classify if refine is None else partial(_with_refined, classify, refine)
    kept = torch.zeros(len(batch.image), *size, dtype=torch.uint8) if keep is not None and masks is None else None
    for index in range(len(batch.image)):
        mask = batch.mask[index, : size[0], : size[1]] if masks is None else masks[index]
        pieces = classified_pieces(tile_image(batch, index), plan, both, windows.at_once(plan.window))
        matrices = [ConfusionMatrix(each.num_classes, device) for each in (plain, refined) if each is not None]
        for truth, maps, piece in _beside_truth(pieces, mask, size):
            broken += ~torch.isfinite(maps).all().to(device)
            for matrix, one in zip(matrices, maps.chunk(len(matrices)), strict=True):
                matrix.update(truth.to(device, non_blocking=True), one.argmax(dim=0).to(device))
            if kept is not None and piece is not None:
                ids = maps.chunk(len(matrices))[0].argmax(dim=0)
                kept[index, *piece.place] = ids.to("cpu", torch.uint8)
        for each, matrix in zip((plain, refined), matrices, strict=False):
            assert each is not None  # where there are two matrices
            each.add(matrix)
    if keep is not None and kept is not None:
        keep(batch, kept)
    return broken


def maps_of(batch: ImageBatch, windows: Windows, classify: Classify) -> Tensor:
    """Maps of a batch's one tile of any size, shape (1, C, h, w)."""
    size = size_inside(batch)
    plan = windows.plan(size)
    if plan.is_single:
        return classify(batch)
    pieces = classified_pieces(tile_image(batch, 0), plan, classify, windows.at_once(plan.window))
    return torch.cat([strip for _, strip in strips_of(pieces, size[1], lambda maps: maps)], dim=1)[None]


def likeliest(batch: ImageBatch, windows: Windows, classify: Classify) -> np.ndarray:
    """Ids of the likeliest classes of a batch's one tile of any size, uint8 (h, w)."""
    size = size_inside(batch)
    plan = windows.plan(size)
    if plan.is_single:
        return classify(batch).argmax(dim=1)[0].to("cpu", torch.uint8).numpy()
    ids = np.empty(size, np.uint8)
    pieces = classified_pieces(tile_image(batch, 0), plan, classify, windows.at_once(plan.window))
    for top, strip in strips_of(pieces, size[1], lambda maps: maps.argmax(dim=0).to(torch.uint8)):
        ids[top : top + len(strip)] = strip.cpu().numpy()
    return ids


def tile_image(batch: ImageBatch, index: int) -> ArrayImage:
    """A tile without its padding."""
    height, width = size_inside(batch)
    return ArrayImage(batch.image[index, :, :height, :width].permute(1, 2, 0).cpu().numpy())


def _with_refined(classify: Classify, refine: Refine, windows: ImageBatch) -> Tensor:
    """Maps of windows, and after them the refined ones: (B, 2·C, h, w) on the CPU."""
    maps, (height, width) = classify(windows), size_inside(windows)
    is_broken = not bool(torch.isfinite(maps).all())  # there is nothing to refine; whoever counts them says so
    refined = maps if is_broken else refine(maps, windows.image[:, :, :height, :width])
    return torch.cat([maps.cpu(), refined.cpu()], dim=1)


def _beside_truth(
    pieces: Iterator[Piece], mask: Tensor, size: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor, Piece | None]]:
    """Truth and maps of the same pixels, piece by piece; a mask on a grid of its own needs the whole tile's maps."""
    if tuple(mask.shape) == size:
        for piece in pieces:
            yield mask[*piece.place], piece.maps, piece
        return
    whole: Tensor | None = None
    for piece in pieces:
        if whole is None:
            whole = piece.maps.new_empty(len(piece.maps), *size)
        whole[:, *piece.place] = piece.maps
    assert whole is not None  # a tile has a window at least
    yield mask, resized(whole[None], (mask.shape[0], mask.shape[1]))[0], None
