"""What choosing tiles is told: how many, in which rounds, by which strategy."""

from dataclasses import dataclass
from decimal import Decimal

from utils.settings import as_exact, require


@dataclass(frozen=True)
class QuerySettings:
    """How many tiles to choose and how; see `utils.selection.budget` for what the shares come to.

    Attributes:
        query_strategy: a name of `utils.selection.strategies.STRATEGIES`.
        labeled_ratio: share of the list to choose, in (0, 1].
        alpha: initial pool as a share of the target, in (0, 1].
        beta: tiles of a round as a share of the initial pool, in (0, 1].
        include_initial_pool: the initial pool counts in the budget and in the result.
        dropout_passes: passes with dropout, of the strategy `bald`.
        stop_at_accuracy: end early at this accuracy on the validation list, in [0, 1]; None: spend the budget.
    """

    query_strategy: str = "margin"
    labeled_ratio: Decimal = Decimal("0.05")
    alpha: Decimal = Decimal("0.1")
    beta: Decimal = Decimal("0.5")
    include_initial_pool: bool = False
    dropout_passes: int = 20
    stop_at_accuracy: float | None = None

    def __post_init__(self) -> None:
        as_exact(self, "labeled_ratio", "alpha", "beta")
        for name in ("labeled_ratio", "alpha", "beta"):
            share = getattr(self, name)
            require(0 < share <= 1, f"{{{name}}} is {share}, expected a number above 0 and at most 1")
        require(self.dropout_passes >= 2, f"{{dropout_passes}} is {self.dropout_passes}, expected 2 or more")
