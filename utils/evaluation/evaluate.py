"""Evaluating a segmentation network on tiles with masks, at tile size or on the grid of the mask files."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.evaluation.large_tiles import Refine, count_in_windows
from utils.evaluation.metric import TileMatrices
from utils.evaluation.settings import ViewSettings
from utils.evaluation.views import (
    PLAIN,
    BrokenMapsError,
    Network,
    maps_for_ids,
    predict_probabilities,
    resized,
    size_inside,
)
from utils.evaluation.windows import Windows
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, VALID, PixelFormat

Keep = Callable[[Any, Tensor], None]
MasksOf = Callable[[Any], Sequence[Tensor] | None]  # of one of the batches

IN_WINDOWS = Windows()


@torch.inference_mode()
def evaluate(
    network: Network,
    batches: Iterable[MaskedBatch],
    num_classes: int,
    device: torch.device,
    precision: str = "fp32",
    refine: Refine | None = None,
    views: ViewSettings = PLAIN,
    masks_of: MasksOf | None = None,
    keep: Keep | None = None,
    pixels: PixelFormat = RGB_PIXELS,
    windows: Windows = IN_WINDOWS,
) -> tuple[TileMatrices, TileMatrices | None]:
    """Count predicted against true classes, tile by tile.

    Args:
        network: normalised images (B, bands, H, W) -> logits (B, C, H, W), in evaluation mode.
        batches: of tiles of one size.
        num_classes: C.
        device: where the network is.
        precision: `fp32`, `bf16` or `fp16`.
        refine: probabilities (B, C, h, w) and uint8 images (B, 3, h, w) -> probabilities; None: none.
        views: whose probabilities are averaged.
        masks_of: the masks of a batch's tiles on grids of their own, uint8 (H, W) each, to which the predictions are
            brought; None, or where it returns None: the batch's masks, at tile size.
        keep: called with each batch and what is predicted for it at tile size, (B, h, w); not with `masks_of`.
        pixels: how images are stored and normalised.
        windows: how tiles that are larger than a window are read; smaller ones are seen at once, with their padding.

    Returns:
        The tiles' confusion matrices, and those of the refined maps.

    Raises:
        BrokenMapsError: the network's output is not finite, on this process's tiles or on another's.
    """
    plain = TileMatrices(num_classes, device)
    refined = TileMatrices(num_classes, device) if refine else None
    make_maps = maps_for_ids if refine is None else predict_probabilities
    classify = partial(make_maps, network, device=device, precision=precision, views=views, pixels=pixels)
    broken = torch.zeros((), dtype=torch.int64, device=device)  # batches; read once, at the end
    for batch in batches:
        size, masks = size_inside(batch), masks_of(batch) if masks_of else None
        plan = windows.plan(size)
        if pixels.has_validity:
            batch, masks = _with_data(batch, masks, size)
        if not plan.is_single:
            broken += count_in_windows(plain, refined, batch, masks, windows, classify, refine, keep)
            continue
        maps = classify(batch)
        broken += ~torch.isfinite(maps).all()
        _count(plain, maps, batch, masks, keep)
        if refine is not None and refined is not None and not bool(broken):  # the CPU waits for each map anyway
            _count(refined, refine(maps, batch.image[:, :, : size[0], : size[1]]), batch, masks)
    distributed.barrier()  # shares may take longer than a message may wait
    if distributed.any_process(bool(broken)):
        raise BrokenMapsError
    return plain, refined


class _Scored(NamedTuple):
    """A batch whose mask has no class where there are no data."""

    image: Tensor
    size: Tensor
    mask: Tensor
    tile: Any


def _with_data(batch: Any, masks: Sequence[Tensor] | None, size: Sequence[int]) -> tuple[Any, Sequence[Tensor] | None]:
    """A batch and its masks at file size, without class where its images hold no data."""
    valid = batch.image[:, -1] == VALID
    mask = batch.mask.masked_fill(~valid, IGNORE_INDEX)
    if masks is not None:
        inside = valid[:, None, : size[0], : size[1]].float()
        masks = [
            truth.masked_fill(F.interpolate(own[None], truth.shape, mode="nearest-exact")[0, 0] == 0, IGNORE_INDEX)
            for truth, own in zip(masks, inside, strict=True)
        ]
    return _Scored(batch.image, batch.size, mask, getattr(batch, "tile", None)), masks


def _count(
    matrices: TileMatrices, maps: Tensor, batch: MaskedBatch, masks: Sequence[Tensor] | None, keep: Keep | None = None
) -> None:
    """Count the likeliest classes of a batch's maps (B, C, h, w)."""
    device = matrices.device
    if masks is None:
        height, width = maps.shape[2:]
        prediction = maps.argmax(dim=1).to(device)
        matrices.update(batch.mask.to(device, non_blocking=True)[:, :height, :width], prediction)
        if keep is not None:
            keep(batch, prediction)
        return
    for one, mask in zip(maps, masks, strict=True):  # one at a time: at file size they may be large
        prediction = resized(one[None], (mask.shape[0], mask.shape[1])).argmax(dim=1)
        matrices.update(mask[None].to(device, non_blocking=True), prediction.to(device))
