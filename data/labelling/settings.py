"""Settings of labelling: which tiles go out and to which tool, and how what was drawn comes back."""

from dataclasses import dataclass
from pathlib import Path

from data.descriptions import DATASET_NAMES
from utils.fields import as_one_of, as_paths, check_numbers, known_name
from utils.settings import require

TARGET_NAMES = ("qgis", "cvat", "label-studio", "folder")


@dataclass(frozen=True)
class LabelSetSettings:
    """The data set that is labelled.

    Attributes:
        data_dir: its folder.
        dataset: `ucm`, `deepglobe` or `custom`, in any case.
    """

    data_dir: Path
    dataset: str = "custom"

    def __post_init__(self) -> None:
        as_paths(self, "data_dir")
        known_name(self.dataset, "dataset", DATASET_NAMES)


@dataclass(frozen=True)
class TargetSettings:
    """What people are given.

    Attributes:
        names: the tiles, `.npy` as the active learner writes it, or text with one name a line.
        to: the tool, one of `TARGET_NAMES`.
        out: folder that is made for it.
        draft_scored: also give drafts for tiles of the data set's test.txt and val.txt.
    """

    names: Path
    to: str
    out: Path
    draft_scored: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "names", "out")
        as_one_of(self, "to", "tool", TARGET_NAMES)


@dataclass(frozen=True)
class SourceSettings:
    """How what was drawn becomes masks.

    Attributes:
        from_: what the tool wrote: a zip, a JSON or vector file, or a folder.
        replace: replace masks that are there.
        ignore_classes: classes of the tool that mean "no class", beside those called background, unlabelled or ignore.
        label_field, label_layer: of polygons in a vector file: the field with the class, and the layer.
        minutes: that all of these masks took together, where the tool does not say; None: not known.
    """

    from_: Path
    replace: bool = False
    ignore_classes: tuple[str, ...] = ()
    label_field: str | None = None
    label_layer: str | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        as_paths(self, "from_")
        check_numbers(self, "minutes")
        require("" not in self.ignore_classes, "{ignore_classes} holds an empty name; give names parted by commas")
