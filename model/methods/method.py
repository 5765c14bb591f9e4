"""What a training method is: an object with one `train_step`, found by name in `model.methods.METHODS`.

A run feeds it batches, logs what it watches, keeps its networks and its state; it knows no method by name. Another
method is one file with a subclass of `Method`, and one line in `METHODS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from model.methods.settings import Execution, MethodSettings
from model.networks.deeplabv2 import DeepLabV2, freeze_batchnorm_affine, set_batchnorm_momentum
from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.compute.device import MEMORY_FORMAT, place
from utils.compute.precision import autocast
from utils.drawing.curves import CurvePanel
from utils.imagery.images import normalise, unpack
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.loss import cross_entropy
from utils.lr_scheduler import poly
from utils.optimisers import begin_momentum, load_optimiser
from utils.settings import require


@dataclass(frozen=True)
class DeviceBatch:
    """A batch on the device: bands in [0, 1], int64 ids, and where pixels hold data and are no padding (B, 1, H, W)."""

    images: Tensor
    masks: Tensor
    inside: Tensor

    @classmethod
    def of(
        cls,
        batch: MaskedBatch,
        device: torch.device,
        ignore_label: int = IGNORE_INDEX,
        memory_format: torch.memory_format = MEMORY_FORMAT,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> Self:
        """Move bytes to the device and make numbers of them there; pixels of the ignore label become 255."""
        images, inside = unpack(batch.image, batch.size, device, pixels, memory_format)
        masks = batch.mask.to(device, non_blocking=True).long()
        if ignore_label != IGNORE_INDEX:
            masks = masks.masked_fill(masks == ignore_label, IGNORE_INDEX)
        if pixels.has_validity:
            masks = masks.masked_fill(~inside.squeeze(1), IGNORE_INDEX)
        return cls(images, masks, inside)

    def parts(self, count: int) -> Iterator["DeviceBatch"]:
        """The batch in `count` equal parts."""
        fields = (self.images.chunk(count), self.masks.chunk(count), self.inside.chunk(count))
        return (DeviceBatch(*part) for part in zip(*fields, strict=True))


class Method(ABC):
    """A generator in training: its optimiser, its schedule, and what a run asks of every method.

    With several processes each one steps on its share of the batch; what `train_step` returns are shares too, whose sum
    over the processes is the value of the whole batch.

    Args:
        generator: segmentation network.
        settings: rates and schedule.
        device: where to train, as torch's or as text: `cpu`, `cuda`, `cuda:1`.
        execution: how the networks are run.
        pixels: how images are stored and normalised.

    Attributes:
        name: as it stands in `METHODS`.
        unlabelled_batches: batches of unlabelled tiles that a step takes: 0 or 1.
        views: which of the views of an unlabelled tile are strongly augmented; for the loader, once tiles come in
            several views; none by default.
        watched: columns of metrics.csv that `train_step` and `learning_rates` fill.
    """

    name: ClassVar[str]
    unlabelled_batches: ClassVar[int] = 0
    views: ClassVar[Sequence[str]] = ()
    watched: ClassVar[Sequence[str]] = ("loss_ce", "loss_S", "learning_rate")

    def __init__(
        self,
        generator: DeepLabV2,
        settings: MethodSettings,
        device: torch.device | str,
        execution: Execution | None = None,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> None:
        self.device = device = torch.device(device)
        self.settings, self.execution, self.pixels = settings, execution or Execution(), pixels
        self.memory_format = MEMORY_FORMAT if self.execution.channels_last else torch.contiguous_format
        self.generator = place(generator, device, self.memory_format)
        set_batchnorm_momentum(self.generator, settings.bn_momentum)
        if self.execution.freeze_affine:
            freeze_batchnorm_affine(self.generator)
        groups = generator_groups(self.generator, settings)
        self.generator_optimiser = torch.optim.SGD(groups, momentum=settings.momentum, fused=True)
        if self.execution.precision == "fp16":
            begin_momentum(self.generator_optimiser)
        self.generator_scaler = self._new_scaler()
        self._run_generator = torch.compile(self.generator) if self.execution.compile else self.generator
        self._broken_step = torch.zeros((), dtype=torch.int64, device=device)  # stays there until somebody reads it

    @classmethod
    def build(
        cls,
        generator: DeepLabV2,
        settings: MethodSettings,
        device: torch.device | str,
        execution: Execution | None = None,
        pixels: PixelFormat = RGB_PIXELS,
    ) -> "Method":
        """The method around a generator, with whatever other networks it needs, freshly drawn."""
        return cls(generator, settings, device, execution, pixels)

    @abstractmethod
    def train_step(self, labelled: MaskedBatch, unlabelled: MaskedBatch | None, step: int) -> dict[str, Tensor]:
        """One step of all networks.

        Args:
            labelled: tiles with masks.
            unlabelled: tiles whose masks are not read; None where the method takes none.
            step: steps finished so far, below `num_steps`; it sets the rates.

        Returns:
            The losses and what one wants to watch, as detached scalars on the device; `loss_S` is the generator's
            whole loss; `broken_step` is the first step, counted from 1, whose losses were not finite, 0 while there is
            none; `pseudo_labels` (B, H, W), of methods that make them, holds the ids learned from, 255 elsewhere.

        Raises:
            ValueError: the step lies behind the last one, unlabelled tiles are missing, or images are not uint8.
            SettingsError: `accumulate` does not divide a batch.
        """

    # --- what a run keeps ---------------------------------------------------------------------------------------------

    def networks(self) -> Mapping[str, nn.Module]:
        """The networks that checkpoints hold, by what their files' names end in.

        It is '' for the evaluated one, and an underscore with a word for another: `_D`, `_teacher`.
        """
        return {"": self.generator}

    @property
    def evaluated(self) -> DeepLabV2:
        """The network that is validated, kept as best and predicted with."""
        return self.generator

    def realness(self, class_map: Tensor, images: Tensor) -> Tensor | None:
        """How much a method that judges class maps takes each for a person's; None where it judges none.

        Args:
            class_map: softmax, shape (B, C, H, W).
            images: bands in [0, 1], shape (B, bands, H, W).

        Returns:
            Probabilities, shape (B,).
        """
        return None

    def learning_rates(self) -> dict[str, float]:
        """The rates of the last step, by their columns; the generator's is that of its backbone."""
        return {"learning_rate": float(self.generator_optimiser.param_groups[0]["lr"])}

    # --- what a run shows ---------------------------------------------------------------------------------------------

    def curves(self) -> list[CurvePanel]:
        """Charts of what the method watches, for `curves.png`."""
        return [CurvePanel("cross-entropy on labelled tiles", {"loss_ce": "loss"})]

    def panel_notes(self) -> tuple[str, str]:
        """What a reader of `tiles.png` has to know of the labelled and of the unlabelled tiles shown there."""
        return "", ""

    def no_pseudo_label(self, score: float | None, step: int) -> str:
        """Why nothing is learned from the map of an unlabelled tile; "" where something is.

        Args:
            score: how much the method takes the map for a person's, in [0, 1]; None where it judges none.
            step: steps finished.
        """
        return "no pseudo-label: this method makes none"

    # --- what a resumed run needs -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of the method: weights, optimisers, scalers, settings."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts()}
        return state | {"settings": asdict(self.settings)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
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

    # --- pieces of a step ---------------------------------------------------------------------------------------------

    def _begin(self, step: int, *batches: MaskedBatch | None) -> None:
        """Check a step and all that it learns from, set the rates and the training mode, forget the last gradients."""
        self._check_step(step, *batches)
        factor = poly(step, self.settings.num_steps, self.settings.power)
        for group in self.generator_optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        self.generator.train()
        if self.settings.freeze_bn:
            for module in self.generator.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        self.generator_optimiser.zero_grad(set_to_none=True)

    def _check_step(self, step: int, *batches: MaskedBatch | None) -> None:
        num_steps, parts = self.settings.num_steps, self.settings.accumulate
        if not 0 <= step < num_steps:
            raise ValueError(f"step is {step}, expected 0 to {num_steps - 1}: `num_steps` is {num_steps}")
        for batch in batches:
            if batch is None:
                raise ValueError(f"{self.name} learns from unlabelled tiles too; give a batch of them, not None")
            tiles = len(batch.image)
            require(tiles % parts == 0, f"{{accumulate}} {parts} does not divide a batch of {tiles} tiles")

    def _on_device(self, batch: MaskedBatch) -> DeviceBatch:
        return DeviceBatch.of(batch, self.device, self.settings.ignore_label, self.memory_format, self.pixels)

    def _generate(self, batch: DeviceBatch) -> Tensor:
        with autocast(self.execution.precision, self.device):
            return self._run_generator(normalise(batch.images, batch.inside, self.pixels))

    def _learn_from_labelled(self, batch: DeviceBatch) -> tuple[list[tuple[DeviceBatch, Tensor]], Tensor]:
        """Cross-entropy on human masks. Its backward pass runs at once, so that one graph is alive at a time.

        Returns:
            Each part of the batch with its detached logits (B, C, H, W), and the loss of the whole batch.
        """
        labelled_pixels = distributed.total((batch.masks != IGNORE_INDEX).sum())
        predicted, losses = [], []
        for part in batch.parts(self.settings.accumulate):
            logits = self._generate(part)
            loss = cross_entropy(logits, part.masks, labelled_pixels)
            self.generator_scaler.scale(loss).backward()
            losses.append(loss.detach())
            predicted.append((part, logits.detach()))
        return predicted, torch.stack(losses).sum()

    def _step_generator(self) -> None:
        distributed.sum_gradients(self.generator.parameters())
        self.generator_scaler.step(self.generator_optimiser)
        self.generator_scaler.update()

    def _with_broken_step(self, watched: dict[str, Tensor], loss: Tensor, step: int) -> dict[str, Tensor]:
        """What a step returns; `loss` is whatever must be finite for the networks to be worth keeping."""
        is_broken = ~torch.isfinite(loss)
        self._broken_step = self._broken_step.masked_fill(is_broken & (self._broken_step == 0), step + 1)
        return watched | {"broken_step": self._broken_step}

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.execution.precision == "fp16")


def generator_groups(generator: DeepLabV2, settings: MethodSettings) -> list[dict[str, Any]]:
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
