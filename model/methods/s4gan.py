"""s4GAN: semi-supervised segmentation with a generator and a discriminator (Mittal et al., TPAMI 2021).

One `train_step` reads in the paper's order: the generator learns from labelled tiles, then from unlabelled ones
(feature matching, self-training), then the discriminator learns to tell human maps from the generator's.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from model.networks.deeplabv2 import DeepLabV2, freeze_batchnorm_affine, set_batchnorm_momentum
from model.networks.discriminator import Discriminator
from utils import distributed
from utils.batches import MaskedBatch
from utils.device import MEMORY_FORMAT, place
from utils.images import inside_mask, normalise, to_unit_range
from utils.labels import IGNORE_INDEX
from utils.loss import cross_entropy, discriminator_loss, feature_matching, self_training_labels
from utils.lr_scheduler import poly
from utils.optimisers import begin_momentum, load_optimiser
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
    accumulate: int = 1
    compile: bool = False
    channels_last: bool = True
    precision: str = "fp32"

    @property
    def memory_format(self) -> torch.memory_format:
        """How images and weights lie in memory."""
        return MEMORY_FORMAT if self.channels_last else torch.contiguous_format

    @property
    def self_training_start(self) -> int:
        """First step with self-training: as given, else min(1000, num_steps // 20)."""
        return min(1000, self.num_steps // 20) if self.st_start is None else self.st_start


@dataclass(frozen=True)
class DeviceBatch:
    """A batch on the device: RGB in [0, 1], int64 ids, and where pixels are not padding (B, 1, H, W)."""

    images: Tensor
    masks: Tensor
    inside: Tensor

    @classmethod
    def of(cls, batch: MaskedBatch, device: torch.device, settings: S4GANSettings) -> "DeviceBatch":
        """Move bytes to the device and make numbers of them there; pixels of the ignore label become 255."""
        images = to_unit_range(batch.image, device, settings.memory_format)
        sizes = batch.size.to(device, non_blocking=True)
        masks = batch.mask.to(device, non_blocking=True).long()
        if settings.ignore_label != IGNORE_INDEX:
            masks = masks.masked_fill(masks == settings.ignore_label, IGNORE_INDEX)
        return cls(images, masks, inside_mask(sizes, (images.shape[2], images.shape[3])))

    def parts(self, count: int) -> Iterator["DeviceBatch"]:
        """The batch in `count` equal parts."""
        fields = (self.images.chunk(count), self.masks.chunk(count), self.inside.chunk(count))
        return (DeviceBatch(*part) for part in zip(*fields, strict=True))


class Maps(NamedTuple):
    """What the discriminator judges: class maps (B, C, H, W) with their images in [0, 1] (B, 3, H, W)."""

    class_map: Tensor
    images: Tensor


class S4GAN:
    """Both networks, their optimisers and schedules, and one training step.

    With several processes each one steps on its share of the batch; what `train_step` returns are shares too, whose sum
    over the processes is the value of the whole batch.

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
        self.generator = place(generator, device, settings.memory_format)
        self.discriminator = discriminator and place(discriminator, device, settings.memory_format)
        set_batchnorm_momentum(self.generator, settings.bn_momentum)
        if settings.freeze_affine:
            freeze_batchnorm_affine(self.generator)
        scaled = settings.precision == "fp16"
        groups = generator_groups(self.generator, settings)
        self.generator_optimiser = torch.optim.SGD(groups, momentum=settings.momentum, fused=True)
        if scaled:
            begin_momentum(self.generator_optimiser)
        self.discriminator_optimiser = (
            torch.optim.Adam(self.discriminator.parameters(), settings.learning_rate_d, betas=(0.9, 0.99), fused=True)
            if self.discriminator
            else None
        )
        self.generator_scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self.discriminator_scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self._run_generator = torch.compile(self.generator) if settings.compile else self.generator
        self._run_discriminator = (
            torch.compile(self.discriminator) if settings.compile and self.discriminator else self.discriminator
        )
        self._broken_step = torch.zeros((), dtype=torch.int64, device=device)  # stays there until somebody reads it

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step of both networks.

        Args:
            labelled: tiles with masks.
            unlabelled: tiles whose masks are not read; None where there is no discriminator.
            step: steps finished so far; it sets the rates.

        Returns:
            The losses and what one wants to watch, as detached scalars on the device; `broken_step` is the first step,
            counted from 1, whose losses were not finite, 0 while there is none; `pseudo_labels` (B, H, W) holds the ids
            learned from, 255 elsewhere.
        """
        self._set_rates(step)
        self._set_training_mode()
        self.generator_optimiser.zero_grad(set_to_none=True)
        real, watched = self._learn_from_labelled(DeviceBatch.of(labelled, self.device, self.settings))
        if self.discriminator is None or unlabelled is None:
            self._step_generator()
        else:
            judged = [self._judge(*maps) for maps in real]  # once: for feature matching, and to teach the discriminator
            batch = DeviceBatch.of(unlabelled, self.device, self.settings)
            fake, on_unlabelled = self._learn_from_unlabelled(batch, [features for _, features in judged], step)
            self._step_generator()
            watched |= on_unlabelled | self._teach_discriminator([logits for logits, _ in judged], fake)
        loss = watched["loss_ce"]
        if "loss_fm" in watched:
            loss = loss + self.settings.lambda_fm * watched["loss_fm"] + self.settings.lambda_st * watched["loss_st"]
        is_broken = ~torch.isfinite(loss + watched.get("loss_D", 0.0))
        self._broken_step = self._broken_step.masked_fill(is_broken & (self._broken_step == 0), step + 1)
        return watched | {"loss_S": loss, "broken_step": self._broken_step}

    def _learn_from_labelled(self, batch: DeviceBatch) -> tuple[list[Maps], dict[str, Tensor]]:
        """Cross-entropy on human masks. Its backward pass runs at once, so that one graph is alive at a time."""
        labelled_pixels = distributed.total((batch.masks != IGNORE_INDEX).sum())
        real, losses = [], []
        for part in batch.parts(self.settings.accumulate):
            logits = self._generate(part)
            loss = cross_entropy(logits, part.masks, labelled_pixels)
            self.generator_scaler.scale(loss).backward()
            losses.append(loss.detach())
            real.append(Maps(real_class_map(part.masks, logits.detach(), part.inside), part.images))
        return real, {"loss_ce": torch.stack(losses).sum()}

    def _learn_from_unlabelled(
        self, batch: DeviceBatch, real_features: list[Tensor], step: int
    ) -> tuple[list[Maps], dict[str, Tensor]]:
        """Look like human maps to the discriminator, and learn from the maps that it believes."""
        settings = self.settings
        self_training = step >= settings.self_training_start
        assert self.discriminator is not None
        self.discriminator.requires_grad_(False)
        fake, pseudo_labels, seen = [], [], []
        for part, features in zip(batch.parts(settings.accumulate), real_features, strict=True):
            logits = self._generate(part)
            fake_map = logits.softmax(dim=1) * part.inside
            realness, fake_features = self._judge(fake_map, part.images)
            loss_fm = feature_matching(features.detach(), fake_features)
            labels = self_training_labels(logits, realness, part.inside, settings.threshold_st)
            believed_pixels = distributed.total((labels != IGNORE_INDEX).sum())
            loss_st = cross_entropy(logits, labels, believed_pixels) if self_training else logits.new_zeros(())
            loss = settings.lambda_fm * loss_fm + settings.lambda_st * loss_st
            self.generator_scaler.scale(loss / settings.accumulate).backward()
            believed = (torch.sigmoid(realness) > settings.threshold_st).float().mean() / distributed.world_size()
            seen.append(torch.stack((loss_fm.detach() / distributed.world_size(), loss_st.detach(), believed)))
            fake.append(Maps(fake_map.detach(), part.images))
            pseudo_labels.append(labels)
        self.discriminator.requires_grad_(True)
        loss_fm, loss_st, believed = torch.stack(seen).mean(dim=0).unbind()
        labels = torch.cat(pseudo_labels)
        return fake, {"loss_fm": loss_fm, "loss_st": loss_st, "believed": believed, "pseudo_labels": labels}

    def _teach_discriminator(self, on_real_maps: list[Tensor], fake: list[Maps]) -> dict[str, Tensor]:
        """Human maps are real, the generator's are not."""
        assert self.discriminator is not None
        assert self.discriminator_optimiser is not None
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        share = 1 / (self.settings.accumulate * distributed.world_size())
        seen = []
        for on_real, maps in zip(on_real_maps, fake, strict=True):
            on_fake, _ = self._judge(*maps)
            loss = discriminator_loss(on_real, on_fake) * share
            self.discriminator_scaler.scale(loss).backward()
            means = (torch.sigmoid(on_real.detach()).mean() * share, torch.sigmoid(on_fake.detach()).mean() * share)
            seen.append(torch.stack((loss.detach(), *means)))
        distributed.sum_gradients(self.discriminator.parameters())
        self.discriminator_scaler.step(self.discriminator_optimiser)
        self.discriminator_scaler.update()
        loss_d, d_real, d_fake = torch.stack(seen).sum(dim=0).unbind()
        return {"loss_D": loss_d, "D_real": d_real, "D_fake": d_fake}

    @torch.inference_mode()
    def realness(self, class_map: Tensor, images: Tensor) -> Tensor | None:
        """What the discriminator thinks of class maps, without dropout; None where there is none.

        Args:
            class_map: softmax, shape (B, C, H, W).
            images: RGB in [0, 1], shape (B, 3, H, W).

        Returns:
            Probabilities of "a human's", shape (B,).
        """
        if self.discriminator is None:
            return None
        self.discriminator.eval()
        return torch.sigmoid(self._judge(class_map, images)[0])

    def learning_rates(self) -> dict[str, float]:
        """The rates of the last step: the backbone's, and the discriminator's."""
        rates = {"learning_rate": float(self.generator_optimiser.param_groups[0]["lr"])}
        if self.discriminator_optimiser is not None:
            rates["learning_rate_D"] = float(self.discriminator_optimiser.param_groups[0]["lr"])
        return rates

    def _generate(self, batch: DeviceBatch) -> Tensor:
        with autocast(self.settings.precision, self.device):
            return self._run_generator(normalise(batch.images, batch.inside))

    def _judge(self, class_map: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        assert self._run_discriminator is not None
        with autocast(self.settings.precision, self.device):
            return self._run_discriminator(class_map, images)

    def _set_training_mode(self) -> None:
        self.generator.train()
        if self.settings.freeze_bn:
            for module in self.generator.modules():
                if isinstance(module, _BatchNorm):
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
        distributed.sum_gradients(self.generator.parameters())
        self.generator_scaler.step(self.generator_optimiser)
        self.generator_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of the networks: weights, optimisers, scalers, settings."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts()}
        return state | {"settings": asdict(self.settings)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        for name, part in self._parts():
            if isinstance(part, Optimizer):
                load_optimiser(part, state[name])
            else:
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
    norms = {id(p) for m in generator.backbone.modules() if isinstance(m, _BatchNorm) for p in m.parameters()}
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
