"""s4GAN: semi-supervised segmentation with a generator and a discriminator (Mittal et al., TPAMI 2021).

One `train_step` reads in the paper's order: the generator learns from labelled tiles, then from unlabelled ones
(feature matching, self-training), then the discriminator learns to tell human maps from the generator's.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.deeplabv2 import DeepLabV2, freeze_batchnorm_affine, set_batchnorm_momentum
from model.discriminator import Discriminator
from utils.images import inside_mask, normalise, to_unit_range
from utils.labels import IGNORE_INDEX
from utils.loss import cross_entropy, discriminator_loss, feature_matching, self_training_labels
from utils.lr_scheduler import poly
from utils.precision import autocast


@dataclass(frozen=True)
class S4GANSettings:
    """Everything about the method that is not data; defaults as published."""

    num_steps: int
    threshold_st: float
    learning_rate: float = 2.5e-4
    learning_rate_d: float = 1e-4
    lambda_fm: float = 0.1
    lambda_st: float = 1.0
    power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 5e-4
    st_start: int | None = None
    ignore_label: int = IGNORE_INDEX
    bn_momentum: float = 0.1
    freeze_bn: bool = False
    freeze_affine: bool = False
    precision: str = "fp32"

    @property
    def self_training_start(self) -> int:
        """First step with self-training: as given, else min(1000, num_steps // 20)."""
        return min(1000, self.num_steps // 20) if self.st_start is None else self.st_start


class MaskedBatch(Protocol):
    """What a step reads of a batch: uint8 images (B, 3, H, W), ids (B, H, W), sizes inside the padding (B, 2)."""

    @property
    def image(self) -> Tensor: ...  # noqa: D102 — described by the class
    @property
    def mask(self) -> Tensor: ...  # noqa: D102
    @property
    def size(self) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class DeviceBatch:
    """A batch on the device: RGB in [0, 1], int64 ids, and where pixels are not padding (B, 1, H, W)."""

    images: Tensor
    masks: Tensor
    inside: Tensor

    @classmethod
    def of(cls, batch: MaskedBatch, device: torch.device, ignore_label: int = IGNORE_INDEX) -> "DeviceBatch":
        """Move bytes to the device and make numbers of them there; pixels of `ignore_label` become 255."""
        images = to_unit_range(batch.image, device)
        sizes = batch.size.to(device, non_blocking=True)
        masks = batch.mask.to(device, non_blocking=True).long()
        if ignore_label != IGNORE_INDEX:
            masks = masks.masked_fill(masks == ignore_label, IGNORE_INDEX)
        return cls(images, masks, inside_mask(sizes, (images.shape[2], images.shape[3])))


class S4GAN:
    """Both networks, their optimisers and schedules, and one training step.

    Args:
        generator: segmentation network.
        discriminator: None trains the generator on labelled tiles alone.
        settings: weights, rates and schedule.
        device: where to train.
    """

    def __init__(
        self,
        generator: DeepLabV2,
        discriminator: Discriminator | None,
        settings: S4GANSettings,
        device: torch.device,
    ) -> None:
        self.settings, self.device = settings, device
        self.generator = generator.to(device).to(memory_format=torch.channels_last)
        self.discriminator = discriminator and discriminator.to(device).to(memory_format=torch.channels_last)
        set_batchnorm_momentum(self.generator, settings.bn_momentum)
        if settings.freeze_affine:
            freeze_batchnorm_affine(self.generator)
        self.generator_optimiser = torch.optim.SGD(
            generator_groups(self.generator, settings), momentum=settings.momentum, fused=True
        )
        self.discriminator_optimiser = (
            torch.optim.Adam(self.discriminator.parameters(), settings.learning_rate_d, betas=(0.9, 0.99), fused=True)
            if self.discriminator
            else None
        )
        scaled = settings.precision == "fp16"
        self.generator_scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self.discriminator_scaler = torch.amp.GradScaler(device.type, enabled=scaled)

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step of both networks.

        Args:
            labelled: tiles with masks.
            unlabelled: tiles whose masks are not read; None where there is no discriminator.
            step: steps finished so far; it sets the rates.

        Returns:
            The losses and what one wants to watch, as detached tensors on the device.
        """
        self._set_rates(step)
        self._set_training_mode()
        settings = self.settings
        self.generator_optimiser.zero_grad(set_to_none=True)

        # Labelled tiles: cross-entropy. Its backward pass runs at once, so that one graph is alive at a time.
        batch = DeviceBatch.of(labelled, self.device, settings.ignore_label)
        logits = self._generate(batch)
        loss_ce = cross_entropy(logits, batch.masks)
        self.generator_scaler.scale(loss_ce).backward()
        losses = {"loss_ce": loss_ce.detach()}
        if self.discriminator is None or unlabelled is None:
            self._step_generator()
            return losses | {"loss_S": loss_ce.detach()}
        with torch.no_grad():
            real_map = real_class_map(batch.masks, logits.detach(), batch.inside)
        real_images = batch.images
        del logits, batch

        # Unlabelled tiles: look like human maps to the discriminator, and learn from the maps it believes.
        self.discriminator.requires_grad_(False)
        batch = DeviceBatch.of(unlabelled, self.device)
        logits = self._generate(batch)
        fake_map = logits.softmax(dim=1) * batch.inside
        realness, fake_features = self._judge(fake_map, batch.images)
        with torch.no_grad():
            _, real_features = self._judge(real_map, real_images)
        loss_fm = feature_matching(real_features, fake_features)
        pseudo_labels = self_training_labels(logits, realness, batch.inside, settings.threshold_st)
        active = step >= settings.self_training_start
        loss_st = cross_entropy(logits, pseudo_labels) if active else logits.new_zeros(())
        loss_unlabelled = settings.lambda_fm * loss_fm + settings.lambda_st * loss_st
        self.generator_scaler.scale(loss_unlabelled).backward()
        self._step_generator()

        # Discriminator: human maps are real, the generator's are not.
        self.discriminator.requires_grad_(True)
        self.discriminator_optimiser.zero_grad(set_to_none=True)  # type: ignore[union-attr]
        on_fake, _ = self._judge(fake_map.detach(), batch.images)
        on_real, _ = self._judge(real_map, real_images)
        loss_d = discriminator_loss(on_real, on_fake)
        self.discriminator_scaler.scale(loss_d).backward()
        self._step_discriminator()

        believed = torch.sigmoid(realness) > settings.threshold_st
        return losses | {
            "loss_fm": loss_fm.detach(),
            "loss_st": loss_st.detach(),
            "loss_S": (loss_ce + loss_unlabelled).detach(),
            "loss_D": loss_d.detach(),
            "D_real": torch.sigmoid(on_real).mean().detach(),
            "D_fake": torch.sigmoid(on_fake).mean().detach(),
            "believed": believed.float().mean(),
            "pseudo_labels": pseudo_labels,
        }

    def _generate(self, batch: DeviceBatch) -> Tensor:
        with autocast(self.settings.precision, self.device):
            return self.generator(normalise(batch.images, batch.inside))

    def _judge(self, class_map: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        assert self.discriminator is not None
        with autocast(self.settings.precision, self.device):
            return self.discriminator(class_map, images)

    def _set_training_mode(self) -> None:
        self.generator.train()
        if self.settings.freeze_bn:
            for module in self.generator.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        if self.discriminator is not None:
            self.discriminator.train()

    def _set_rates(self, step: int) -> None:
        factor = poly(step, self.settings.num_steps, self.settings.power)
        for group in self.generator_optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        if self.discriminator_optimiser is not None:
            for group in self.discriminator_optimiser.param_groups:
                group["lr"] = self.settings.learning_rate_d * factor

    def _step_generator(self) -> None:
        self.generator_scaler.step(self.generator_optimiser)
        self.generator_scaler.update()

    def _step_discriminator(self) -> None:
        assert self.discriminator_optimiser is not None
        self.discriminator_scaler.step(self.discriminator_optimiser)
        self.discriminator_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of the networks: weights, optimisers, scalers, settings."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts()}
        return state | {"settings": asdict(self.settings)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        for name, part in self._parts():
            part.load_state_dict(state[name])

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield "generator", self.generator
        yield "generator_optimiser", self.generator_optimiser
        yield "generator_scaler", self.generator_scaler
        if self.discriminator is not None:
            yield "discriminator", self.discriminator
            yield "discriminator_optimiser", self.discriminator_optimiser
            yield "discriminator_scaler", self.discriminator_scaler


def real_class_map(masks: Tensor, logits: Tensor, inside: Tensor) -> Tensor:
    """One-hot masks as the discriminator's "real" input; what nobody labelled tells it nothing.

    Args:
        masks: ids or 255, shape (B, H, W).
        logits: the generator's output on the same images, shape (B, C, H, W).
        inside: True where a pixel is not padding, shape (B, 1, H, W).

    Returns:
        Shape (B, C, H, W): one-hot where labelled, the generator's softmax where not, 0 in the padding.
    """
    labelled = (masks != IGNORE_INDEX).unsqueeze(1)
    classes = torch.arange(logits.shape[1], device=masks.device).view(1, -1, 1, 1)
    one_hot = (masks.unsqueeze(1) == classes).to(logits.dtype)
    return torch.where(labelled, one_hot, F.softmax(logits, dim=1)) * inside


def generator_groups(generator: DeepLabV2, settings: S4GANSettings) -> list[dict[str, Any]]:
    """Parameter groups of the generator: every trainable parameter in exactly one.

    Backbone convolutions at 1×; BatchNorm's scale and shift (unless frozen) at 1× without decay; head weights at 10×;
    head biases at 20× without decay.
    """
    norms = {id(p) for m in generator.backbone.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    backbone = [p for p in generator.backbone.parameters() if p.requires_grad]
    head = dict(generator.head.named_parameters())
    plan = [
        (1, settings.weight_decay, [p for p in backbone if id(p) not in norms]),
        (1, 0.0, [p for p in backbone if id(p) in norms]),
        (10, settings.weight_decay, [p for name, p in head.items() if name.endswith("weight")]),
        (20, 0.0, [p for name, p in head.items() if name.endswith("bias")]),
    ]
    return [
        {"params": p, "lr": k * settings.learning_rate, "base_lr": k * settings.learning_rate, "weight_decay": decay}
        for k, decay, p in plan
        if p
    ]
