"""Jobs around a data set: its cache, and looking for mistakes before a run."""

from dataclasses import dataclass, field
from pathlib import Path

from data.settings import DataSettings
from model.networks.names import BACKBONES
from utils.fields import as_one_of, as_paths, as_size, as_text
from utils.runs.settings import MachineSettings


@dataclass(frozen=True)
class CacheReportSettings:
    """Looking at what is kept of decoded tiles: `tools/prepare_data.py cache`.

    Attributes:
        data_dir: the data set's folder.
        cache_dir: the cache folder; None: those that commands choose from.
        clear: remove what no living process uses.
    """

    data_dir: Path
    cache_dir: Path | None = None
    clear: bool = False


@dataclass(frozen=True)
class CheckSettings:
    """Looking for mistakes before a run: `tools/prepare_data.py check`.

    Attributes:
        data: the data set and the list of training tiles.
        test_list, val_list: tiles that are scored in the end, and that choose between checkpoints.
        active_learning_images_array: names that the active learner chose, `.npy` or text.
        input_size: height and width that smaller tiles are padded to in evaluation.
        backbone, restore_from: as of `NetworkSettings`.
        checkpoint_dir: where checkpoints would be saved.
        machine: where a run would work.
        out: picture of one tile, its mask and its classes.
        json: print the findings as JSON.
    """

    data: DataSettings
    test_list: Path | None = None
    val_list: Path | None = None
    active_learning_images_array: Path | None = None
    input_size: tuple[int, int] = (320, 320)
    backbone: str = "resnet101"
    restore_from: str | None = None
    checkpoint_dir: Path = Path("checkpoint")
    machine: MachineSettings = field(default_factory=MachineSettings)
    out: Path = Path("check.png")
    json: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "test_list", "val_list", "active_learning_images_array", "checkpoint_dir", "out")
        as_text(self, "restore_from")
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        as_size(self, "input_size")
