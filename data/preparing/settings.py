"""What preparing a data folder is told: where it lies, how its tiles are shared out, and what it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from data.descriptions import Exif
from data.preparing.classes import Classes, read_palette
from utils.imagery.colours import RGB
from utils.settings import require


@dataclass(frozen=True)
class Target:
    """Where to prepare, and how the tiles are shared out.

    Attributes:
        out: the data folder to be.
        test_share: share of the tiles with masks in `test.txt`, in [0, 1).
        val_share: share of the remaining ones in `val.txt`, in [0, 1).
        random_seed: seed of the lists.
        copy: copy files that could be linked.
        overwrite: replace a folder that was prepared in another way.
        new_lists: draw the lists anew where the folder that is replaced has some; False: tiles stay where they are.
    """

    out: Path
    test_share: float = 0.2
    val_share: float = 0.0
    random_seed: int = 0
    copy: bool = False
    overwrite: bool = False
    new_lists: bool = False

    def __post_init__(self) -> None:
        for name in ("test_share", "val_share"):
            share = getattr(self, name)
            require(0 <= share < 1, f"{{{name}}} is {share}, expected a number of at least 0 and below 1")


@dataclass(frozen=True)
class Cut:
    """How scenes are cut.

    Attributes:
        tile_size: height and width of a tile.
        stride: pixels from one tile to the next, at most `tile_size`; None: `tile_size`.
        min_labelled: tiles with a smaller share of labelled pixels are left out, where the scene has a mask.
        min_valid: tiles with a smaller share of pixels that hold data are left out.
        block_size: tiles of one block stay on one side of a split: side of a block in metres, or in pixels where scenes
            have no place; None: scenes stay whole. Scenes whose footprints overlap share their blocks.
        gap: training tiles nearer than this to a tile of another list are dropped, in metres or pixels; 0: none.
        group: regular expression on a scene's name; scenes with the same match stay on one side of a split.
            None: each scene for itself.
        scene_labels: `dominant`: the class of most pixels becomes a tile's scene class; None: there are none.
        exif: whether scenes and masks are turned as their EXIF orientation says.
        metres_per_pixel: scale that all scenes are brought to before they are cut, their labels too; None: they stay as
            they are, and may differ by 20 %.
    """

    tile_size: int = 320
    stride: int | None = None
    min_labelled: float = 0.0
    min_valid: float = 0.5
    block_size: float | None = None
    gap: float = 0.0
    group: str | None = None
    scene_labels: str | None = None
    exif: Exif = "apply"
    metres_per_pixel: float | None = None

    def __post_init__(self) -> None:
        require(
            self.step <= self.tile_size,
            f"{{stride}} {self.stride} exceeds {{tile_size}} {self.tile_size} and would leave gaps; lower it",
        )
        require(
            self.scene_labels in (None, "dominant"), f"{{scene_labels}} is '{self.scene_labels}', expected dominant"
        )

    @property
    def step(self) -> int:
        """Pixels from one tile to the next."""
        return self.stride or self.tile_size


@dataclass(frozen=True)
class BandSettings:
    """Which bands of scenes are used, and how their values become bytes.

    Attributes:
        bands: numbers, descriptions or colour interpretations, separated by commas; None: red, green and blue where the
            files say so, else all where there are one or three.
        value_range: `LOW,HIGH` once for all bands, or once for each: what becomes 0 and 255.
        stretch: two percentages: the percentiles that become 0 and 255, of each band over the training list; None:
            2,98 for more than 8 bits, the full range for 8.
        display_bands: names or numbers of the one or three bands that pictures show; None: red, green and blue where
            there are such, else the first ones.
    """

    bands: str | None = None
    value_range: Sequence[str] | None = None
    stretch: str | None = None
    display_bands: str | None = None

    def __post_init__(self) -> None:
        require(
            not (self.value_range and self.stretch),
            "{value_range} and {stretch} contradict each other; give one of them",
        )

    @property
    def is_default(self) -> bool:
        """Whether nothing is asked for."""
        return self == BandSettings()


@dataclass(frozen=True)
class PolygonSettings:
    """How polygons become masks.

    Attributes:
        label_field: field with class names or codes; None: the only one that could be it.
        label_layer: the layer, where the file has several.
        label_order: class names, the later above the earlier where polygons overlap; None: the order of the file.
        background: class of what no polygon covers; None: it is unlabelled.
    """

    label_field: str | None = None
    label_layer: str | None = None
    label_order: Sequence[str] | None = None
    background: str | None = None


@dataclass(frozen=True)
class DemoSettings:
    """Drawing the demo set: `tools/prepare_data.py demo`.

    Attributes:
        target: where to; its seed also draws the tiles.
        tiles_per_class: tiles of each scene class, 1 to 100.
    """

    target: Target
    tiles_per_class: int = 8
    dataset: ClassVar = "UCM"


@dataclass(frozen=True)
class UCMSettings:
    """UC Merced Land Use and DLRSD: `tools/prepare_data.py ucm`; fields as of `prepare_ucm`."""

    target: Target
    images: Path
    masks: Path | None = None
    dataset: ClassVar = "UCM"


@dataclass(frozen=True)
class DeepGlobeSettings:
    """DeepGlobe Land Cover: `tools/prepare_data.py deepglobe`; fields as of `prepare_deepglobe`."""

    target: Target
    source: Path
    class_map: Path | None = None
    dataset: ClassVar = "deepglobe"


@dataclass(frozen=True)
class ScenesSettings:
    """Own scenes, cut into tiles: `tools/prepare_data.py scenes`.

    Attributes:
        target: where to.
        images: folders or files of scenes.
        masks: folders or files of masks that are called like them, or one file of polygons; None: no scene has one.
        match: how names of masks follow from those of images, such as `patchN_(\\d+)=mask_\\1`; None: they are equal.
        palette: colours of masks of colours, as `read_palette` takes them.
        classes: names and values of masks of ids, as `read_classes` returns them.
        ignore_codes: values of masks of ids that mean "no class".
        ignore_colours: colours of masks that mean "no class".
        cut: how to cut.
        reading: which bands, and their ranges.
        polygons: how polygons become masks.
    """

    target: Target
    images: Sequence[Path]
    masks: Sequence[Path] | None = None
    match: str | None = None
    palette: str | None = None
    classes: tuple[Sequence[str], Mapping[str, Sequence[int]] | None] | None = None
    ignore_codes: Sequence[int] = ()
    ignore_colours: Sequence[RGB] | None = None
    cut: Cut = field(default_factory=Cut)
    reading: BandSettings = field(default_factory=BandSettings)
    polygons: PolygonSettings = field(default_factory=PolygonSettings)
    dataset: ClassVar = "custom"

    def __post_init__(self) -> None:
        require(self.match is None or self.masks is not None, "{match} pairs masks with images; give {masks}")
        require(
            self.cut.scene_labels is None or self.masks is not None,
            "{scene_labels} dominant counts the classes of masks; give {masks}",
        )
        found = "both" if self.palette else "neither"
        require(
            (self.palette is None) != (self.classes is None),
            f"expected {{palette}} for masks of colours or {{classes}} for masks of ids, found {found}",
        )
        require(
            self.palette is None or not self.ignore_codes,
            "{ignore_codes} are values of masks of ids; for a {palette} give {ignore_colours}",
        )

    def pixel_classes(self) -> Classes:
        """What the masks hold.

        Raises:
            OptionError: the palette cannot be read.
            DataError: the palette's file holds something else.
        """
        ignored = self.ignore_colours or ()
        if self.classes is None:
            palette = read_palette(self.palette or "")
            return Classes(list(palette), palette, ignored)
        names, codes = self.classes
        return Classes(names, None, ignored, codes, self.ignore_codes)


PreparationSettings = DemoSettings | UCMSettings | DeepGlobeSettings | ScenesSettings
