"""What tools/benchmark.py is told."""

from dataclasses import dataclass, field
from pathlib import Path

from data.settings import DataSettings
from utils.runs.settings import MachineSettings
from utils.settings import require

PARTS = ("train", "learner", "evaluation", "checkpoint", "pool", "methods")


@dataclass(frozen=True)
class Sizes:
    """Networks, tiles and batches that are measured.

    Attributes:
        backbone: of the generator.
        model_name: network of the learner.
        batch_size: labelled, and again unlabelled, tiles of a step; tiles of an evaluation's batch.
        input_size: height and width of tiles, crops and windows.
        steps: measured steps.
        map_side: pixels of a side of the image that a map is made of.
    """

    backbone: str = "resnet101"
    model_name: str = "res50"
    batch_size: int = 10
    input_size: tuple[int, int] = (320, 320)
    steps: int = 10
    map_side: int = 2048


QUICK = Sizes("tiny", "tiny", 2, (64, 64), 2, 256)


@dataclass(frozen=True)
class BenchmarkSettings:
    """Measuring: `tools/benchmark.py`.

    Attributes:
        sizes: of networks, tiles and batches.
        data: tiles to train on; None: noise in memory.
        machine: where it runs.
        parts: names of `PARTS`.
        all: everything but pools, each precision compiled and not, as one table.
        quick: fewer kinds of training steps in that table.
        plain: also measure fp32, contiguous, without cache and loader processes.
        compile: compile the networks.
        query_strategy, pool_tiles: of the part `pool`, and the sizes of its pools.
        out: the file that is written.
    """

    sizes: Sizes
    out: Path
    data: DataSettings | None = None
    machine: MachineSettings = field(default_factory=MachineSettings)
    parts: tuple[str, ...] = PARTS[:4]
    all: bool = False
    quick: bool = False
    plain: bool = False
    compile: bool = False
    query_strategy: str = "margin"
    pool_tiles: tuple[int, ...] = (2000, 100000)

    def __post_init__(self) -> None:
        require(
            not self.all or not (self.data or self.plain or self.compile),
            "{all} measures made tiles, compiled and not; leave out {dataset}, {plain} and {compile}",
        )
