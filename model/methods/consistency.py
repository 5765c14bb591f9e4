"""What methods share that learn strongly changed views of tiles from the labels of weakly changed ones.

A network labels the weak view of each unlabelled tile and of its partner; a strong view is learned from these labels,
mixed with the same box as the images, where they are sure enough. Padding and pixels without data are never labelled,
pasted in or counted.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.methods.device_batch import DeviceBatch
from model.methods.method import Method
from model.methods.settings import ConsistencySettings, Execution, MethodSettings
from model.networks.deeplabv2 import DeepLabV2
from utils.augmentation.cutmix import pasted
from utils.augmentation.strong import Pixels, strong_view
from utils.batches import ImageBatch, MaskedBatch, ViewedBatch
from utils.compute import distributed
from utils.compute.precision import autocast
from utils.drawing.curves import CurvePanel
from utils.imagery.images import normalise, unpack
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.optimisation.loss import confident_labels


class PseudoLabels(NamedTuple):
    """Likeliest classes, int64 (B, H, W), and their probabilities, float32 (B, H, W)."""

    ids: Tensor
    confidence: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> "PseudoLabels":
        """What logits (B, C, H, W) say, without a gradient."""
        confidence, ids = logits.detach().softmax(dim=1).max(dim=1)
        return cls(ids, confidence)


class StrongView(NamedTuple):
    """A strongly changed view of each tile; `from_partner` (B, 1, H, W) says which pixels are the other tile's."""

    pixels: Pixels
    from_partner: Tensor

    def mixed(self, own: PseudoLabels, partner: PseudoLabels) -> PseudoLabels:
        """The labels of a view: those of both tiles, mixed as their images are."""
        return PseudoLabels(*(pasted(*both, self.from_partner) for both in zip(own, partner, strict=True)))

    def learned(self, labels: PseudoLabels, threshold: float) -> DeviceBatch:
        """The view as a batch whose masks are the labels that are sure enough."""
        images, inside = self.pixels
        return DeviceBatch(images, confident_labels(*labels, inside, threshold), inside)

    def parts(self, count: int) -> list["StrongView"]:
        """The view in `count` equal parts."""
        fields = (self.pixels.images.chunk(count), self.pixels.inside.chunk(count), self.from_partner.chunk(count))
        return [StrongView(Pixels(i, inside), taken) for i, inside, taken in zip(*fields, strict=True)]


class Unlabelled(NamedTuple):
    """Unlabelled tiles on the device: weakly changed, likewise their partners, and strongly changed views of both."""

    weak: Pixels
    partner: Pixels
    strong: list[StrongView]


class Consistency(Method):
    """A method whose pseudo-labels are those that are sure enough; see `Method`.

    With several processes the student's BatchNorm statistics are averaged over them at every step, so that labels do
    not depend on the process that makes them.
    """

    settings: ConsistencySettings
    unlabelled_batches = 1

    @classmethod
    def build(
        cls,
        generator: DeepLabV2,
        settings: MethodSettings,
        device: torch.device | str,
        execution: Execution | None = None,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> "Consistency":
        """The method around a generator; `settings` are `ConsistencySettings`."""
        assert isinstance(settings, ConsistencySettings)
        return cls(generator, settings, device, execution, pixels)

    # --- what a run shows ---------------------------------------------------------------------------------------------

    def pseudo_label(self, probabilities: Tensor) -> Tensor:
        """The pixels that are sure enough; see `Method.pseudo_label`."""
        confidence, ids = probabilities.max(dim=1)
        return ids.masked_fill(confidence < self.settings.pseudo_threshold, IGNORE_INDEX)

    def no_pseudo_label(self, score: float | None, step: int, kept: float = 1.0) -> str:
        """That no pixel is sure enough, where that is so; see `Method.no_pseudo_label`."""
        return "" if kept else f"no pseudo-label: no pixel's confidence is {self.settings.pseudo_threshold:g} or more"

    def label_curves(self, agreement: str) -> list[CurvePanel]:
        """Charts of the pseudo-labels; `agreement` says in words whose predictions are compared."""
        kept = f"share of pixels that are pseudo-labelled (confidence of {self.settings.pseudo_threshold:g} or more)"
        return [
            CurvePanel(kept, {"kept": "share"}, is_share=True),
            CurvePanel(agreement, {"agreement": "share"}, is_share=True),
        ]

    # --- pieces of a step ---------------------------------------------------------------------------------------------

    def _unlabelled(self, batch: MaskedBatch | None) -> Unlabelled:
        """Tiles on the device with their strong views.

        Raises:
            ValueError: they came without what their views are made of.
        """
        if not isinstance(batch, ViewedBatch) or batch.views.box.shape[1] != len(self.views):
            expected = f"`views={len(self.views)}`"
            raise ValueError(f"{self.name} learns from strong views of unlabelled tiles; load them with {expected}")
        weak, partner = self._unpacked(batch), self._unpacked(batch.partner)
        views = batch.views.to(self.device)
        strong = [StrongView(*strong_view(weak, partner, views.of(n), self.pixels)) for n in range(len(self.views))]
        return Unlabelled(weak, partner, strong)

    def _unpacked(self, batch: ImageBatch) -> Pixels:
        return Pixels(*unpack(batch.image, batch.size, self.device, self.pixels, self.memory_format))

    @torch.no_grad()
    def _labels_by(self, network: Callable[[Tensor], Tensor], tiles: Pixels) -> PseudoLabels:
        """What a network in evaluation mode says of tiles, a part of the batch at a time."""
        answers = []
        for images, inside in zip(*(field.chunk(self.settings.accumulate) for field in tiles), strict=True):
            with autocast(self.execution.precision, self.device):
                answers.append(PseudoLabels.of(network(normalise(images, inside, self.pixels))))
        return PseudoLabels(*map(torch.cat, zip(*answers, strict=True)))

    def _watched_labels(self, labels: PseudoLabels, inside: Tensor) -> dict[str, Tensor]:
        """The pseudo-labels of weak views, and their share of the pixels."""
        sure = confident_labels(*labels, inside, self.settings.pseudo_threshold)
        return {"kept": (sure != IGNORE_INDEX).sum() / pixels_of_all(inside), "pseudo_labels": sure}

    def _step_generator(self) -> None:
        if not self.settings.freeze_bn:
            distributed.average_buffers(self.generator)
        super()._step_generator()


def pixels_of_all(inside: Tensor) -> Tensor:
    """How many pixels of the batch of all processes hold data; 1 where none does."""
    return distributed.total(inside.sum()).clamp(min=1)


def agreeing(logits: Tensor, labels: PseudoLabels, inside: Tensor) -> Tensor:
    """How many pixels that hold data have the class of their label as their likeliest one, sure or not.

    Args:
        logits: of the strong view, shape (B, C, H, W).
        labels: of the weak views, mixed.
        inside: of the strong view, shape (B, 1, H, W).
    """
    return ((logits.detach().argmax(dim=1) == labels.ids) & inside.squeeze(1)).sum()
