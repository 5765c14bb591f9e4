"""The active learner's classifier in training and in scoring."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from model.classifier import Classifier
from utils.images import inside_mask, normalise, to_unit_range
from utils.precision import autocast


class ImageBatch(Protocol):
    """What the learner reads of a batch: uint8 images (B, 3, H, W), sizes inside the padding (B, 2), tiles (B,)."""

    @property
    def image(self) -> Tensor: ...  # noqa: D102 — described by the class
    @property
    def size(self) -> Tensor: ...  # noqa: D102


class LabelledBatch(ImageBatch, Protocol):
    """A batch with scene class ids (B,)."""

    @property
    def label(self) -> Tensor: ...  # noqa: D102


class Learner:
    """A classifier that is fitted on the labels so far and scores the pool.

    Args:
        classifier: the network.
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`; the loss and the probabilities are float32.
        learning_rate, momentum: of SGD; every fit starts with a fresh optimiser.
    """

    def __init__(
        self, classifier: Classifier, device: torch.device, precision: str, learning_rate: float, momentum: float
    ) -> None:
        self.classifier = classifier.to(device).to(memory_format=torch.channels_last)
        self.device, self.precision = device, precision
        self.learning_rate, self.momentum = learning_rate, momentum

    def fit(self, batches: Iterable[LabelledBatch]) -> float:
        """Train on all batches, from the present weights, with a fresh optimiser.

        Returns:
            The mean loss of the last quarter of the steps.
        """
        self.classifier.train()
        optimiser = torch.optim.SGD(
            self.classifier.parameters(), lr=self.learning_rate, momentum=self.momentum, fused=True
        )
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        losses: list[Tensor] = []
        for batch in batches:
            logits = self._logits(batch)
            loss = F.cross_entropy(logits, batch.label.to(self.device, non_blocking=True))
            optimiser.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
            losses.append(loss.detach())
        recent = losses[-max(1, len(losses) // 4) :]
        return float(torch.stack(recent).mean()) if recent else float("nan")

    @torch.inference_mode()
    def predict_probabilities(self, batches: Iterable[ImageBatch]) -> Tensor:
        """Score tiles as they stream by.

        Returns:
            Class probabilities, float32 on the CPU, shape (N, C), in the order of the batches.
        """
        scored = list(self._stream(batches))
        return torch.cat(scored) if scored else torch.empty(0, self.classifier.head.out_features)

    def _stream(self, batches: Iterable[ImageBatch]) -> Iterator[Tensor]:
        self.classifier.eval()
        for batch in batches:
            yield self._logits(batch).softmax(dim=1).cpu()

    def _logits(self, batch: ImageBatch) -> Tensor:
        images = to_unit_range(batch.image, self.device)
        inside = inside_mask(batch.size.to(self.device, non_blocking=True), (images.shape[2], images.shape[3]))
        with autocast(self.precision, self.device):
            return self.classifier(normalise(images, inside)).float()

    def state_dict(self) -> dict[str, Any]:
        """The classifier's weights; optimisers live for one fit only."""
        return {"classifier": self.classifier.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.classifier.load_state_dict(state["classifier"])
