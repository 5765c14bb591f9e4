"""Settings of choosing tiles: how many, in which rounds, by which strategy."""

from dataclasses import dataclass
from decimal import Decimal

from utils.fields import as_counts, as_exact, as_one_of, check_numbers, check_shares
from utils.selection.names import STRATEGY_NAMES


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
        check_shares(self, "labeled_ratio", "alpha", "beta")
        as_one_of(self, "query_strategy", "query strategy", STRATEGY_NAMES)
        as_counts(self, "dropout_passes", least=2)
        check_numbers(self, "stop_at_accuracy", high=1)
