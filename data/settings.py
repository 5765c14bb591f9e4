"""Settings of what a job reads: a data set, a list of its tiles, which are labelled, samples of them, and images."""

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from data.dataset_json import load_description
from data.descriptions import DATASET_NAMES, Description, Exif
from utils.errors import warn
from utils.fields import (
    as_counts,
    as_exact,
    as_many_paths,
    as_one_of,
    as_paths,
    as_size,
    check_numbers,
    check_shares,
    known_name,
)
from utils.imagery.bands import Bands, OtherScale
from utils.selection.budget import refuse_two_counts
from utils.settings import SettingsError, require

if TYPE_CHECKING:  # with torch
    from data.cache import CacheSettings
    from data.maps.area_of_interest import AreaOfInterest
    from data.maps.images import MapImage


ALL_MASKS = "all-masks"


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
        known_name(self.dataset, "dataset", DATASET_NAMES)
        as_paths(self, "data_dir", "data_list", "cache_dir")
        as_counts(self, "num_classes", least=2)
        as_counts(self, "cache_limit", least=0)
        require(self.cache_limit != 0, "{cache_limit} is 0, expected bytes, 1 or more; {no_cache} keeps nothing")

    def description(self) -> Description:
        """The data set's description, after a check that its folder exists.

        Raises:
            OptionError: no such folder, unknown data set, or a custom one without its `dataset.json`.
        """
        if not self.data_dir.is_dir():
            raise SettingsError("{data_dir} {} is not a folder; give the data set's folder", self.data_dir)
        return load_description(self.dataset, self.data_dir)

    def check_num_classes(self, expected: int, what: str) -> None:
        """Refuse a class count that contradicts the data set.

        Raises:
            SettingsError: `num_classes` was given and is another.
        """
        if self.num_classes is not None and self.num_classes != expected:
            raise SettingsError(
                "{num_classes} {} contradicts the data set, which has {} {}; leave it out",
                self.num_classes,
                expected,
                what,
            )

    def cache(self) -> "CacheSettings | None":
        """Where decoded tiles are kept; None where they are decoded at every use."""
        from data.cache import CacheSettings

        return None if self.no_cache else CacheSettings(self.data_dir, self.cache_dir, self.cache_limit)


@dataclass(frozen=True)
class LabelledSettings:
    """Which tiles of the list are learned from with their masks.

    Attributes:
        labeled_ratio: share of the list, drawn at random where no names are given; None: all, or as the names say. A
            number or its text counts as it reads.
        active_learning: take the names that the active learner chose.
        active_learning_images_array: those names, `.npy` or text.
        budget: their number, in place of `labeled_ratio`.
        labelled: `all-masks`: every tile that has a usable mask, in place of all the others; None: as they say.
    """

    labeled_ratio: Decimal | None = None
    active_learning: bool = False
    active_learning_images_array: Path | None = None
    budget: int | None = None
    labelled: str | None = None

    def __post_init__(self) -> None:
        refuse_two_counts(self.labeled_ratio, self.budget)
        as_counts(self, "budget")
        as_exact(self, "labeled_ratio")
        check_shares(self, "labeled_ratio")
        as_paths(self, "active_learning_images_array")
        as_one_of(self, "labelled", "choice of labelled tiles", (ALL_MASKS,))
        for name in ("labeled_ratio", "budget", "active_learning_images_array"):
            require(
                self.labelled is None or getattr(self, name) is None,
                f"{{labelled}} {ALL_MASKS} takes every mask that is there; leave {{{name}}} out",
            )
        array = self.active_learning_images_array
        require(
            array is not None or not self.active_learning,
            "{active_learning} needs {active_learning_images_array}, the names that tools/train_AL.py chose",
        )
        require(
            array is None or self.active_learning,
            "{active_learning_images_array} is used with {active_learning} only; add it, or leave the array out",
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
        as_counts(self, "batch_size")
        as_size(self, "input_size")


@dataclass(frozen=True)
class AugmentationSettings:
    """How tiles become views to pre-train on.

    Attributes:
        input_size: height and width of a view in pixels.
        batch_size: tiles of a batch, over all processes.
        smallest_crop: least share of a tile's area that a view shows, in (0, 1].
        jitter: how strongly colours change: 1 as published, 0 not at all, and no view is grey or blurred.
    """

    input_size: tuple[int, int] = (112, 112)
    batch_size: int = 64
    smallest_crop: float = 0.2
    jitter: float = 1.0

    def __post_init__(self) -> None:
        as_counts(self, "batch_size", least=2)
        as_size(self, "input_size")
        check_numbers(self, "smallest_crop", above=True, high=1)
        check_numbers(self, "jitter", high=2)


@dataclass(frozen=True)
class MapSourceSettings:
    """What maps are made of: image files, or the tiles of a data set's list.

    Attributes:
        images: image files, and folders with all below them; one may stand alone.
        data_list: file of tile names, one a line, in place of `images`; needs `dataset` and `data_dir`.
        dataset: `ucm`, `deepglobe` or `custom`, in any case: of the list, or in place of a run's `options.json`.
        data_dir: the data set's folder; of a built-in one it is needed for a list only.
        scale: factor that images are resized by first: ground size of their pixels over that of the training tiles'.
        other_scale: what becomes of a scene whose metres per pixel differ by more than 20 % from those of the run:
            `refuse` it, `resample` it to the run's, or `accept` it as it is.
        exif: `apply`: turn images as their EXIF orientation says; `ignore`: do not; None: as the data set says, else
            `apply`.
        aoi: polygons outside of which nothing is mapped; None: everything is.
    """

    images: tuple[Path, ...] | None = None
    data_list: Path | None = None
    dataset: str | None = None
    data_dir: Path | None = None
    scale: float = 1.0
    other_scale: OtherScale = "refuse"
    exif: Exif | None = None
    aoi: Path | None = None

    def __post_init__(self) -> None:
        as_many_paths(self, "images")
        as_paths(self, "data_list", "data_dir", "aoi")
        as_one_of(self, "other_scale", "way", ("refuse", "resample", "accept"))
        as_one_of(self, "exif", "way", ("apply", "ignore"))
        check_numbers(self, "scale", above=True)
        if self.dataset is not None:
            known_name(self.dataset, "dataset", DATASET_NAMES)
        require((self.images is None) != (self.data_list is None), "give either {images} or {data_list}")
        require(
            self.data_list is None or (self.dataset is not None and self.data_dir is not None),
            "{data_list} needs {dataset} and {data_dir}, which say where its tiles lie",
        )
        require(
            self.data_list is None or self.scale == 1,
            "{scale} is for {images}; tiles of {data_list} are brought to tile size as in training",
        )
        require(
            self.scale == 1 or self.other_scale != "resample",
            "{scale} and {other_scale} resample both bring images to a scale; give one of them",
        )
        require(
            (self.dataset or "").lower() != "custom" or self.data_dir is not None,
            "{dataset} custom needs {data_dir}, where its dataset.json lies",
        )

    def description(self) -> Description | None:
        """The data set's description with `exif` as it is asked for; None where no data set is named.

        Raises:
            OptionError: no such folder, unknown data set, or a custom one without its `dataset.json`.
        """
        if self.dataset is None:
            return None
        if self.data_dir is None:
            described = load_description(self.dataset, Path())
        else:
            described = DataSettings(self.dataset, self.data_dir, Path()).description()
        return described if self.exif is None else replace(described, exif=self.exif)

    def find(self, bands: Bands) -> "list[MapImage]":
        """The images, in the order of the list or of their paths; each is read when it is asked for.

        Args:
            bands: that the network sees.

        Raises:
            OptionError: a path does not exist.
            DataError: there is no image, or the polygons of `aoi` cannot be used.
        """
        from data.maps.images import Fitting, images_of_list, images_of_paths

        description = self.description()
        exif = self.exif or (description.exif if description else "apply")
        fitting = Fitting(bands, self.other_scale, self.scale, exif, self._area())
        if self.images is not None:
            return images_of_paths(self.images, fitting)
        assert self.data_list is not None
        assert self.data_dir is not None
        assert description is not None
        return images_of_list(self.data_list, description, self.data_dir, fitting)

    def _area(self) -> "AreaOfInterest | None":
        if self.aoi is None:
            return None
        from data.maps.area_of_interest import AreaOfInterest  # with GDAL

        area = AreaOfInterest(self.aoi)
        for remark in area.remarks:
            warn(remark)
        return area
