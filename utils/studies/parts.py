"""What a study is made of: data sets with their areas, networks, variants of methods, rules for some of its cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.fields import as_counts, as_one_of, as_paths, check_numbers
from utils.settings import require
from utils.studies.options import Options, check_options
from utils.suggest import unknown

PRETRAINED = "pretrained"  # weights that are made on an area's training tiles
FOLDS_BY = ("group", "scene", "block")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,39}")  # no underscore: it stands between the parts of a cell's name


@dataclass(frozen=True)
class AreaSettings:
    """An area whose tiles are the test list once, with the lists of the trainings that are tested on it.

    Attributes:
        name: of the area.
        train: all training tiles, the pool to choose from; none of them lies in the area.
        test: tiles of the area, with masks.
        val: tiles with masks outside of the area, on which the checkpoint is chosen; None: the last one is taken.
        data_dir: folder of the data set as it was prepared for these lists, where percentiles and normalisation come
            from training tiles; None: that of the data set.
    """

    name: str
    train: Path
    test: Path
    val: Path | None = None
    data_dir: Path | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "area")
        as_paths(self, "train", "test", "val", "data_dir")


@dataclass(frozen=True)
class FoldSettings:
    """Areas that are made of a data set's own groups of tiles: each is the test area once.

    Attributes:
        by: what a tile's area is: its `group` (of `dataset.json`), or its `scene` or `block` (of `tiles.csv`).
        areas: which of them are tested; empty: all. The others are always trained on.
        val_share: share of the training tiles, whole scenes where these are known, that choose the checkpoint; 0: none.
        gap: training tiles nearer than this to a test or validation tile are dropped, in metres (pixels without place).
        seed: of the drawing of validation tiles, the same for all cells.
    """

    by: str = "group"
    areas: tuple[str, ...] = ()
    val_share: float = 0.1
    gap: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        as_one_of(self, "by", "kind of fold", FOLDS_BY)
        check_numbers(self, "val_share", high=0.9)
        check_numbers(self, "gap")
        as_counts(self, "seed", least=0)


@dataclass(frozen=True)
class StudyData:
    """A data set of a study.

    Attributes:
        name: in the study's tables.
        dataset: `ucm`, `deepglobe` or `custom`.
        data_dir: its folder.
        areas: its areas with their lists; empty where `folds` makes them.
        folds: how areas are made of it; None where `areas` names them.
        options: of the commands, for this data set.
    """

    name: str
    dataset: str
    data_dir: Path
    areas: tuple[AreaSettings, ...] = ()
    folds: FoldSettings | None = None
    options: Mapping[str, Options] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name, "data set")
        as_paths(self, "data_dir")
        check_options(self.options)
        given = bool(self.areas) + (self.folds is not None)
        require(given == 1, "data set {}: give either areas with their lists or folds", self.name)
        check_unique([area.name for area in self.areas], f"areas of {self.name}")


@dataclass(frozen=True)
class StudyNetwork:
    """What is trained: a generator and the classifier that chooses tiles for it.

    Attributes:
        name: in the study's tables.
        backbone: of the generator.
        weights: it starts from: a file, `none` or `pretrained`; None: the ImageNet file of the backbone.
        classifier: of the active learner.
        classifier_weights: it starts from: `imagenet`, `none`, `pretrained` or a file.
    """

    name: str
    backbone: str
    weights: str | None = None
    classifier: str = "res50"
    classifier_weights: str = "imagenet"

    def __post_init__(self) -> None:
        check_name(self.name, "network")

    @property
    def is_from_random_weights(self) -> bool:
        """Whether the classifier knows nothing before its first label."""
        return self.classifier_weights.lower() == "none"

    @property
    def needs_pretraining(self) -> bool:
        """Whether something starts from weights that the study makes itself, on the training tiles of each area."""
        return PRETRAINED in (self.weights, self.classifier_weights)


@dataclass(frozen=True)
class StudyVariant:
    """A method with options of its own, under a name of its own: the same method at another rate, say.

    Attributes:
        name: in the study's tables, one of its `methods`.
        method: that it is.
        options: of the commands; they win over those of its method.
    """

    name: str
    method: str
    options: Mapping[str, Options] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name, "variant")
        check_options(self.options)


@dataclass(frozen=True)
class CellRule:
    """Options that hold for some cells only.

    Attributes:
        where: which: names of what the grid varies, by `data`, `area`, `strategy`, `method` and `network`.
        options: of the commands.
    """

    where: Mapping[str, str]
    options: Mapping[str, Options]

    def __post_init__(self) -> None:
        for name in self.where:
            known = ("data", "area", "strategy", "method", "network")
            require(name in known, "{}", unknown("key of `where`", name, known))
        check_options(self.options)


def check_name(name: str, what: str) -> None:
    """Refuse what could be no part of a folder's name."""
    is_right = isinstance(name, str) and _NAME.fullmatch(name) is not None
    require(is_right, "{} {} is no name: letters, digits, '.', '+' and '-', 40 at most", what, repr(name))


def check_unique(values: Sequence[object], what: str) -> None:
    """Refuse values that are given twice."""
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    require(not repeated, "{} hold {} twice; remove one", what, str(repeated[0]) if repeated else "")
