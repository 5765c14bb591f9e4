"""Where a job runs, and what becomes of the folder that it writes to."""

from dataclasses import dataclass

from utils.settings import require


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
        require(self.random_seed >= 0, f"{{random_seed}} is {self.random_seed}, expected 0 or more")


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
