"""The cells of a study: one training each, at one point of the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from utils.settings import SettingsError
from utils.studies.parts import StudyNetwork
from utils.studies.settings import StudySettings

BESIDE_STRATEGY = ("data", "area", "network", "amount", "method", "seed")
BESIDE_METHOD = ("data", "area", "network", "amount", "strategy", "seed")


@dataclass(frozen=True, order=True)
class Cell:
    """A point of the grid.

    Attributes:
        data: name of the data set.
        area: that is tested on.
        network: name of what is trained.
        amount: of labels: a ratio as it was written, or `n20`.
        strategy: that chose them.
        method: of training.
        seed: of everything random, the choice and the training.
    """

    data: str
    area: str
    network: str
    amount: str
    strategy: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder below that of the study."""
        parts = (self.data, self.area, self.network, self.amount, self.strategy.replace("_", "-"), self.method)
        return "_".join((*parts, f"seed{self.seed}"))

    @property
    def arm(self) -> "Cell":
        """What cells of all areas and seeds have in common that are compared as one: they are blank."""
        return replace(self, area="", seed=0)


def cells_of(study: StudySettings, areas: Mapping[str, Sequence[str]]) -> list[Cell]:
    """All cells, in the order they are run in: of each grid, all of the first seed before the second one begins.

    Args:
        study: the study.
        areas: names of the areas of each data set.

    Raises:
        SettingsError: a rule is about an area that is in no data set.
    """
    known = {area for names in areas.values() for area in names}
    for rule in study.rules:
        if "area" in rule.where and rule.where["area"] not in known:
            raise SettingsError("no data set has the area {} of a rule; correct its `where`", rule.where["area"])
    cells = (
        Cell(data, area, network, amount, strategy, method, seed)
        for grid in study.whole_grids()
        for seed in study.seeds
        for data in grid.data
        for area in areas[data]
        for network in grid.networks
        for amount in grid.amounts
        for strategy in grid.strategies
        for method in grid.methods
    )
    return list(dict.fromkeys(cells))  # grids may overlap


def network_of(study: StudySettings, cell: Cell) -> StudyNetwork:
    """The network of a cell."""
    return next(network for network in study.networks if network.name == cell.network)


def options_of(study: StudySettings, command: str, cell: Cell) -> dict[str, object]:
    """A command's options for a cell; see `StudySettings.options_of`."""
    names = {name: getattr(cell, name) for name in ("area", "strategy", "method", "network")}
    return study.options_of(command, cell.data, **names)
