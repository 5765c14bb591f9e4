"""What training methods are told: weights of losses, rates and schedules. Defaults are the published ones."""

from dataclasses import dataclass, field, fields
from typing import ClassVar

from utils.fields import check_numbers
from utils.settings import require

PUBLISHED_STEPS = 20000  # of a run


@dataclass(frozen=True)
class MethodSettings:
    """What every method needs: the schedule of the generator's SGD, and what it learns from.

    A method has its own subclass, which says what is to be known of it without torch.

    Attributes:
        name: of the method, as it stands in `model.methods.METHODS`.
        has_discriminator: whether its networks include one, as `_D`.
        makes_pseudo_labels: whether its steps return `pseudo_labels`.
        num_steps: steps of the whole run, over which the rates fall.
        learning_rate: of the generator's backbone; its head learns 10 and 20 times as fast.
        power: of the polynomial schedule.
        momentum, weight_decay: of SGD.
        ignore_label: mask id that is not learned from, beside 255.
        bn_momentum: share of a new batch in BatchNorm's running statistics.
        freeze_bn: BatchNorm uses the loaded statistics as they are.
        accumulate: equal parts that a batch is split into, one after the other, to save memory.
        ema: decay of a teacher, the moving average of the generator over the steps, which is then what is evaluated and
            kept; None: there is none.
    """

    name: ClassVar[str] = ""
    has_discriminator: ClassVar[bool] = False
    makes_pseudo_labels: ClassVar[bool] = False

    num_steps: int = PUBLISHED_STEPS
    learning_rate: float = 2.5e-4
    power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 5e-4
    ignore_label: int = 255
    bn_momentum: float = 0.1
    freeze_bn: bool = False
    accumulate: int = 1
    ema: float | None = None

    def __post_init__(self) -> None:
        require(self.num_steps >= 1, f"{{num_steps}} is {self.num_steps}, expected 1 or more")
        require(self.learning_rate > 0, f"{{learning_rate}} is {self.learning_rate}, expected a number above 0")
        require(0 <= self.ignore_label <= 255, f"{{ignore_label}} is {self.ignore_label}, expected an id of 0 to 255")
        require(self.accumulate >= 1, f"{{accumulate}} is {self.accumulate}, expected 1 or more")
        check_numbers(self, "ema", high=1)

    def check_save_viz(self, save_viz: bool) -> None:
        """Refuse to write the pseudo-labels of a method that makes none.

        Raises:
            SettingsError: `save_viz` is True for such a method.
        """
        needed = f"{{save_viz}} writes pseudo-labels, and the method {self.name} makes none; leave it out"
        require(self.makes_pseudo_labels or not save_viz, needed)

    def on_labelled_tiles_alone(self) -> "SupervisedSettings":
        """The same training without unlabelled tiles: supervised, with what any method is told."""
        return SupervisedSettings(**{shared.name: getattr(self, shared.name) for shared in fields(MethodSettings)})

    def in_words(self) -> str:
        """What is made of the tiles, and from when on."""
        return self._learning() + ("" if self.ema is None else f", evaluated as a teacher of decay {self.ema:g}")

    def _learning(self) -> str:
        return self.name


@dataclass(frozen=True)
class SupervisedSettings(MethodSettings):
    """Supervised training needs nothing besides."""

    name: ClassVar[str] = "supervised"

    def _learning(self) -> str:
        return "labelled tiles alone"


@dataclass(frozen=True)
class S4GANSettings(MethodSettings):
    """What s4GAN needs besides (Mittal et al., TPAMI 2021).

    Attributes:
        threshold_st: self-training learns from maps that the discriminator takes for human ones with a probability
            above this.
        learning_rate_D: of the discriminator's Adam.
        lambda_fm, lambda_st: weights of feature matching and of self-training.
        st_start: first step with self-training; None: min(1000, num_steps // 20).
    """

    name: ClassVar[str] = "s4gan"
    has_discriminator: ClassVar[bool] = True
    makes_pseudo_labels: ClassVar[bool] = True

    threshold_st: float = field(kw_only=True)  # no default: what is worth believing depends on the data
    learning_rate_D: float = 1e-4
    lambda_fm: float = 0.1
    lambda_st: float = 1.0
    st_start: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        is_given = self.threshold_st is not None  # the command has no default for it either
        require(is_given and 0 <= self.threshold_st <= 1, "s4gan needs {threshold_st}, a number of 0 to 1 such as 0.6")
        require(self.learning_rate_D > 0, f"{{learning_rate_D}} is {self.learning_rate_D}, expected a number above 0")

    @property
    def self_training_start(self) -> int:
        """First step with self-training."""
        return min(1000, self.num_steps // 20) if self.st_start is None else self.st_start

    def _learning(self) -> str:
        return f"self-training from step {self.self_training_start}"


@dataclass(frozen=True)
class ConsistencySettings(MethodSettings):
    """What methods need besides that learn strongly changed views from the labels of weakly changed ones.

    Attributes:
        pseudo_threshold: a pixel is learned from where its likeliest class has this probability or more; above 1 none
            is.
    """

    makes_pseudo_labels: ClassVar[bool] = True

    pseudo_threshold: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "pseudo_threshold")

    def _learning(self) -> str:
        return f"pseudo-labels where the confidence is {self.pseudo_threshold:g} or more"


@dataclass(frozen=True)
class FixMatchSettings(ConsistencySettings):
    """What FixMatch with CutMix needs besides (Sohn et al., NeurIPS 2020; French et al., BMVC 2020): its teacher."""

    name: ClassVar[str] = "fixmatch"

    ema: float | None = 0.996

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ema is not None, "fixmatch needs {ema}, the decay of the teacher that labels, such as 0.996")


@dataclass(frozen=True)
class UniMatchSettings(ConsistencySettings):
    """UniMatch needs nothing besides (Yang et al., CVPR 2023)."""

    name: ClassVar[str] = "unimatch"


@dataclass(frozen=True)
class Execution:
    """How networks are run, which changes speed and memory, and numbers in their last digits alone.

    Attributes:
        precision: `fp32`, `bf16` or `fp16`; losses stay in float32.
        compile: compile the networks.
        channels_last: keep images and weights in the layout that convolutions are fastest on.
        freeze_affine: keep BatchNorm's scale and shift as they were loaded: from ImageNet weights.
    """

    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = True
    freeze_affine: bool = False
