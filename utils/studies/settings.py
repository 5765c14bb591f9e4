"""What a study is: data sets with their areas, strategies, methods, networks, counts, seeds, and options of its jobs.

A study is the grid of all of these, or several grids. Each point is a cell: one training, its checkpoints scored on the
test tiles of its area. `utils/studies/study_file.py` reads a study from a file, `utils/studies/cells.py` lists cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from utils.selection.names import STRATEGY_NAMES
from utils.settings import SettingsError, require
from utils.studies.grids import GridSettings
from utils.studies.options import Options, check_options
from utils.studies.parts import CellRule, StudyData, StudyNetwork, StudyVariant, check_name, check_unique
from utils.suggest import unknown


@dataclass(frozen=True)
class StudySettings:
    """A study.

    Attributes:
        name: of its folder.
        data: data sets.
        strategies: how tiles are chosen; the others are compared with the first one.
        methods: of training, and names of variants; the others are compared with the first one.
        networks: what is trained.
        seeds: one cell each; a pair of cells that are compared has the same.
        ratios: labelled tiles as shares of the training list; empty where `counts` says them.
        counts: numbers of labelled tiles.
        options: of the commands, common to all cells.
        rules: options of some cells; later ones win over earlier ones, and all over those of a data set.
        title: of the report.
        grids: whose union the cells are, run one after the other; empty: all is combined with all.
        variants: methods with options of their own, each under a name that stands in `methods`.
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
    variants: tuple[StudyVariant, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, "study")
        for name in ("data", "strategies", "methods", "networks", "seeds"):
            require(len(getattr(self, name)) > 0, f"{name} is empty, expected one or more")
        for strategy in self.strategies:
            require(strategy in STRATEGY_NAMES, "{}", unknown("query strategy", strategy, STRATEGY_NAMES))
        require(bool(self.ratios) != bool(self.counts), "give either ratios or counts, the numbers of labelled tiles")
        for count in (*self.counts, *self.seeds):
            require(type(count) is int and count >= 0, "{} is no count or seed, expected a whole number", repr(count))
        for name in ("strategies", "methods", "seeds", "ratios", "counts"):
            check_unique(getattr(self, name), name)
        check_unique([data.name for data in self.data], "names of data sets")
        check_unique([network.name for network in self.networks], "names of networks")
        require(0 not in self.counts, "counts hold 0, expected 1 or more")
        for ratio in self.ratios:
            require(0 < ratio <= 1, "ratio {} is no number above 0 and at most 1", ratio)
        check_options(self.options)
        for rule in self.rules:
            self._check_rule(rule)
        self._check_variants()
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

    def variant_of(self, name: str | None) -> StudyVariant | None:
        """The variant of a name of `methods`; None: it is a method itself."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def method_of(self, name: str) -> str:
        """The method that is trained under a name of `methods`."""
        variant = self.variant_of(name)
        return name if variant is None else variant.method

    def options_of(self, command: str, data: str, **names: str) -> dict[str, Any]:
        """Options of a command for a cell: common ones, those of its data set, those of the rules that hold for it.

        A variant of a method has those of its method, then its own, then those of rules that name it.

        Args:
            command: of `COMMANDS`.
            data: name of the cell's data set.
            names: of its area, strategy, method and network.
        """
        found = dict(self.options.get(command, {}))
        found |= next(each.options for each in self.data if each.name == data).get(command, {})
        names["data"] = data
        if (variant := self.variant_of(names.get("method"))) is None:
            return found | self._by_rules(command, names)
        found |= self._by_rules(command, names | {"method": variant.method})
        found |= variant.options.get(command, {})
        return found | self._by_rules(command, names, naming=variant.name)

    def _by_rules(self, command: str, names: Mapping[str, str], naming: str | None = None) -> dict[str, Any]:
        """Options of the rules that hold for a cell; with `naming`, only of rules whose `method` is that name."""
        found: dict[str, Any] = {}
        for rule in self.rules:
            holds = all(names.get(name) == value for name, value in rule.where.items())
            if holds and naming in (None, rule.where.get("method")):
                found |= rule.options.get(command, {})
        return found

    def _check_variants(self) -> None:
        """Refuse variants that are not trained, or of which it is not said what they are."""
        names = [variant.name for variant in self.variants]
        check_unique(names, "names of variants")
        for variant in self.variants:
            is_trained = variant.name in self.methods
            listed = ", ".join(self.methods)
            require(is_trained, "variant {} is none of the methods, {}; add it to them", variant.name, listed)
            is_method = variant.method not in names
            require(is_method, "variant {} is of a variant, {}; give a method", variant.name, variant.method)

    def _check_rule(self, rule: CellRule) -> None:
        """Refuse a rule that holds for no cell, which is a slip of the pen."""
        known = {
            "data": [data.name for data in self.data],
            "strategy": list(self.strategies),
            "method": list(dict.fromkeys([*self.methods, *map(self.method_of, self.methods)])),
            "network": [network.name for network in self.networks],
        }
        for name, value in rule.where.items():
            if name in known and value not in known[name]:
                raise SettingsError("{}", unknown(f"{name} of a rule", value, known[name]))
