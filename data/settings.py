"""What a job reads: a data set, a list of its tiles, and where decoded tiles are kept."""

from dataclasses import dataclass
from pathlib import Path

from utils.settings import require


@dataclass(frozen=True)
class DataSettings:
    """A data set and one of its lists.

    Attributes:
        dataset: `ucm`, `deepglobe` or `custom`, in any case; result folders carry it as it is written.
        data_dir: the data set's folder.
        data_list: file of tile names, one a line.
        num_classes: number of classes that the data set is expected to have; None: not checked.
        cache_dir: folder for decoded tiles; None: `.cache` below the data set's folder.
        no_cache: decode tiles at every use.
    """

    dataset: str
    data_dir: Path
    data_list: Path
    num_classes: int | None = None
    cache_dir: Path | None = None
    no_cache: bool = False

    def __post_init__(self) -> None:
        require(
            self.num_classes is None or self.num_classes >= 2,
            f"{{num_classes}} is {self.num_classes}, expected 2 or more",
        )


@dataclass(frozen=True)
class SampleSettings:
    """How tiles become samples.

    Attributes:
        input_size: height and width of a sample in pixels.
        batch_size: samples of a batch, over all processes.
        random_scale: scale tiles by 0.5 to 1.6.
        random_mirror: mirror tiles left-right.
    """

    input_size: tuple[int, int] = (320, 320)
    batch_size: int = 10
    random_scale: bool = False
    random_mirror: bool = False

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, f"{{batch_size}} is {self.batch_size}, expected 1 or more")
        require(
            min(self.input_size) >= 16,
            f"{{input_size}} is {self.input_size[0]}×{self.input_size[1]}, expected 16 pixels or more a side",
        )
