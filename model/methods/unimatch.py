"""UniMatch for segmentation, first version (Yang et al., CVPR 2023).

The network labels the weak view of each unlabelled tile itself, and learns from the labels that are sure enough two
strong views (s1, s2) and its own features of the weak view with half of their channels dropped (fp):
L = (CE(labelled) + CE(s1)/4 + CE(s2)/4 + CE(fp)/2)/2, where the last three are divided by the number of all pixels that
hold data. Labelled tiles and weak views pass together, and so do both strong views.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.methods.consistency import Consistency, PseudoLabels, StrongView, Unlabelled, agreeing, pixels_of_all
from model.methods.device_batch import DeviceBatch
from utils.augmentation.strong import Pixels
from utils.batches import MaskedBatch, ViewedBatch
from utils.compute import distributed
from utils.compute.precision import autocast
from utils.drawing.curves import CurvePanel
from utils.imagery.images import normalise
from utils.imagery.labels import IGNORE_INDEX
from utils.optimisation.loss import confident_labels, cross_entropy

DROPPED = 0.5  # of the feature channels


class Part(NamedTuple):
    """A part of a step's batches: labelled tiles, weak views, their partners' labels, strong views, channel factors."""

    labelled: DeviceBatch
    weak: Pixels
    partner: PseudoLabels
    strong: tuple[StrongView, ...]
    scales: Tensor


class UniMatch(Consistency):
    """A network that teaches itself; see `Method`."""

    name = "unimatch"
    views = ("first strong", "second strong")
    watched = ("loss_ce", "loss_s1", "loss_s2", "loss_fp", "loss_S", "kept", "agreement", "learning_rate")

    @cached_property
    def _run_perturbed(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        perturbed = self.generator.with_perturbed
        return torch.compile(perturbed) if self.execution.compile else perturbed

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step; see `Method.train_step`."""
        self._begin(step, labelled, unlabelled)
        tiles = self._unlabelled(unlabelled)
        assert isinstance(unlabelled, ViewedBatch)  # as has been checked
        self.generator.eval()
        partner = self._labels_by(self._run_generator, tiles.partner)
        self._train_generator()
        scales = channel_scales(unlabelled.seed, self.generator.backbone.out_channels)
        watched = self._learn(self._on_device(labelled), tiles, partner, scales.to(self.device, non_blocking=True))
        self._step_generator()
        return self._with_broken_step(watched, watched["loss_S"], step)

    def _learn(
        self, labelled: DeviceBatch, tiles: Unlabelled, partner: PseudoLabels, scales: Tensor
    ) -> dict[str, Tensor]:
        """Both passes of each part, each with its backward pass at once, so that one graph is alive at a time."""
        count = self.settings.accumulate
        labelled_pixels = distributed.total((labelled.masks != IGNORE_INDEX).sum())
        pixels = [pixels_of_all(inside) for inside in (tiles.weak.inside, *(v.pixels.inside for v in tiles.strong))]
        labels, numbers = [], []
        for part in parts_of(labelled, tiles, partner, scales, count):
            own, on_weak = self._learn_weak(part, labelled_pixels, pixels[0])
            on_strong = self._learn_strong(part, own, pixels[1:])
            labels.append(own)
            numbers.append(torch.stack((*on_weak, *on_strong)))
        loss_ce, loss_fp, loss_s1, loss_s2, agreement = torch.stack(numbers).sum(dim=0).unbind()
        loss = (loss_ce + (loss_s1 + loss_s2) / 4 + loss_fp / 2) / 2
        losses = {"loss_ce": loss_ce, "loss_s1": loss_s1, "loss_s2": loss_s2, "loss_fp": loss_fp, "loss_S": loss}
        own = PseudoLabels(*map(torch.cat, zip(*labels, strict=True)))
        return losses | {"agreement": agreement} | self._watched_labels(own, tiles.weak.inside)

    def _learn_weak(
        self, part: Part, labelled_pixels: Tensor, pixels: Tensor
    ) -> tuple[PseudoLabels, tuple[Tensor, ...]]:
        """Labelled tiles, and weak views from perturbed features; the labels of the weak views and both losses."""
        images, inside = (
            torch.cat(both) for both in zip((part.labelled.images, part.labelled.inside), part.weak, strict=True)
        )
        with autocast(self.execution.precision, self.device):
            clean, perturbed = self._run_perturbed(normalise(images, inside, self.pixels), part.scales)
        on_masks, on_weak = clean.split((len(part.labelled), len(part.scales)))
        own = PseudoLabels.of(on_weak)
        loss_ce = cross_entropy(on_masks, part.labelled.masks, labelled_pixels)
        sure = confident_labels(*own, part.weak.inside, self.settings.pseudo_threshold)
        loss_fp = cross_entropy(perturbed, sure, pixels)
        self.generator_scaler.scale((loss_ce + loss_fp / 2) / 2).backward()
        return own, (loss_ce.detach(), loss_fp.detach())

    def _learn_strong(self, part: Part, own: PseudoLabels, pixels: list[Tensor]) -> tuple[Tensor, ...]:
        """Both strong views; their losses and the share of their pixels whose class is that of the weak views."""
        labels = [view.mixed(own, part.partner) for view in part.strong]
        first, second = (
            view.learned(its_labels, self.settings.pseudo_threshold)
            for view, its_labels in zip(part.strong, labels, strict=True)
        )
        logits = self._generate(first.followed_by(second)).split((len(first), len(second)))
        losses, same = [], []
        for its_logits, view, its_labels, count in zip(logits, (first, second), labels, pixels, strict=True):
            losses.append(cross_entropy(its_logits, view.masks, count))
            same.append(agreeing(its_logits, its_labels, view.inside) / count)
        self.generator_scaler.scale((losses[0] + losses[1]) / 8).backward()
        return *(loss.detach() for loss in losses), (same[0] + same[1]) / 2

    def curves(self) -> list[CurvePanel]:
        """Charts of all losses and of the pseudo-labels."""
        views = {"loss_s1": "first strong view", "loss_s2": "second strong view", "loss_fp": "perturbed features"}
        agreement = "share of pixels of strong views whose class is that of the weak views"
        unlabelled = CurvePanel("cross-entropy on pseudo-labels of unlabelled tiles", views)
        return [*super().curves(), unlabelled, *self.label_curves(agreement)]

    def panel_notes(self) -> tuple[str, str]:
        """What a pseudo-label is."""
        threshold = self.settings.pseudo_threshold
        return (
            "",
            f". Pixels to which the network gives a confidence of {threshold:g} or more become pseudo-labels, which it "
            "learns on strongly changed views; the others are black",
        )


def channel_scales(seeds: Tensor, channels: int) -> Tensor:
    """Factors that drop half of the feature channels of each tile, drawn from the tile's own seed.

    Args:
        seeds: int64 on the CPU, shape (B,).
        channels: of the features.

    Returns:
        float32 on the CPU, shape (B, channels): 0, or 2 so that the mean stays.
    """
    kept = np.stack([np.random.default_rng(seed).random(channels) >= DROPPED for seed in seeds.tolist()])
    return torch.from_numpy(kept.astype(np.float32)) / (1 - DROPPED)


def parts_of(labelled: DeviceBatch, tiles: Unlabelled, partner: PseudoLabels, scales: Tensor, count: int) -> list[Part]:
    """A step's batches in `count` equal parts."""
    weak, labels = (zip(*(field.chunk(count) for field in fields), strict=True) for fields in (tiles.weak, partner))
    views = zip(*(view.parts(count) for view in tiles.strong), strict=True)
    rows = zip(labelled.parts(count), weak, labels, views, scales.chunk(count), strict=True)
    return [Part(part, Pixels(*w), PseudoLabels(*p), strong, factors) for part, w, p, strong, factors in rows]
