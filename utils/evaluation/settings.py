"""What evaluation and prediction are told: which checkpoints, and how maps are made and scored."""

from dataclasses import dataclass
from pathlib import Path

from utils.settings import require


@dataclass(frozen=True)
class RangeSettings:
    """The checkpoints of a run that are compared.

    Attributes:
        checkpoint_dir: folder of the run.
        start_eval, end_eval, step_eval: first and last step, and steps between two checkpoints.
        all: every checkpoint of the folder, whatever its step.
        follow: wait for the checkpoints of a training that is running.
        max_hours: end after this time, with what is evaluated; None: no limit.
        backbone: of the generator; None: as the run says.
    """

    checkpoint_dir: Path = Path("checkpoint")
    start_eval: int = 100
    end_eval: int = 20000
    step_eval: int = 100
    all: bool = False
    follow: bool = False
    max_hours: float | None = None
    backbone: str | None = None

    def __post_init__(self) -> None:
        require(self.step_eval >= 1, f"{{step_eval}} is {self.step_eval}, expected 1 or more")
        require(
            self.end_eval >= self.start_eval,
            f"{{end_eval}} {self.end_eval} lies before {{start_eval}} {self.start_eval}",
        )


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
        require(len(self.scales) > 0 and min(self.scales) > 0, f"{{scales}} is {self.scales}, expected factors above 0")
        require(len(set(self.scales)) == len(self.scales), f"{{scales}} repeats a factor: {self.scales}")
