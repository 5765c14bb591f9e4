"""s4GAN: semi-supervised segmentation with a generator and a discriminator (Mittal et al., TPAMI 2021).

One `train_step` reads in the paper's order: the generator learns from labelled tiles, then from unlabelled ones
(feature matching, self-training), then the discriminator learns to tell human maps from the generator's.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.methods.device_batch import DeviceBatch
from model.methods.method import Method
from model.methods.settings import Execution, MethodSettings, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.compute.device import place
from utils.compute.precision import autocast
from utils.drawing.curves import CurvePanel
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.optimisation.loss import cross_entropy, discriminator_loss, feature_matching, self_training_labels
from utils.optimisation.lr_scheduler import poly


class Maps(NamedTuple):
    """What the discriminator judges: class maps (B, C, H, W) with their images in [0, 1] (B, bands, H, W)."""

    class_map: Tensor
    images: Tensor


class S4GAN(Method):
    """Both networks, their optimisers and schedules, and one training step.

    Args:
        generator, discriminator: the networks.
        settings: weights, rates and schedule.
        device, execution, pixels: as for `Method`.
    """

    name = "s4gan"
    unlabelled_batches = 1
    watched = (
        "loss_ce", "loss_fm", "loss_st", "loss_S", "loss_D", "D_real", "D_fake", "believed", "learning_rate",
        "learning_rate_D",
    )  # fmt: skip

    def __init__(
        self,
        generator: DeepLabV2,
        discriminator: Discriminator,
        settings: S4GANSettings,
        device: torch.device | str,
        execution: Execution | None = None,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> None:
        super().__init__(generator, settings, device, execution, pixels)
        self.settings: S4GANSettings = settings
        self.discriminator = place(discriminator, self.device, self.memory_format)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), settings.learning_rate_D, betas=(0.9, 0.99), fused=True
        )
        self.discriminator_scaler = self._new_scaler()
        self._run_discriminator = torch.compile(self.discriminator) if self.execution.compile else self.discriminator

    @classmethod
    def build(
        cls,
        generator: DeepLabV2,
        settings: MethodSettings,
        device: torch.device | str,
        execution: Execution | None = None,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> "S4GAN":
        """s4GAN around a generator, with a fresh discriminator; `settings` are `S4GANSettings`."""
        assert isinstance(settings, S4GANSettings)
        discriminator = Discriminator(generator.num_classes, bands=pixels.bands)
        return cls(generator, discriminator, settings, device, execution, pixels)

    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step of both networks; see `Method.train_step`."""
        self._begin(step, labelled, unlabelled)
        assert unlabelled is not None  # as has been checked
        predicted, loss_ce = self._learn_from_labelled(self._on_device(labelled))
        real = [Maps(real_class_map(part.masks, logits, part.inside), part.images) for part, logits in predicted]
        judged = [self._judge(*maps) for maps in real]  # once: for feature matching, and to teach the discriminator
        fake, watched = self._learn_from_unlabelled(
            self._on_device(unlabelled), [features for _, features in judged], step
        )
        self._step_generator()
        watched |= self._teach_discriminator([logits for logits, _ in judged], fake)
        settings = self.settings
        loss = loss_ce + settings.lambda_fm * watched["loss_fm"] + settings.lambda_st * watched["loss_st"]
        return self._with_broken_step({"loss_ce": loss_ce, **watched, "loss_S": loss}, loss + watched["loss_D"], step)

    def _learn_from_unlabelled(
        self, batch: DeviceBatch, real_features: list[Tensor], step: int
    ) -> tuple[list[Maps], dict[str, Tensor]]:
        """Look like human maps to the discriminator, and learn from the maps that it believes."""
        settings = self.settings
        self_training = step >= settings.self_training_start
        self.discriminator.requires_grad_(False)
        fake, pseudo_labels, numbers = [], [], []
        for part, features in zip(batch.parts(settings.accumulate), real_features, strict=True):
            logits = self._generate(part)
            fake_map = logits.softmax(dim=1) * part.inside
            judgement, fake_features = self._judge(fake_map, part.images)
            loss_fm = feature_matching(features.detach(), fake_features)
            labels = self_training_labels(logits, judgement, part.inside, settings.threshold_st)
            believed_pixels = distributed.total((labels != IGNORE_INDEX).sum())
            loss_st = cross_entropy(logits, labels, believed_pixels) if self_training else logits.new_zeros(())
            loss = settings.lambda_fm * loss_fm + settings.lambda_st * loss_st
            self.generator_scaler.scale(loss / settings.accumulate).backward()
            believed = (torch.sigmoid(judgement) > settings.threshold_st).float().mean() / distributed.world_size()
            numbers.append(torch.stack((loss_fm.detach() / distributed.world_size(), loss_st.detach(), believed)))
            fake.append(Maps(fake_map.detach(), part.images))
            pseudo_labels.append(labels)
        self.discriminator.requires_grad_(True)
        loss_fm, loss_st, believed = torch.stack(numbers).mean(dim=0).unbind()
        labels = torch.cat(pseudo_labels)
        return fake, {"loss_fm": loss_fm, "loss_st": loss_st, "believed": believed, "pseudo_labels": labels}

    def _teach_discriminator(self, on_real_maps: list[Tensor], fake: list[Maps]) -> dict[str, Tensor]:
        """Human maps are real, the generator's are not."""
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        share = 1 / (self.settings.accumulate * distributed.world_size())
        numbers = []
        for on_real, maps in zip(on_real_maps, fake, strict=True):
            on_fake, _ = self._judge(*maps)
            loss = discriminator_loss(on_real, on_fake) * share
            self.discriminator_scaler.scale(loss).backward()
            means = (torch.sigmoid(on_real.detach()).mean() * share, torch.sigmoid(on_fake.detach()).mean() * share)
            numbers.append(torch.stack((loss.detach(), *means)))
        distributed.sum_gradients(self.discriminator.parameters())
        self.discriminator_scaler.step(self.discriminator_optimiser)
        self.discriminator_scaler.update()
        loss_d, d_real, d_fake = torch.stack(numbers).sum(dim=0).unbind()
        return {"loss_D": loss_d, "D_real": d_real, "D_fake": d_fake}

    @torch.inference_mode()
    def realness(self, class_map: Tensor, images: Tensor) -> Tensor:
        """What the discriminator thinks of class maps, without dropout.

        Args:
            class_map: softmax, shape (B, C, H, W).
            images: bands in [0, 1], shape (B, bands, H, W).

        Returns:
            Probabilities of "a human's", shape (B,).
        """
        self.discriminator.eval()
        return torch.sigmoid(self._judge(class_map, images)[0])

    def networks(self) -> Mapping[str, nn.Module]:
        """Generator and discriminator; see `Method.networks`."""
        return {**super().networks(), "_D": self.discriminator}

    def learning_rates(self) -> dict[str, float]:
        """The rates of the last step: the backbone's, and the discriminator's."""
        rate = float(self.discriminator_optimiser.param_groups[0]["lr"])
        return {**super().learning_rates(), "learning_rate_D": rate}

    def curves(self) -> list[CurvePanel]:
        """Charts of the losses of both networks and of what the discriminator takes maps for."""
        start, threshold = self.settings.self_training_start, self.settings.threshold_st
        return [
            *super().curves(),
            CurvePanel("feature matching loss on unlabelled tiles", {"loss_fm": "loss"}),
            CurvePanel(f"self-training loss on unlabelled tiles (after step {start})", {"loss_st": "loss"}),
            CurvePanel("loss of the discriminator", {"loss_D": "loss"}),
            CurvePanel(
                "score that the discriminator gives (1: drawn by a person)",
                {"D_real": "masks drawn by people", "D_fake": "predicted maps"},
                is_share=True,
            ),
            CurvePanel(
                f"share of unlabelled tiles taken as human-made (score above {threshold:g})",
                {"believed": "share"},
                is_share=True,
            ),
        ]

    def panel_notes(self) -> tuple[str, str]:
        """What a score is, and what follows from it."""
        return (
            ". Score of a prediction: what the discriminator takes it for, from 0 (predicted) to 1 (drawn by a person)",
            f". A prediction with a score above {self.settings.threshold_st:g} becomes a pseudo-label, which the "
            "generator learns from",
        )

    def no_pseudo_label(self, score: float | None, step: int, kept: float = 1.0) -> str:
        """Why nothing is learned from a map; see `Method.no_pseudo_label`."""
        start, threshold = self.settings.self_training_start, self.settings.threshold_st
        if step < start:
            return f"no pseudo-label yet: self-training begins after step {start}"
        if score is not None and score <= threshold:
            return f"no pseudo-label: the score {score:.3f} is not above the threshold {threshold:g}"
        return ""

    def _begin(self, step: int, *batches: MaskedBatch | None) -> None:
        super()._begin(step, *batches)
        self.discriminator.train()
        factor = poly(step, self.settings.num_steps, self.settings.power)
        for group in self.discriminator_optimiser.param_groups:
            group["lr"] = self.settings.learning_rate_D * factor

    def _judge(self, class_map: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's logits (B,) and features (B, F)."""
        with autocast(self.execution.precision, self.device):
            return self._run_discriminator(class_map, images)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield from super()._parts()
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
