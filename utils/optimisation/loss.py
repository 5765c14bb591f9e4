"""The losses of all methods and the labels they learn from, in float32, none of them NaN on an empty selection.

Those with a discriminator are s4GAN's (Mittal et al., TPAMI 2021); labels by confidence are FixMatch's (Sohn et al.,
NeurIPS 2020).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from utils.compute import distributed
from utils.imagery.labels import IGNORE_INDEX


def cross_entropy(logits: Tensor, labels: Tensor, count: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the pixels that have a label; 0 where none has.

    Args:
        logits: shape (B, C, H, W).
        labels: int64 ids or 255, shape (B, H, W).
        count: divide by this number of pixels instead: that of a whole batch of which this is a part.
    """
    total = F.cross_entropy(logits.float(), labels, ignore_index=IGNORE_INDEX, reduction="sum")
    return total / ((labels != IGNORE_INDEX).sum() if count is None else count).clamp(min=1)


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """L1 distance between the mean features of a real and a fake batch (Salimans et al., 2016).

    The means are taken over all processes before the distance is.

    Args:
        real, fake: the discriminator's features, shapes (B, F) and (B', F).
    """
    return (distributed.mean_over_batch(real) - distributed.mean_over_batch(fake)).abs().mean()


def self_training_labels(logits: Tensor, judgement: Tensor, inside: Tensor, threshold: float) -> Tensor:
    """Pseudo-labels of the images that the discriminator takes for human-made.

    Args:
        logits: generator's output on unlabelled images, shape (B, C, H, W).
        judgement: discriminator's logits on it, shape (B,).
        inside: True where a pixel is not padding, shape (B, 1, H, W).
        threshold: γ; an image counts where sigmoid(judgement) > γ.

    Returns:
        int64 ids, shape (B, H, W); 255 in padding and in images that are not believed.
    """
    believed = (torch.sigmoid(judgement) > threshold).view(-1, 1, 1) & inside.squeeze(1)
    return logits.detach().argmax(dim=1).masked_fill(~believed, IGNORE_INDEX)


def confident_labels(ids: Tensor, confidence: Tensor, inside: Tensor, threshold: float) -> Tensor:
    """Pseudo-labels of the pixels that a network is sure of.

    Args:
        ids: likeliest classes, int64, shape (B, H, W).
        confidence: their probabilities, shape (B, H, W).
        inside: True where a pixel is not padding and holds data, shape (B, 1, H, W).
        threshold: τ; a pixel counts where its confidence ≥ τ.

    Returns:
        int64 ids, shape (B, H, W); 255 where a pixel does not count.
    """
    return ids.masked_fill((confidence < threshold) | ~inside.squeeze(1), IGNORE_INDEX)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """½·(BCE(real, 1) + BCE(fake, 0)) on logits, shapes (B,) and (B',)."""
    on_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    on_fake = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return 0.5 * (on_real + on_fake)
