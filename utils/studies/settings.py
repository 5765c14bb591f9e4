"""What a study is: data sets with their areas, strategies, methods, networks, counts, seeds, and options of its jobs.

A study is the grid of all of these, or several grids. Each point is a cell: one training, its checkpoints scored on the
test tiles of its area. `utils/studies/study_file.py` reads a study from a file, `utils/studies/cells.py` lists cells.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from utils.fields import as_counts, as_one_of, as_paths, check_numbers
from utils.selection.names import STRATEGY_NAMES
from utils.settings import SettingsError, require
from utils.studies.grids import GridSettings
from utils.suggest import unknown

# What jobs do: pretrain.py, train_AL.py, train_s4gan.py, auto_evaluate.py.
COMMANDS = ("pretrain", "select", "train", "evaluate")
PRETRAINED = "pretrained"  # weights that are made on an area's training tiles
FOLDS_BY = ("group", "scene", "block")
Options = Mapping[str, Any]  # of a command, by their names with underscores

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,39}")  # no underscore: it stands between the parts of a cell's name
# What the grid says itself, and what would make jobs of one study differ from each other without being seen.
SET_BY_THE_STUDY = {
    "active_learning", "active_learning_images_array", "all", "backbone", "budget", "checkpoint_dir",
    "classifier_weights", "data_dir", "data_list", "dataset", "dataset_name", "end_eval", "follow", "keep_last",
    "labeled_ratio", "max_hours", "method", "model_name", "oracle", "overwrite", "query_strategy", "random_seed",
    "restore_from", "resume", "save_dir", "start_eval", "step_eval", "supervised_only", "test_list", "val_list",
}  # fmt: skip


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
        _check_name(self.name, "area")
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
        _check_name(self.name, "data set")
        as_paths(self, "data_dir")
        _check_options(self.options)
        given = bool(self.areas) + (self.folds is not None)
        require(given == 1, "data set {}: give either areas with their lists or folds", self.name)
        _check_unique([area.name for area in self.areas], f"areas of {self.name}")


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
        _check_name(self.name, "network")

    @property
    def is_from_random_weights(self) -> bool:
        """Whether the classifier knows nothing before its first label."""
        return self.classifier_weights.lower() == "none"

    @property
    def needs_pretraining(self) -> bool:
        """Whether something starts from weights that the study makes itself, on the training tiles of each area."""
        return PRETRAINED in (self.weights, self.classifier_weights)


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
        _check_options(self.options)


@dataclass(frozen=True)
class StudySettings:
    """A study.

    Attributes:
        name: of its folder.
        data: data sets.
        strategies: how tiles are chosen; the others are compared with the first one.
        methods: of training; the others are compared with the first one.
        networks: what is trained.
        seeds: one cell each; a pair of cells that are compared has the same.
        ratios: labelled tiles as shares of the training list; empty where `counts` says them.
        counts: numbers of labelled tiles.
        options: of the commands, common to all cells.
        rules: options of some cells; later ones win over earlier ones, and all over those of a data set.
        title: of the report.
        grids: whose union the cells are, run one after the other; empty: all is combined with all.
    """

    name: str
    data: tuple[StudyData, ...]
    strategies: tuple[str, ...]
    methods: tuple[str, ...]
    networks: tuple[StudyNetwork, ...]
    seeds: tuple[int, ...]
    ratios: tuple[Decimal, ...] = ()
    counts: tuple[int, ...] = ()
    options: Mapping[str, Options] = field(default_factory=dict)
    rules: tuple[CellRule, ...] = ()
    title: str = ""
    grids: tuple[GridSettings, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name, "study")
        for name in ("data", "strategies", "methods", "networks", "seeds"):
            require(len(getattr(self, name)) > 0, f"{name} is empty, expected one or more")
        for strategy in self.strategies:
            require(strategy in STRATEGY_NAMES, "{}", unknown("query strategy", strategy, STRATEGY_NAMES))
        require(bool(self.ratios) != bool(self.counts), "give either ratios or counts, the numbers of labelled tiles")
        for count in (*self.counts, *self.seeds):
            require(type(count) is int and count >= 0, "{} is no count or seed, expected a whole number", repr(count))
        for name in ("strategies", "methods", "seeds", "ratios", "counts"):
            _check_unique(getattr(self, name), name)
        _check_unique([data.name for data in self.data], "names of data sets")
        _check_unique([network.name for network in self.networks], "names of networks")
        require(0 not in self.counts, "counts hold 0, expected 1 or more")
        for ratio in self.ratios:
            require(0 < ratio <= 1, "ratio {} is no number above 0 and at most 1", ratio)
        _check_options(self.options)
        for rule in self.rules:
            self._check_rule(rule)
        self.whole_grids()

    @property
    def amounts(self) -> tuple[str, ...]:
        """How many labels, as it stands in names: a ratio as it was written, or `n20`."""
        return tuple(map(str, self.ratios)) + tuple(f"n{count}" for count in self.counts)

    def whole_grids(self) -> list[GridSettings]:
        """The grids, each with everything that it combines.

        Raises:
            SettingsError: one names something that the study does not have.
        """
        data, networks = (tuple(each.name for each in several) for several in (self.data, self.networks))
        everything = GridSettings(data, networks, self.amounts, self.strategies, self.methods)
        return [grid.whole(everything) for grid in self.grids or (everything,)]

    def options_of(self, command: str, data: str, **names: str) -> dict[str, Any]:
        """Options of a command for a cell: common ones, those of its data set, those of the rules that hold for it.

        Args:
            command: of `COMMANDS`.
            data: name of the cell's data set.
            names: of its area, strategy, method and network.
        """
        found = dict(self.options.get(command, {}))
        found |= next(each.options for each in self.data if each.name == data).get(command, {})
        names["data"] = data
        for rule in self.rules:
            if all(names.get(name) == value for name, value in rule.where.items()):
                found |= rule.options.get(command, {})
        return found

    def _check_rule(self, rule: CellRule) -> None:
        """Refuse a rule that holds for no cell, which is a slip of the pen."""
        known = {
            "data": [data.name for data in self.data],
            "strategy": list(self.strategies),
            "method": list(self.methods),
            "network": [network.name for network in self.networks],
        }
        for name, value in rule.where.items():
            if name in known and value not in known[name]:
                raise SettingsError("{}", unknown(f"{name} of a rule", value, known[name]))


def _check_name(name: str, what: str) -> None:
    is_right = isinstance(name, str) and _NAME.fullmatch(name) is not None
    require(is_right, "{} {} is no name: letters, digits, '.', '+' and '-', 40 at most", what, repr(name))


def _check_unique(values: Sequence[object], what: str) -> None:
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    require(not repeated, "{} hold {} twice; remove one", what, str(repeated[0]) if repeated else "")


def _check_options(options: Mapping[str, Options]) -> None:
    for command, given in options.items():
        require(command in COMMANDS, "{}", unknown("command", command, COMMANDS))
        for name in given:
            require(
                name.replace("-", "_") not in SET_BY_THE_STUDY,
                "option {} of [{}] is set by the study itself; leave it out",
                name,
                command,
            )


def words_of(options: Options) -> Iterator[str]:
    """Options as words of a command line: True is a flag, False none, a list is joined by commas."""
    for name, value in sorted(options.items()):
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif value is not False:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield from ([f"{option}={text}"] if text.startswith("-") else [option, text])
