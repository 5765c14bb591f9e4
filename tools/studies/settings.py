"""What tools/study.py is told, for each of its verbs."""

from dataclasses import dataclass
from pathlib import Path

from utils.fields import as_counts, as_one_of, as_paths, check_numbers
from utils.settings import require

KEEP = ("best", "last", "none")
STUDIES = Path("runs/studies")
DESIGNS = ((1, 6), (3, 3), (5, 2), (5, 3), (5, 5), (8, 3), (10, 3), (15, 3), (20, 2))  # areas, seeds


@dataclass(frozen=True)
class PlanSettings:
    """Saying what a study takes.

    Attributes:
        study: its TOML file.
        studies_dir: the study's results are in a folder of its name below this one.
        keep_checkpoints: which stay once a cell is scored: `best`, `last` or `none`; None: all.
        jobs: at a time on this machine; None: one for each GPU, or else for every two cores.
        threads: of each job's computations; None: an equal share of the cores.
    """

    study: Path
    studies_dir: Path = STUDIES
    keep_checkpoints: str | None = None
    jobs: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        as_paths(self, "study", "studies_dir")
        as_one_of(self, "keep_checkpoints", "kind of checkpoints", KEEP)
        as_counts(self, "jobs", "threads")


@dataclass(frozen=True)
class TimingSettings(PlanSettings):
    """Saying what a study takes, and before that timing what is not known yet.

    Attributes:
        time: time a short version of each kind of command on this machine.
        time_limit: minutes of each of them; what it has done by then counts.
    """

    time: bool = False
    time_limit: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "time_limit", above=True)


@dataclass(frozen=True)
class RunSettings(PlanSettings):
    """Running what is left of a study.

    Attributes:
        only: run only jobs whose names match one of these patterns, and those that they need; empty: all.
        dry_run: print the commands, and run none.
        max_hours: save and end after this time; None: no limit.
        config: Python file that makes Parsl's `config`; None: this machine.
    """

    only: tuple[str, ...] = ()
    dry_run: bool = False
    max_hours: float | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "only", tuple(self.only))
        as_paths(self, "config")
        check_numbers(self, "max_hours", above=True)


@dataclass(frozen=True)
class ReportSettings:
    """Writing the page and the tables of a study.

    Attributes:
        study, studies_dir: as of `PlanSettings`.
    """

    study: Path
    studies_dir: Path = STUDIES

    def __post_init__(self) -> None:
        as_paths(self, "study", "studies_dir")


@dataclass(frozen=True)
class SimulationSettings:
    """Simulating studies without any true difference.

    Attributes:
        studies: how many of each design and situation.
        designs: numbers of areas and of seeds; one of 1 and 1 has no noise to measure.
        random_seed: of the drawing.
    """

    studies: int = 2_000
    designs: tuple[tuple[int, int], ...] = DESIGNS
    random_seed: int = 0

    def __post_init__(self) -> None:
        as_counts(self, "studies")
        as_counts(self, "random_seed", least=0)
        object.__setattr__(self, "designs", tuple(tuple(design) for design in self.designs))
        for areas, seeds in self.designs:
            require(
                min(areas, seeds) > 0 and areas * seeds > 1, "{designs}: {}x{} has no noise to measure", areas, seeds
            )
