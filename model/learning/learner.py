"""The active learner's classifier in training and in scoring."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

from model.learning.scores import Scores, ScoreTable
from model.networks.classifier import Classifier
from utils.batches import ImageBatch, SceneBatch
from utils.compute import distributed
from utils.compute.device import place
from utils.compute.precision import autocast
from utils.imagery.images import network_input
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.optimisation.optimisers import begin_momentum, load_optimiser
from utils.selection.strategies import mutual_information

BLANK_SIZE = 64  # at one pixel, oneDNN's bf16 gradients of a 7×7 convolution read memory that nobody wrote
LAST_DROPOUT = 0.5  # before the last layer of a network without dropout, where dropout passes are scored


class Learner:
    """A classifier that is fitted on the labels so far and scores the pool.

    Args:
        classifier: the network.
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`; the last layer, the loss and the probabilities are float32.
        learning_rate, momentum: of SGD; every fit starts with a fresh optimiser.
        pixels: how images are stored and normalised.
        drops_out: train with the dropout that passes are scored with: a network without its own gets some before its
            last layer.
    """

    def __init__(
        self,
        classifier: Classifier,
        device: torch.device,
        precision: str,
        learning_rate: float,
        momentum: float,
        pixels: PixelFormat = RGB_PIXELS,
        drops_out: bool = False,
    ) -> None:
        self.classifier, self.pixels = place(classifier, device), pixels
        if drops_out and not self._dropout_layers():
            classifier.last_dropout = LAST_DROPOUT
        self.device, self.precision = device, precision
        self.learning_rate, self.momentum = learning_rate, momentum
        self._optimiser: torch.optim.SGD | None = None  # of the fit under way
        self._scaler = self._new_scaler()

    # --- training -----------------------------------------------------------------------------------------------------

    def fit(self, batches: Iterable[SceneBatch | None]) -> float:
        """Train on all batches, from the present weights, with a fresh optimiser; see `fit_batches`.

        Returns:
            The mean loss of the last quarter of the steps.
        """
        return recent_mean(list(self.fit_batches(batches)))

    def fit_batches(self, batches: Iterable[SceneBatch | None]) -> Iterator[Tensor]:
        """Train batch by batch: begin a fit, or go on with the one under way, which ends with the batches.

        Several processes call this together, each with its share of every batch; None is an empty share. Tiles whose
        label is negative are left out.

        Yields:
            The loss of each batch, as a scalar on the device.
        """
        if self._optimiser is None:
            self._optimiser, self._scaler = self._new_optimiser(), self._new_scaler()
        self.classifier.train()
        network = distributed.data_parallel(self.classifier)
        for batch in batches:
            yield self._fit_batch(batch, network, self._optimiser)
        self._optimiser = None
        distributed.share_buffers(self.classifier)

    def _fit_batch(self, batch: SceneBatch | None, network: nn.Module, optimiser: torch.optim.SGD) -> Tensor:
        rows = [] if batch is None else [row for row, label in enumerate(batch.label.tolist()) if label >= 0]
        count = distributed.total_number(len(rows))
        if count == 0:
            return torch.zeros((), device=self.device)
        images, labels = self._share(batch, rows) if batch is not None and rows else self._empty_share()
        statistics = [] if rows else [buffer.clone() for buffer in self.classifier.buffers()]
        optimiser.zero_grad(set_to_none=True)
        with distributed.others_alive(), autocast(self.precision, self.device):
            logits = network(images)
        loss = F.cross_entropy(logits, labels, reduction="sum") * (len(rows) / len(labels) / count)
        with distributed.others_alive():
            self._scaler.scale(loss * distributed.world_size()).backward()
        self._scaler.step(optimiser)
        self._scaler.update()
        for buffer, before in zip(self.classifier.buffers(), statistics, strict=False):
            buffer.copy_(before)  # blank images teach BatchNorm nothing
        return distributed.total(loss.detach())

    def _share(self, batch: SceneBatch, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Images and labels of some rows of a batch."""
        image, size, label = batch.image, batch.size, batch.label
        if len(rows) < len(label):
            image, size, label = image[rows], size[rows], label[rows]
        images = network_input(image, size, self.device, self.pixels)
        labels = label.to(self.device, non_blocking=True)
        if len(rows) == 1:  # twice the same has the same mean; BatchNorm on a 1×1 map needs two values
            images, labels = images.repeat(2, 1, 1, 1), labels.repeat(2)
        return images, labels

    def _empty_share(self) -> tuple[Tensor, Tensor]:
        """Blank images for a process without a tile: their loss has weight 0, but gradients meet in every backward."""
        size = self.classifier.fixed_size or max(BLANK_SIZE, self.classifier.minimum_size)
        images = torch.zeros(2, self.pixels.bands, size, size, device=self.device)
        return images, torch.zeros(2, dtype=torch.long, device=self.device)

    def _new_optimiser(self) -> torch.optim.SGD:
        parameters = self.classifier.parameters()
        optimiser = torch.optim.SGD(parameters, lr=self.learning_rate, momentum=self.momentum, fused=True)
        if self.precision == "fp16":
            begin_momentum(optimiser)
        return optimiser

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    # --- scoring ------------------------------------------------------------------------------------------------------

    def predict_probabilities(self, batches: Iterable[ImageBatch]) -> Tensor:
        """Class probabilities of tiles that stream by, float32 on the CPU, shape (N, C)."""
        return self.score(batches).probabilities

    def score(self, batches: Iterable[ImageBatch], passes: int = 0, with_features: bool = False) -> Scores:
        """Score tiles as they stream by, in the order of the batches; see `score_batches`."""
        table = self.score_table(passes, with_features)
        for scores in self.score_batches(batches, passes, with_features):
            table.add(scores)
        return table.scores()

    def score_table(self, passes: int = 0, with_features: bool = False) -> ScoreTable:
        """An empty table for what `score_batches` yields."""
        head = self.classifier.head
        return ScoreTable(head.out_features, head.in_features if with_features else None, passes > 0)

    def score_batches(
        self,
        batches: Iterable[ImageBatch],
        passes: int = 0,
        with_features: bool = False,
        seed: Sequence[int] = (0,),
        first_batch: int = 0,
    ) -> Iterator[Scores]:
        """Score tiles batch by batch, without changing the classifier; nothing of a batch is kept.

        Args:
            batches: this process's batches: of the whole, every one whose turn it is.
            passes: passes with dropout to measure the disagreement of; 0: none.
            with_features: also return the input of the last layer.
            seed: of dropout, together with the batch's number in the whole.
            first_batch: that number for the first batch of the first process.

        Yields:
            The scores of each batch.
        """
        self.classifier.eval()
        numbers = itertools.count(first_batch + distributed.rank(), distributed.world_size())
        for number, batch in zip(numbers, batches, strict=False):
            yield self._score_batch(batch, passes, with_features, (*seed, number))

    @torch.inference_mode()
    def _score_batch(self, batch: ImageBatch, passes: int, with_features: bool, seed: Sequence[int]) -> Scores:
        images = network_input(batch.image, batch.size, self.device, self.pixels)
        features = self._features(images)
        disagreement = self._disagreement(images, features, passes, seed).cpu() if passes else None
        probabilities = self.classifier.logits(features).softmax(dim=1).cpu()
        return Scores(probabilities, features.cpu() if with_features else None, disagreement)

    def _disagreement(self, images: Tensor, features: Tensor, passes: int, seed: Sequence[int]) -> Tensor:
        """Mutual information between prediction and dropout mask, shape (B,) (Gal et al., 2017).

        The network's own dropout is switched on; where it has none, the features are dropped out before the last
        layer, for which they need not be computed again.
        """
        layers = self._dropout_layers()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0]))
            _train(layers, True)
            samples = []
            for _ in range(passes):
                hidden = self._features(images) if layers else F.dropout(features, LAST_DROPOUT)
                samples.append(self.classifier.logits(hidden).softmax(dim=1))
            _train(layers, False)
        return mutual_information(torch.stack(samples))

    # --- both ---------------------------------------------------------------------------------------------------------

    def _dropout_layers(self) -> list[nn.Module]:
        """The network's own."""
        return [m for m in self.classifier.network.modules() if isinstance(m, _DropoutNd) and m.p > 0]

    def _features(self, images: Tensor) -> Tensor:
        with autocast(self.precision, self.device):
            return self.classifier.features(images).float()

    def state_dict(self) -> dict[str, Any]:
        """The classifier's weights, and the optimiser of a fit under way."""
        state: dict[str, Any] = {"classifier": self.classifier.state_dict()}
        if self._optimiser is not None:
            state |= {"optimiser": self._optimiser.state_dict(), "scaler": self._scaler.state_dict()}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.classifier.load_state_dict(state["classifier"])
        self._optimiser, self._scaler = None, self._new_scaler()
        if "optimiser" in state:
            self._optimiser = self._new_optimiser()
            load_optimiser(self._optimiser, state["optimiser"])
            self._scaler.load_state_dict(state["scaler"])


def recent_mean(losses: Sequence[Tensor]) -> float:
    """Mean loss of the last quarter of the steps, at least one; NaN where there was none."""
    recent = list(losses[-max(1, len(losses) // 4) :])
    return float(torch.stack(recent).mean()) if recent else float("nan")


def _train(layers: Iterable[nn.Module], mode: bool) -> None:
    for layer in layers:
        layer.train(mode)
