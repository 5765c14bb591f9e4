"""Evaluating a segmentation network on tiles with masks, at tile size or on the grid of the mask files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.compute.precision import autocast
from utils.errors import DataError
from utils.evaluation.metric import TileMatrices
from utils.evaluation.settings import ViewSettings
from utils.imagery.images import network_input
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, VALID, PixelFormat
from utils.wording import worded

Network = Callable[[Tensor], Tensor]
Refine = Callable[[Tensor, Tensor], Tensor]
Keep = Callable[[Any, Tensor], None]
MasksOf = Callable[[Any], Sequence[Tensor] | None]  # of one of the batches


PLAIN = ViewSettings()


class BrokenMapsError(DataError):
    """A network's output is NaN or infinite, so that its likeliest class means nothing."""

    def __init__(self) -> None:
        super().__init__(
            worded("the network's output is NaN or infinite; use {precision} fp32, or an earlier checkpoint")
        )


def predict_logits(
    network: Network, batch: MaskedBatch, device: torch.device, precision: str, pixels: PixelFormat = RGB_PIXELS
) -> Tensor:
    """Logits of a batch of equally large tiles; padding is cut, never squeezed.

    Returns:
        float32, shape (B, C, h, w), where (h, w) is the size inside the padding.
    """
    height, width = _size_inside(batch)
    with autocast(precision, device):
        logits = network(network_input(batch.image, batch.size, device, pixels))
    return logits[:, :, :height, :width].float()


def predict_probabilities(
    network: Network,
    batch: MaskedBatch,
    device: torch.device,
    precision: str,
    views: ViewSettings = PLAIN,
    pixels: PixelFormat = RGB_PIXELS,
) -> Tensor:
    """Class probabilities of a batch of equally large tiles, the mean over the views.

    Returns:
        float32, shape (B, C, h, w), where (h, w) is the size inside the padding.
    """
    height, width = _size_inside(batch)
    images = network_input(batch.image, batch.size, device, pixels)
    total = None
    for view, flipped in _views_of(images, width, views):
        with autocast(precision, device):
            logits = network(view)
        logits = resized(logits.float(), (images.shape[2], images.shape[3]))[:, :, :height, :width]
        probabilities = (logits.flip(3) if flipped else logits).softmax(dim=1)
        total = probabilities if total is None else total.add_(probabilities)
    assert total is not None
    return total / (len(views.scales) * (1 + views.flip))


def _size_inside(batch: MaskedBatch) -> tuple[int, int]:
    height, width = batch.size.tolist()[0]
    return height, width


def _views_of(images: Tensor, width: int, views: ViewSettings) -> Iterator[tuple[Tensor, bool]]:
    """Each view of the images, and whether it is mirrored; padding stays on the right."""
    for flipped in (False, True) if views.flip else (False,):
        oriented = torch.cat([images[..., :width].flip(3), images[..., width:]], dim=3) if flipped else images
        for scale in views.scales:
            size = (max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale)))
            yield resized(oriented, size, antialias=scale < 1), flipped


def resized(maps: Tensor, size: tuple[int, int], antialias: bool = False) -> Tensor:
    """Bring (B, C, H, W) to another grid over the same area, bilinearly; unchanged where the grid is the same."""
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False, antialias=antialias)


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

    Returns:
        The tiles' confusion matrices, and those of the refined maps.

    Raises:
        BrokenMapsError: the network's output is not finite, on this process's tiles or on another's.
    """
    plain = TileMatrices(num_classes, device)
    refined = TileMatrices(num_classes, device) if refine else None
    broken = torch.zeros((), dtype=torch.int64, device=device)  # batches; read once, at the end
    for batch in batches:
        if refine is None and views.is_plain:
            maps = predict_logits(network, batch, device, precision, pixels)  # argmax as of the probabilities
        else:
            maps = predict_probabilities(network, batch, device, precision, views, pixels)
        broken += ~torch.isfinite(maps).all()
        masks = masks_of(batch) if masks_of else None
        if pixels.has_validity:
            batch, masks = _with_data(batch, masks, maps.shape[2:])
        _count(plain, maps, batch, masks, keep)
        if refine is not None and refined is not None and not bool(broken):  # the CPU waits for each map anyway
            height, width = maps.shape[2:]
            _count(refined, refine(maps, batch.image[:, :, :height, :width]), batch, masks)
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
