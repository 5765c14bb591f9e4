"""What a job reads: a data set, a list of its tiles, and where decoded tiles are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.dataset_json import load_description
from data.descriptions import Description
from utils.settings import SettingsError, require

if TYPE_CHECKING:  # with torch
    from data.cache import CacheSettings


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
        cache_limit: bytes that the folder for decoded tiles may take; None: 20 GB, or a fifth of what would be free
            without it if that is less.
    """

    dataset: str
    data_dir: Path
    data_list: Path
    num_classes: int | None = None
    cache_dir: Path | None = None
    no_cache: bool = False
    cache_limit: int | None = None

    def __post_init__(self) -> None:
        require(
            self.cache_limit is None or self.cache_limit >= 1,
            f"{{cache_limit}} is {self.cache_limit}, expected bytes, 1 or more; {{no_cache}} keeps nothing",
        )
        require(
            self.num_classes is None or self.num_classes >= 2,
            f"{{num_classes}} is {self.num_classes}, expected 2 or more",
        )

    def description(self) -> Description:
        """The data set's description, after a check that its folder exists.

        Raises:
            OptionError: no such folder, unknown data set, or a custom one without its `dataset.json`.
        """
        if not self.data_dir.is_dir():
            raise SettingsError(f"{{data_dir}} {self.data_dir} is not a folder; give the data set's folder")
        return load_description(self.dataset, self.data_dir)

    def check_num_classes(self, expected: int, what: str) -> None:
        """Refuse a class count that contradicts the data set.

        Raises:
            SettingsError: `num_classes` was given and is another.
        """
        if self.num_classes is not None and self.num_classes != expected:
            raise SettingsError(
                f"{{num_classes}} {self.num_classes} contradicts the data set, which has {expected} {what}; "
                "leave it out"
            )

    def cache(self) -> "CacheSettings | None":
        """Where decoded tiles are kept; None where they are decoded at every use."""
        from data.cache import CacheSettings

        return None if self.no_cache else CacheSettings(self.data_dir, self.cache_dir, self.cache_limit)


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
