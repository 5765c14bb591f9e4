"""What a data set is: where images and masks lie, which classes they hold, how their colours read as ids.

UCM, DeepGlobe and a custom set (`dataset.json`) are three descriptions read by the same code in `data.tiles`.
A new data set is one more `Description` in `BUILT_IN`, or no code at all: a `dataset.json` beside the data
(`data.dataset_json`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from utils.errors import DataError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX
from utils.patterns import TooSlowError, search_all

Exif = Literal["apply", "ignore"]  # what is done with the orientation in a file's EXIF data


@dataclass(frozen=True)
class Description:
    """A data set as its reader needs to know it.

    Attributes:
        name: `ucm`, `deepglobe` or `custom`.
        images, masks: path templates below the data folder, with `{name}` for a tile's name.
        classes: pixel classes in the order of their ids.
        colours: RGB colour of each class in pictures, same order.
        palette: RGB colour of each class in the mask files; None where the files hold ids.
        ignore_colours: further mask colours that mean "no class".
        ignore_ids: ids that mean "no class", beside 255.
        codes: values of each class in mask files of ids, same order; None: the ids themselves.
        ignore_codes: values in mask files of ids that mean "no class"; 255 does, but where `codes` say otherwise.
        ids_by_index: an index of a palette file is its id, whatever the colours of the palette.
        binary_channels: mask colours have channels of 0 or 255 only and are thresholded at 128.
        scene_classes: names of the scene classes, or None.
        scene_labels: "name" (the letters a name begins with), a `.json` map or a `.csv` file below the data folder.
        group: regular expression whose match (first group, if it has one) names the scene a tile was cut from.
        tile_size: height and width that tiles are brought to, or None where all files share one size.
        resample: how an image is brought to tile size.
        size_tolerance: pixels by which each side of a mask may differ from that of its image.
        exif: whether images and masks are turned as their EXIF orientation says.
        bands: of the images, with their ranges and normalisation.
        title: what messages call a custom set: the `name` in its `dataset.json`.
    """

    name: str
    images: str
    masks: str
    classes: tuple[str, ...]
    colours: tuple[RGB, ...]
    palette: tuple[RGB, ...] | None = None
    ignore_colours: tuple[RGB, ...] = ()
    ignore_ids: frozenset[int] = frozenset()
    codes: tuple[tuple[int, ...], ...] | None = None
    ignore_codes: frozenset[int] = frozenset()
    ids_by_index: bool = False
    binary_channels: bool = False
    scene_classes: tuple[str, ...] | None = None
    scene_labels: str | None = None
    group: str | None = None
    tile_size: int | None = None
    resample: Literal["bilinear", "area"] = "bilinear"
    size_tolerance: int = 0
    exif: Exif = "apply"
    bands: Bands = RGB_BANDS
    title: str = ""

    @property
    def num_classes(self) -> int:
        """Number of pixel classes, ids that are never used included."""
        return len(self.classes)

    @property
    def used_ids(self) -> list[int]:
        """Ids of the pixel classes that masks may hold: all but those that mean "no class"."""
        return [i for i in range(self.num_classes) if i not in self.ignore_ids]

    @property
    def legend(self) -> tuple[list[str], list[RGB]]:
        """Names and colours of the classes that masks may hold."""
        return [self.classes[i] for i in self.used_ids], [self.colours[i] for i in self.used_ids]

    def ignoring(self, label: int) -> "Description":
        """The same data set, whose masks have no class where they have this id.

        Args:
            label: a class id, or another id that mask files of ids hold; 255 changes nothing.
        """
        return self if label == IGNORE_INDEX else replace(self, ignore_ids=self.ignore_ids | {label})

    def groups_of(self, names: Sequence[str]) -> dict[str, str | None]:
        """The scene that each tile was cut from; None where the description knows no scenes, or not this one's.

        Raises:
            DataError: the expression `group` takes too long.
        """
        if self.group is None:
            return dict.fromkeys(names)
        try:
            return dict(zip(names, search_all(self.group, names), strict=True))
        except TooSlowError as error:
            raise DataError(
                f"`group` {self.group!r} finds no end in '{error.text}': {error.seconds:g} seconds were over; write it "
                "without a repetition inside a repetition, such as ^([^_]+)_"
            ) from error


UCM = Description(
    name="ucm",
    images="UCMerced_Images/{name}.tif",
    masks="UCMerced_Labels/{name}.png",
    classes=(
        "unused", "airplane", "bare soil", "buildings", "cars", "chaparral", "court", "dock", "field", "grass",
        "mobile home", "pavement", "sand", "sea", "ship", "tanks", "trees", "water",
    ),
    colours=(
        (0, 0, 0), (166, 202, 240), (128, 128, 0), (0, 0, 128), (255, 0, 0), (0, 128, 0), (128, 0, 0),
        (255, 233, 233), (160, 160, 164), (0, 128, 128), (90, 87, 255), (255, 255, 0), (255, 192, 0), (0, 0, 255),
        (255, 0, 192), (128, 0, 128), (0, 255, 0), (0, 255, 255),
    ),
    ignore_ids=frozenset({0}),
    ids_by_index=True,
    scene_classes=(
        "agricultural", "airplane", "baseballdiamond", "beach", "buildings", "chaparral", "denseresidential", "forest",
        "freeway", "golfcourse", "harbor", "intersection", "mediumresidential", "mobilehomepark", "overpass",
        "parkinglot", "river", "runway", "sparseresidential", "storagetanks", "tenniscourt",
    ),
    scene_labels="name",
    tile_size=256,
    size_tolerance=16,
)  # fmt: skip

_DEEPGLOBE_COLOURS: tuple[RGB, ...] = (
    (0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255),
)  # fmt: skip

DEEPGLOBE = Description(
    name="deepglobe",
    images="DeepGlobe_Images/{name}_sat.jpg",
    masks="DeepGlobe_Labels/{name}_mask.png",
    classes=("urban land", "agriculture land", "rangeland", "forest land", "water", "barren land"),
    colours=_DEEPGLOBE_COLOURS,
    palette=_DEEPGLOBE_COLOURS,
    ignore_colours=((0, 0, 0),),
    binary_channels=True,
    scene_classes=("urban_land", "agriculture_land", "rangeland", "forest_land", "water", "barren_land"),
    scene_labels="class_map.json",
    tile_size=320,
    resample="area",
)

BUILT_IN = {"ucm": UCM, "deepglobe": DEEPGLOBE}
DATASET_NAMES = (*BUILT_IN, "custom")


def leaves_folder(path: str) -> bool:
    """Whether a relative path, judged by its text alone, could lead out of its folder."""
    parts = re.split(r"[/\\]", path)
    return ".." in parts or path.startswith(("/", "\\")) or bool(re.match(r"[A-Za-z]:", path)) or "\0" in path
