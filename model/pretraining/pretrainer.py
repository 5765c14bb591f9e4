"""A backbone in pre-training: its step, its features, and what a resumed run needs of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from model.pretraining.settings import TaskSettings
from model.pretraining.tasks import TASKS
from utils.augmentation.parameters import Appearance
from utils.augmentation.strong import Pixels, changed
from utils.batches import ImageBatch
from utils.compute import distributed
from utils.compute.device import place
from utils.compute.precision import autocast
from utils.imagery.images import network_input, normalise, unpack
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.optimisation.lr_scheduler import cosine
from utils.optimisation.optimisers import load_optimiser


class ViewBatch(Protocol):
    """V views of each of B tiles: uint8 images (B, V, C, H, W), their changes, scene class ids or -1, int64 (B,)."""

    @property
    def image(self) -> Tensor: ...  # noqa: D102 — described by the class
    @property
    def appearance(self) -> Appearance: ...  # noqa: D102
    @property
    def label(self) -> Tensor: ...  # noqa: D102


class Pretrainer:
    """An encoder and the head of its task, which learn together.

    Of several processes on GPUs, BatchNorm looks at the batch of all; on CPUs, where torch has none that does, each
    process's looks at its own share.

    Args:
        encoder: normalised images (B, bands, H, W) -> features (B, F).
        features: F.
        settings: the task, rates and decay.
        num_steps: of the run, over which the rate rises and falls.
        device: where to train.
        precision: of the encoder: `fp32`, `bf16` or `fp16`; the head and the loss are float32.
        pixels: how images are stored and normalised.
        classes: scene classes.
        changes_colours: whether colours and sharpness of views are changed, as drawn with them.

    Attributes:
        networks: both.
        watched: columns of metrics.csv that `train_step` fills.
    """

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        settings: TaskSettings,
        num_steps: int,
        device: torch.device,
        precision: str = "fp32",
        pixels: PixelFormat = RGB_PIXELS,
        classes: int = 0,
        changes_colours: bool = True,
    ) -> None:
        self.settings, self.num_steps, self.device, self.precision = settings, num_steps, device, precision
        self.pixels, self.changes_colours, self.width = pixels, changes_colours, features
        self.watched = TASKS[settings.task].watched
        networks = nn.ModuleDict({"encoder": encoder, "head": TASKS[settings.task](features, classes)})
        if device.type == "cuda" and distributed.world_size() > 1:
            networks = nn.SyncBatchNorm.convert_sync_batchnorm(networks)
        self.networks = place(networks, device)
        self.encoder, self.head = networks["encoder"], networks["head"]
        groups = parameter_groups(self.networks, settings.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._broken_step = torch.zeros((), dtype=torch.int64, device=device)

    def train_step(self, batch: ViewBatch, step: int) -> dict[str, Tensor]:
        """One step on this process's share of a batch.

        Args:
            batch: views of tiles.
            step: steps finished so far, which sets the rate.

        Returns:
            Shares of what the task watches, detached scalars on the device; `broken_step` is the first step, counted
            from 1, whose loss was not finite, 0 while there is none.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * cosine(step, self.num_steps)
        self.networks.train()
        self.optimiser.zero_grad(set_to_none=True)
        images = normalise(*self.views(batch), self.pixels)  # colours change in float32
        with distributed.others_alive():  # of several processes, BatchNorm sends messages
            with autocast(self.precision, self.device):
                features = self.encoder(images)
            loss, watched = self.head(features.float(), batch.label.to(self.device, non_blocking=True))
            self.scaler.scale(loss).backward()
        distributed.sum_gradients(self.networks.parameters())
        self.scaler.step(self.optimiser)
        self.scaler.update()
        is_broken = ~torch.isfinite(loss.detach())
        self._broken_step = self._broken_step.masked_fill(is_broken & (self._broken_step == 0), step + 1)
        return watched | {"broken_step": self._broken_step}

    def views(self, batch: ViewBatch) -> tuple[Tensor, Tensor]:
        """Views in [0, 1] with their colours changed, the first of all tiles, then the second; and where data are.

        Returns:
            float32, shape (V·B, bands, H, W), and bool, shape (V·B, 1, H, W).
        """
        stored = batch.image.transpose(0, 1).flatten(0, 1)
        sizes = torch.tensor(stored.shape[-2:]).expand(len(stored), 2)
        images, inside = unpack(stored, sizes, self.device, self.pixels)
        if self.changes_colours:
            drawn = (values.transpose(0, 1).flatten(0, 1) for values in batch.appearance)
            appearance = Appearance(*(values.to(self.device, non_blocking=True) for values in drawn))
            images = changed(Pixels(images, inside), appearance, self.pixels)
        return images, inside

    @torch.inference_mode()
    def features(self, batches: Iterable[ImageBatch]) -> Tensor:
        """Features of whole tiles as they stream by, float32 on the CPU, shape (N, F); nothing is changed."""
        self.encoder.eval()
        found = [torch.empty(0, self.width)]
        for batch in batches:
            with autocast(self.precision, self.device):
                images = network_input(batch.image, batch.size, self.device, self.pixels)
                found.append(self.encoder(images).float().cpu())
        return torch.cat(found)

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {name: part.state_dict() for name, part in self._parts()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        for name, part in self._parts():
            if part is self.optimiser:
                load_optimiser(self.optimiser, state[name])
            else:
                part.load_state_dict(state[name])

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield "networks", self.networks
        yield "optimiser", self.optimiser
        yield "scaler", self.scaler


def parameter_groups(networks: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters in two groups: weights, which decay; biases and BatchNorm's scale and shift, which do not."""
    weights = [p for p in networks.parameters() if p.ndim > 1]
    others = [p for p in networks.parameters() if p.ndim < 2]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
