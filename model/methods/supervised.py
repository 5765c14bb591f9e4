"""Supervised training: cross-entropy on the labelled tiles alone, the baseline of every other method."""

from torch import Tensor

from model.methods.method import Method
from utils.batches import MaskedBatch


class Supervised(Method):
    """The generator learns from tiles with masks; no other tile is looked at."""

    name = "supervised"

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step; see `Method.train_step`."""
        self._begin(step, labelled)
        _, loss = self._learn_from_labelled(self._on_device(labelled))
        self._step_generator()
        return self._with_broken_step({"loss_ce": loss, "loss_S": loss}, loss, step)

    def no_pseudo_label(self, score: float | None, step: int, kept: float = 1.0) -> str:
        """That there are none; see `Method.no_pseudo_label`."""
        return "not used: this run learns from labelled tiles alone"
