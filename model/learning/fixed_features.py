"""Features of a network that does not learn any more: what the active learner's classifier began as."""

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from model.networks.classifier import FEATURES, Classifier
from utils.batches import ImageBatch
from utils.compute.device import place
from utils.compute.precision import autocast
from utils.imagery.images import network_input
from utils.imagery.pixels import RGB_PIXELS, PixelFormat


class FixedFeatures:
    """The input of a pretrained network's last linear layer, which is what its citations call its features.

    Args:
        classifier: with its first weights; it may learn on, as its network is copied.
        device: where the copy runs.
        precision: `fp32`, `bf16` or `fp16`.
        pixels: how images are stored and normalised.

    Attributes:
        width: numbers of a tile.
    """

    def __init__(
        self, classifier: Classifier, device: torch.device, precision: str, pixels: PixelFormat = RGB_PIXELS
    ) -> None:
        self.device, self.precision, self.pixels = device, precision, pixels
        self._network = place(copy.deepcopy(classifier.network).eval().requires_grad_(False), device)
        layers = [module for module in self._network.modules() if isinstance(module, nn.Linear)]
        self._last = layers[-1] if layers else None  # a network of convolutions alone: its outputs
        self.width = self._last.in_features if self._last is not None else FEATURES

    def of(self, batches: Iterable[ImageBatch]) -> Iterator[Tensor]:
        """Features of tiles as they stream by, batch by batch, float32 on the CPU, shape (B, width)."""
        return (self._of_batch(batch) for batch in batches)

    @torch.inference_mode()
    def _of_batch(self, batch: ImageBatch) -> Tensor:
        images, seen = network_input(batch.image, batch.size, self.device, self.pixels), list[Tensor]()
        hook = None
        if self._last is not None:
            hook = self._last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with autocast(self.precision, self.device):
            outputs = self._network(images)
        if hook is not None:
            hook.remove()
        return (seen[-1] if seen else outputs).float().cpu()
