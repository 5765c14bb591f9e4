"""Settings of evaluation and prediction: which checkpoints, and how maps are made and scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.fields import as_counts, as_paths, as_size, check_numbers
from utils.settings import SettingsError, require

FIRST_STEP, LAST_STEP = 100, 20000  # of the published range, which goes on by the first
MAX_STEPS = 1_000_000  # checkpoints of a range
MIN_SIGMA = 0.25  # pixels and levels are whole numbers: at this width the kernel of the next one is e^-8


@dataclass(frozen=True)
class RangeSettings:
    """The checkpoints of a run that are compared.

    Attributes:
        checkpoint_dir: folder of the run.
        start_eval, end_eval, step_eval: first and last step, and steps between two checkpoints; None: as the run that
            is followed says, else the published 100 to 20,000 every 100.
        all: every checkpoint of the folder, whatever its step.
        follow: wait for the checkpoints of a training that is running.
        max_idle_minutes: of a run that is followed: end where nothing in its folder has changed for so long.
        max_hours: end after this time, with what is evaluated; None: no limit.
        backbone: of the generator; None: as the run says.
    """

    checkpoint_dir: Path = Path("checkpoint")
    start_eval: int | None = None
    end_eval: int | None = None
    step_eval: int | None = None
    all: bool = False
    follow: bool = False
    max_idle_minutes: float = 60.0
    max_hours: float | None = None
    backbone: str | None = None

    def __post_init__(self) -> None:
        as_paths(self, "checkpoint_dir")
        as_counts(self, "start_eval", "end_eval", "step_eval")
        check_numbers(self, "max_idle_minutes", "max_hours", above=True)
        first = self.start_eval or (1 if self.follow else FIRST_STEP)
        last = self.end_eval or (max(LAST_STEP, first) if self.follow else LAST_STEP)
        require(last >= first, "{end_eval} {} lies before {start_eval} {}", last, first)
        steps = (last - first) // (self.step_eval or FIRST_STEP) + 1
        require(
            steps <= MAX_STEPS or self.all,
            "{start_eval}, {end_eval} and {step_eval} ask for {} checkpoints, and {} are the most; raise {step_eval}",
            steps,
            MAX_STEPS,
        )

    def settled(self, num_steps: int | None = None, save_pred_every: int | None = None) -> "RangeSettings":
        """The range with its three numbers: of a run that is followed, none that the run does not reach.

        Args:
            num_steps: steps after which the run ends; None: not known.
            save_pred_every: steps between its checkpoints.

        Raises:
            SettingsError: the range begins after the run's end.
        """
        if not self.follow:
            return replace(
                self,
                start_eval=self.start_eval or FIRST_STEP,
                end_eval=self.end_eval or LAST_STEP,
                step_eval=self.step_eval or FIRST_STEP,
            )
        last = num_steps or LAST_STEP
        every = min(self.step_eval or save_pred_every or FIRST_STEP, last)
        first, end = self.start_eval or every, min(self.end_eval or last, last)
        if first > end:
            raise SettingsError(
                "{start_eval} {} is never reached: the run in {} ends with step {}; lower it",
                first,
                self.checkpoint_dir,
                end,
            )
        return replace(self, start_eval=first, end_eval=end, step_eval=self.step_eval or every)

    def steps(self, num_steps: int | None = None, save_pred_every: int | None = None) -> Sequence[int]:
        """The steps of the settled range, and the last one of a run that is followed, which always has a checkpoint."""
        settled = self.settled(num_steps, save_pred_every)
        first, last, every = settled.start_eval or 1, settled.end_eval or LAST_STEP, settled.step_eval or 1
        steps = range(first, last + 1, every)
        takes_last = self.follow and self.end_eval is None and num_steps is not None
        return [*steps, num_steps] if takes_last and num_steps and steps[-1] != num_steps else steps


@dataclass(frozen=True)
class ViewSettings:
    """The views of a tile whose class probabilities are averaged: test-time augmentation.

    Attributes:
        scales: factors that the tile is resized by.
        flip: each scale also mirrored left-right.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        require(len(self.scales) > 0 and min(self.scales) > 0, "{scales} is {}, expected factors above 0", self.scales)
        require(len(set(self.scales)) == len(self.scales), "{scales} repeats a factor: {}", self.scales)

    @property
    def is_plain(self) -> bool:
        """Whether the tile is seen once, as it is."""
        return self.scales == (1.0,) and not self.flip


@dataclass(frozen=True)
class WindowSettings:
    """How an image of any size is read in windows.

    Attributes:
        input_size: height and width in pixels of the largest window; smaller images are seen at once. None: those of
            the run's crops; where they are not known, of its tiles, at most 768.
        overlap: least share of the largest window, in [0, 1), that neighbours have in common; each gives half of it,
            and sees the other half as context.
        batch_size: windows, or smaller images of one size, of a batch; None: by their pixels, as many as hold 768×768
            on a CPU and eight times that on a GPU.
        flip: average with the mirrored windows.
    """

    input_size: tuple[int, int] | None = None
    overlap: float = 0.125
    batch_size: int | None = None
    flip: bool = False

    def __post_init__(self) -> None:
        as_size(self, "input_size", least=1)
        as_counts(self, "batch_size")
        check_numbers(self, "overlap")
        require(self.overlap < 1, "{overlap} is {}, expected 0 or more and less than 1", self.overlap)


@dataclass(frozen=True)
class CRFSettings:
    """Parameters of the dense CRF; the defaults suit DeepLab's outputs.

    Attributes:
        iterations: mean-field updates, 0 or more.
        gaussian_sigma: width (standard deviation) of the position kernel, in pixels.
        gaussian_weight: weight of the position kernel, 0 or more; 0 drops it.
        bilateral_sigma_xy: width of the bilateral kernel in position, in pixels.
        bilateral_sigma_rgb: width of the bilateral kernel in each colour channel, in levels of 0-255.
        bilateral_weight: weight of the bilateral kernel, 0 or more; 0 drops it.

    Raises:
        SettingsError: a negative count or weight, or a width below `MIN_SIGMA`.
    """

    iterations: int = 10
    gaussian_sigma: float = 1.0
    gaussian_weight: float = 3.0
    bilateral_sigma_xy: float = 67.0
    bilateral_sigma_rgb: float = 3.0
    bilateral_weight: float = 4.0

    def __post_init__(self) -> None:
        for name in ("gaussian_sigma", "bilateral_sigma_xy", "bilateral_sigma_rgb"):
            require(
                MIN_SIGMA <= getattr(self, name) < math.inf,
                f"{name} is {{}}, expected {MIN_SIGMA} or more (weight 0 drops a kernel)",
                getattr(self, name),
            )
        for name in ("iterations", "gaussian_weight", "bilateral_weight"):
            require(0 <= getattr(self, name) < math.inf, f"{name} is {{}}, expected 0 or more", getattr(self, name))
