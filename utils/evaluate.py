"""Evaluating a segmentation network on tiles with masks, at tile size."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from utils.batches import MaskedBatch
from utils.images import inside_mask, normalise, to_unit_range
from utils.metric import ConfusionMatrix
from utils.precision import autocast

Network = Callable[[Tensor], Tensor]
Refine = Callable[[Tensor, Tensor], Tensor]


def predict_probabilities(network: Network, batch: MaskedBatch, device: torch.device, precision: str) -> Tensor:
    """Class probabilities of a batch of equally large tiles; padding is cut, never squeezed.

    Returns:
        float32, shape (B, C, h, w), where (h, w) is the size inside the padding.
    """
    images = to_unit_range(batch.image, device)
    inside = inside_mask(batch.size.to(device), (images.shape[2], images.shape[3]))
    with autocast(precision, device):
        logits = network(normalise(images, inside))
    height, width = (int(n) for n in batch.size[0])
    return logits.float().softmax(dim=1)[:, :, :height, :width]


@torch.inference_mode()
def evaluate(
    network: Network,
    batches: Iterable[MaskedBatch],
    num_classes: int,
    device: torch.device,
    precision: str = "fp32",
    refine: Refine | None = None,
) -> tuple[ConfusionMatrix, ConfusionMatrix | None]:
    """Count predicted against true classes over all tiles.

    Args:
        network: normalised images (B, 3, H, W) -> logits (B, C, H, W), in evaluation mode.
        batches: of tiles of one size.
        num_classes: C.
        device: where the network is.
        precision: `fp32`, `bf16` or `fp16`.
        refine: probabilities (B, C, h, w) and uint8 images (B, 3, h, w) -> probabilities; None: none.

    Returns:
        The confusion matrix, and that of the refined maps.
    """
    plain = ConfusionMatrix(num_classes, device)
    refined = ConfusionMatrix(num_classes, device) if refine else None
    for batch in batches:
        probabilities = predict_probabilities(network, batch, device, precision)
        height, width = probabilities.shape[-2:]
        truth = batch.mask.to(device)[:, :height, :width]
        plain.update(truth, probabilities.argmax(dim=1))
        if refine is not None and refined is not None:
            images = batch.image[:, :, :height, :width]
            refined.update(truth, refine(probabilities, images).argmax(dim=1).to(device))
    return plain, refined
