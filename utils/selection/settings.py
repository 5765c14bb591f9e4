"""Settings of choosing tiles: how many, in which rounds, by which strategy."""

from dataclasses import dataclass
from decimal import Decimal

from utils.fields import as_counts, as_exact, as_one_of, check_numbers, check_shares
from utils.selection.budget import refuse_two_counts
from utils.selection.names import FEATURES, ON_FEATURES, STRATEGY_NAMES, WITHOUT_CLASSIFIER
from utils.settings import require

DEFAULT_RATIO = Decimal("0.05")


@dataclass(frozen=True)
class QuerySettings:
    """How many tiles to choose and how; see `utils.selection.budget` for what the shares come to.

    Attributes:
        query_strategy: a name of `utils.selection.strategies.STRATEGIES`.
        labeled_ratio: share of the list to choose, in (0, 1]; None: 0.05, or as `budget` says.
        alpha: initial pool as a share of the target, in (0, 1].
        beta: tiles of a round as a share of the initial pool, in (0, 1].
        include_initial_pool: the initial pool counts in the budget and in the result.
        dropout_passes: passes with dropout, of the strategy `bald`.
        stop_at_accuracy: end early at this accuracy on the validation list, in [0, 1]; None: spend the budget.
        budget: number of tiles to choose, in place of `labeled_ratio`; None: as that says.
        features: where strategies that look at features get them from: the `classifier` as it is in that round, or the
            `pretrained` network that it began as, whose features stay the same.
    """

    query_strategy: str = "margin"
    labeled_ratio: Decimal | None = None
    alpha: Decimal = Decimal("0.1")
    beta: Decimal = Decimal("0.5")
    include_initial_pool: bool = False
    dropout_passes: int = 20
    stop_at_accuracy: float | None = None
    budget: int | None = None
    features: str = "classifier"

    def __post_init__(self) -> None:
        refuse_two_counts(self.labeled_ratio, self.budget)
        as_counts(self, "budget")
        if self.labeled_ratio is None and self.budget is None:
            object.__setattr__(self, "labeled_ratio", DEFAULT_RATIO)  # frozen, and not made yet
        as_exact(self, "labeled_ratio", "alpha", "beta")
        check_shares(self, "labeled_ratio", "alpha", "beta")
        as_one_of(self, "query_strategy", "query strategy", STRATEGY_NAMES)
        as_one_of(self, "features", "kind of features", FEATURES)
        require(
            self.features == "classifier" or self.query_strategy in ON_FEATURES,
            "{features} {} is for the strategies {}, and {query_strategy} {} looks at no features; leave it out",
            self.features,
            ", ".join(ON_FEATURES),
            self.query_strategy,
        )
        as_counts(self, "dropout_passes", least=2)
        check_numbers(self, "stop_at_accuracy", high=1)

    @property
    def learns(self) -> bool:
        """Whether tiles are chosen by what a classifier has learned from scene labels; else none are needed."""
        learned_features = self.query_strategy in ON_FEATURES and self.features == "classifier"
        return self.query_strategy not in WITHOUT_CLASSIFIER or learned_features

    @property
    def amount(self) -> str:
        """How many tiles, as it stands in names of files: a ratio as it was given, or `n20`."""
        return str(self.labeled_ratio) if self.budget is None else f"n{self.budget}"
