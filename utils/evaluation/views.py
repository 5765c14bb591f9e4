"""What a network makes of tiles or windows: logits, or class probabilities as the mean of several views."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.batches import ImageBatch
from utils.compute.precision import autocast
from utils.errors import DataError
from utils.evaluation.settings import ViewSettings
from utils.imagery.images import network_input
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.wording import worded

Network = Callable[[Tensor], Tensor]

PLAIN = ViewSettings()


class BrokenMapsError(DataError):
    """A network's output is NaN or infinite, so that its likeliest class means nothing."""

    def __init__(self) -> None:
        super().__init__(
            worded("the network's output is NaN or infinite; use {precision} fp32, or an earlier checkpoint")
        )


def predict_logits(
    network: Network, batch: ImageBatch, device: torch.device, precision: str, pixels: PixelFormat = RGB_PIXELS
) -> Tensor:
    """Logits of a batch of equally large tiles; padding is cut, never squeezed.

    Returns:
        float32, shape (B, C, h, w), where (h, w) is the size inside the padding.
    """
    height, width = size_inside(batch)
    with autocast(precision, device):
        logits = network(network_input(batch.image, batch.size, device, pixels))
    return logits[:, :, :height, :width].float()


def predict_probabilities(
    network: Network,
    batch: ImageBatch,
    device: torch.device,
    precision: str,
    views: ViewSettings = PLAIN,
    pixels: PixelFormat = RGB_PIXELS,
) -> Tensor:
    """Class probabilities of a batch of equally large tiles, the mean over the views.

    Returns:
        float32, shape (B, C, h, w), where (h, w) is the size inside the padding.
    """
    height, width = size_inside(batch)
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


def maps_for_ids(
    network: Network,
    batch: ImageBatch,
    device: torch.device,
    precision: str,
    views: ViewSettings = PLAIN,
    pixels: PixelFormat = RGB_PIXELS,
) -> Tensor:
    """Maps whose largest value tells the likeliest class: logits of one view, else the views' mean probabilities."""
    if views.is_plain:
        return predict_logits(network, batch, device, precision, pixels)
    return predict_probabilities(network, batch, device, precision, views, pixels)


def size_inside(batch: ImageBatch) -> tuple[int, int]:
    """Height and width inside the padding of a batch of equally large tiles."""
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
