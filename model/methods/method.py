"""What a training method is: an object with one `train_step`, found by name in `model.methods.METHODS`.

A run feeds it batches, logs what it watches, keeps its networks and its state; it knows no method by name. Another
method is one file with a subclass of `Method`, and one line in `METHODS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from model.methods.device_batch import DeviceBatch
from model.methods.ema import Teacher
from model.methods.parameter_groups import generator_groups
from model.methods.settings import Execution, MethodSettings
from model.networks.deeplabv2 import DeepLabV2, freeze_batchnorm_affine, set_batchnorm_momentum
from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.compute.device import MEMORY_FORMAT, place
from utils.compute.precision import autocast
from utils.drawing.curves import CurvePanel
from utils.imagery.images import normalise
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.optimisation.loss import cross_entropy
from utils.optimisation.lr_scheduler import poly
from utils.optimisation.optimisers import begin_momentum, load_optimiser
from utils.settings import require


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
        views: names of the strongly changed views of an unlabelled tile that a step takes; none by default, and then
            the loader neither draws nor loads what they need.
        teacher: the moving average of the generator, where the settings ask for one.
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
        self.teacher = None if settings.ema is None else Teacher(self.generator, settings.ema)
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

        It is '' for the evaluated one, and an underscore with a word for another: `_D`, `_student`.
        """
        student: dict[str, nn.Module] = {} if self.teacher is None else {"_student": self.generator}
        return {"": self.evaluated, **student}

    @property
    def evaluated(self) -> DeepLabV2:
        """The network that is validated, kept as best and predicted with: the teacher, where there is one."""
        return self.generator if self.teacher is None else self.teacher.network

    @property
    def labelling(self) -> DeepLabV2:
        """The network whose maps of unlabelled tiles become pseudo-labels, of methods that make them."""
        return self.generator

    def pseudo_label(self, probabilities: Tensor) -> Tensor:
        """What would be learned from a map of an unlabelled tile, if anything is.

        Args:
            probabilities: softmax, shape (B, C, H, W).

        Returns:
            int64 ids, shape (B, H, W); 255 where nothing is learned.
        """
        return probabilities.argmax(dim=1)

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

    def no_pseudo_label(self, score: float | None, step: int, kept: float = 1.0) -> str:
        """Why nothing is learned from the map of an unlabelled tile; "" where something is.

        Args:
            score: how much the method takes the map for a person's, in [0, 1]; None where it judges none.
            step: steps finished.
            kept: share of the tile's pixels that have a `pseudo_label`.
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
        if self.teacher is not None:
            yield "teacher", self.teacher

    # --- pieces of a step ---------------------------------------------------------------------------------------------

    def _begin(self, step: int, *batches: MaskedBatch | None) -> None:
        """Check a step and all that it learns from, set the rates and the training mode, forget the last gradients."""
        self._check_step(step, *batches)
        factor = poly(step, self.settings.num_steps, self.settings.power)
        for group in self.generator_optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        self._train_generator()
        self.generator_optimiser.zero_grad(set_to_none=True)

    def _train_generator(self) -> None:
        """Set the training mode; with `freeze_bn` BatchNorm stays in evaluation mode."""
        self.generator.train()
        if self.settings.freeze_bn:
            for module in self.generator.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()

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
        if self.teacher is not None:
            self.teacher.update(self.generator)

    def _with_broken_step(self, watched: dict[str, Tensor], loss: Tensor, step: int) -> dict[str, Tensor]:
        """What a step returns; `loss` is whatever must be finite for the networks to be worth keeping."""
        is_broken = ~torch.isfinite(loss)
        self._broken_step = self._broken_step.masked_fill(is_broken & (self._broken_step == 0), step + 1)
        return watched | {"broken_step": self._broken_step}

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.execution.precision == "fp16")
