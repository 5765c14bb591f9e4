"""FixMatch for segmentation, with CutMix and a teacher (Sohn et al., NeurIPS 2020; French et al., BMVC 2020).

The teacher, an average of the student over its steps, labels the weak view of each unlabelled tile; the student learns
a strong view from the labels that are sure enough, in one pass with the labelled tiles:
L = (CE(labelled) + CE(strong))/2, where CE(strong) is divided by the number of all pixels that hold data.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from model.methods.consistency import Consistency, PseudoLabels, StrongView, agreeing, pixels_of_all
from model.methods.device_batch import DeviceBatch
from model.networks.deeplabv2 import DeepLabV2
from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.drawing.curves import CurvePanel
from utils.imagery.labels import IGNORE_INDEX
from utils.optimisation.loss import cross_entropy


class FixMatch(Consistency):
    """A student and its teacher, which is what is evaluated; see `Method`."""

    name = "fixmatch"
    views = ("strong",)
    watched = ("loss_ce", "loss_u", "loss_S", "kept", "agreement", "learning_rate")

    @property
    def labelling(self) -> DeepLabV2:
        """The teacher; see `Method.labelling`."""
        assert self.teacher is not None  # as the settings see to
        return self.teacher.network

    @cached_property
    def _run_teacher(self) -> Callable[[Tensor], Tensor]:
        return torch.compile(self.labelling) if self.execution.compile else self.labelling

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step of the student and its teacher; see `Method.train_step`."""
        self._begin(step, labelled, unlabelled)
        tiles = self._unlabelled(unlabelled)
        self.labelling.eval()
        own, partner = (self._labels_by(self._run_teacher, weak) for weak in (tiles.weak, tiles.partner))
        (strong,) = tiles.strong
        watched = self._learn(self._on_device(labelled), strong, strong.mixed(own, partner))
        self._step_generator()
        watched |= self._watched_labels(own, tiles.weak.inside)
        return self._with_broken_step(watched, watched["loss_S"], step)

    def _learn(self, labelled: DeviceBatch, strong: StrongView, labels: PseudoLabels) -> dict[str, Tensor]:
        """Cross-entropy on human masks and on sure pseudo-labels, in one pass of the student for each part."""
        labelled_pixels = distributed.total((labelled.masks != IGNORE_INDEX).sum())
        pixels, parts = pixels_of_all(strong.pixels.inside), self.settings.accumulate
        learned = strong.learned(labels, self.settings.pseudo_threshold)
        numbers = []
        for part, other, *its_labels in zip(
            labelled.parts(parts), learned.parts(parts), *(field.chunk(parts) for field in labels), strict=True
        ):
            on_masks, on_labels = self._generate(part.followed_by(other)).split((len(part), len(other)))
            loss_ce = cross_entropy(on_masks, part.masks, labelled_pixels)
            loss_u = cross_entropy(on_labels, other.masks, pixels)
            self.generator_scaler.scale((loss_ce + loss_u) / 2).backward()
            same = agreeing(on_labels, PseudoLabels(*its_labels), other.inside) / pixels
            numbers.append(torch.stack((loss_ce.detach(), loss_u.detach(), same)))
        loss_ce, loss_u, agreement = torch.stack(numbers).sum(dim=0).unbind()
        return {"loss_ce": loss_ce, "loss_u": loss_u, "agreement": agreement, "loss_S": (loss_ce + loss_u) / 2}

    def curves(self) -> list[CurvePanel]:
        """Charts of both losses and of the pseudo-labels."""
        agreement = "share of pixels of strong views on which the student agrees with the teacher"
        unlabelled = CurvePanel("cross-entropy on pseudo-labels of unlabelled tiles", {"loss_u": "loss"})
        return [*super().curves(), unlabelled, *self.label_curves(agreement)]

    def panel_notes(self) -> tuple[str, str]:
        """Whose the predictions are, and what a pseudo-label is."""
        threshold = self.settings.pseudo_threshold
        return (
            ". Predictions are the teacher's",
            f". Pixels to which the teacher gives a confidence of {threshold:g} or more become pseudo-labels, which "
            "the student learns on a strongly changed view; the others are black",
        )
