"""Parts of a study's grid: which strategies, methods and networks are combined with each other."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from utils.settings import require
from utils.suggest import unknown


@dataclass(frozen=True)
class GridSettings:
    """A grid of cells: all combinations of what it names; what it leaves empty is everything that the study has.

    A study with several grids is their union, so that not every method has to be run with every strategy.

    Attributes:
        data: names of data sets.
        networks: names of networks.
        amounts: labels: ratios as they are written, or `n20`.
        strategies: how tiles are chosen.
        methods: of training.
    """

    data: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    def whole(self, study: "GridSettings") -> "GridSettings":
        """The grid with what it leaves empty filled in, in the order of the study.

        Args:
            study: everything that the study has.

        Raises:
            SettingsError: the grid names something that the study does not have, or something twice.
        """
        return GridSettings(*(_chosen(f.name, getattr(self, f.name), getattr(study, f.name)) for f in fields(study)))


def _chosen(name: str, chosen: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for value in chosen:
        require(value in known, "{}", unknown(f"value in `{name}` of a grid", value, known))
    require(len(set(chosen)) == len(chosen), "`{}` of a grid holds a value twice; remove one", name)
    return tuple(value for value in known if value in chosen) if chosen else tuple(known)
