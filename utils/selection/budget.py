"""How many labels a ratio buys, and how the active learner spends them (Algorithm 1 of ALS4GAN)."""

import math
from dataclasses import dataclass
from decimal import Decimal

from utils.settings import require

Ratio = str | float | Decimal


def exact_product(ratio: Ratio, count: int) -> Decimal:
    """ratio × count in exact decimal arithmetic of the option's text: 0.07 × 100 is 7, where floats give 7.0…01."""
    return Decimal(str(ratio)) * count


def labelled_count(ratio: Ratio, total: int) -> int:
    """Number of labelled tiles that a ratio asks for: ceil(ratio · total)."""
    return math.ceil(exact_product(ratio, total))


def count_of(ratio: Ratio | None, budget: int | None, total: int) -> int | None:
    """Number of labelled tiles that a ratio or a budget asks for; None where neither is given.

    Raises:
        SettingsError: the list is shorter than the budget.
    """
    if budget is not None:
        require(budget <= total, "{budget} {} exceeds the {} tiles of {data_list}; lower it", budget, total)
        return budget
    return None if ratio is None else labelled_count(ratio, total)


def refuse_two_counts(ratio: Ratio | None, budget: int | None) -> None:
    """Refuse a ratio together with a budget.

    Raises:
        SettingsError: both are given.
    """
    require(
        ratio is None or budget is None,
        "{budget} {} and {labeled_ratio} {} both say how many tiles; give one of them",
        budget,
        ratio,
    )


@dataclass(frozen=True)
class Budget:
    """Sizes of the active learner's initial pool and rounds.

    Attributes:
        target: tiles to query in all, ceil(ratio · N), or a number that was given.
        initial: tiles of the initial pool, max(1, floor(alpha · target)); 0 where nothing is learned.
        per_query: tiles of a round, ceil(beta · max(1, floor(alpha · target))).
    """

    target: int
    initial: int
    per_query: int

    @classmethod
    def of(cls, ratio: Ratio, alpha: Ratio, beta: Ratio, total: int) -> "Budget":
        """The budget for a list of `total` tiles."""
        return cls.of_count(labelled_count(ratio, total), alpha, beta)

    @classmethod
    def of_count(cls, target: int, alpha: Ratio, beta: Ratio) -> "Budget":
        """The budget for `target` tiles."""
        initial = max(1, math.floor(exact_product(alpha, target)))
        return cls(target, initial, per_query=math.ceil(exact_product(beta, initial)))
