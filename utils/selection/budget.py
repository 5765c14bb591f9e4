"""How many labels a ratio buys, and how the active learner spends them (Algorithm 1 of ALS4GAN)."""

import math
from dataclasses import dataclass
from decimal import Decimal

Ratio = str | float | Decimal


def exact_product(ratio: Ratio, count: int) -> Decimal:
    """ratio × count in exact decimal arithmetic of the option's text: 0.07 × 100 is 7, where floats give 7.0…01."""
    return Decimal(str(ratio)) * count


def labelled_count(ratio: Ratio, total: int) -> int:
    """Number of labelled tiles that a ratio asks for: ceil(ratio · total)."""
    return math.ceil(exact_product(ratio, total))


@dataclass(frozen=True)
class Budget:
    """Sizes of the active learner's initial pool and rounds.

    Attributes:
        target: tiles to query in all, ceil(ratio · N).
        initial: tiles of the initial pool, max(1, floor(alpha · target)).
        per_query: tiles of a round, ceil(beta · initial).
    """

    target: int
    initial: int
    per_query: int

    @classmethod
    def of(cls, ratio: Ratio, alpha: Ratio, beta: Ratio, total: int) -> "Budget":
        """The budget for a list of `total` tiles."""
        target = labelled_count(ratio, total)
        initial = max(1, math.floor(exact_product(alpha, target)))
        return cls(target, initial, per_query=math.ceil(exact_product(beta, initial)))
