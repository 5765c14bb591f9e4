"""Settings of a run: the machine it works on, what becomes of an earlier run in its folder, what it writes."""

from dataclasses import dataclass
from pathlib import Path

from utils.compute.number_formats import PRECISIONS
from utils.fields import as_counts, as_one_of, as_paths, check_numbers
from utils.settings import require

DEVICES = ("auto", "cuda", "cpu")


@dataclass(frozen=True)
class MachineSettings:
    """Where a job runs and what its random numbers begin with.

    Attributes:
        device: `auto`, `cuda` or `cpu`; None is `auto`, unless `cuda` or `gpu` asks for CUDA.
        cuda: ask for CUDA.
        gpu: ask for this CUDA device, counted from 0.
        precision: number format of the networks: `auto`, `fp32`, `bf16` or `fp16`.
        num_workers: loader processes; None: none beside a CPU, some beside a GPU.
        random_seed: seed of everything random.
    """

    device: str | None = None
    cuda: bool = False
    gpu: int | None = None
    precision: str = "auto"
    num_workers: int | None = None
    random_seed: int = 0

    def __post_init__(self) -> None:
        as_one_of(self, "device", "device", DEVICES)
        as_one_of(self, "precision", "precision", PRECISIONS)
        as_counts(self, "gpu", "num_workers", "random_seed", least=0)


@dataclass(frozen=True)
class FolderSettings:
    """What to do where the folder of a job holds an earlier run.

    Attributes:
        resume: go on with it.
        overwrite: replace it.
    """

    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        require(
            not (self.resume and self.overwrite),
            "{resume} goes on with a run and {overwrite} replaces it; give one of them",
        )


@dataclass(frozen=True)
class KeepingSettings:
    """What a training run writes, how often, and when it ends early.

    Attributes:
        checkpoint_dir: folder of the run.
        save_pred_every: steps between checkpoints.
        save_state_every: steps between states to resume from.
        keep_last: newest checkpoints that are kept beside the best; None: all.
        eval_every: steps between validations, where there is a validation list.
        log_every: steps between lines of metrics.csv.
        max_hours: save and end after this time; None: no limit.
        save_viz: write the pseudo-labels that are learned from.
        generator_viz_dir: folder of them.
        save_after_iter: write them after this step.
    """

    checkpoint_dir: Path = Path("checkpoint")
    save_pred_every: int = 100
    save_state_every: int = 500
    keep_last: int | None = None
    eval_every: int = 500
    log_every: int = 10
    max_hours: float | None = None
    save_viz: bool = False
    generator_viz_dir: Path = Path("visualization")
    save_after_iter: int = 1000

    def __post_init__(self) -> None:
        as_paths(self, "checkpoint_dir", "generator_viz_dir")
        as_counts(self, "save_pred_every", "save_state_every", "keep_last", "eval_every", "log_every")
        as_counts(self, "save_after_iter", least=0)
        check_numbers(self, "max_hours", above=True)
