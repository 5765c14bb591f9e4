"""Query strategies: which of the unlabelled tiles to ask for next.

A strategy is one function on a `Pool` and one line in `STRATEGIES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Pool:
    """What a strategy looks at.

    Attributes:
        candidates: positions of the M unlabelled tiles in the full list.
        probabilities: class probabilities of the candidates, float32, shape (M, C).
        rng: this round's random numbers, for ties and for strategies that draw.
    """

    candidates: np.ndarray
    probabilities: Tensor
    rng: np.random.Generator


@dataclass(frozen=True)
class Choice:
    """What a strategy chose: rows of the pool in order of choice, and their utilities (higher was chosen first)."""

    rows: np.ndarray
    utilities: np.ndarray


Strategy = Callable[[Pool, int], Choice]


def margin(probabilities: Tensor) -> Tensor:
    """Utility of a tile: the closer its two likeliest classes, the higher (Scheffer et al., 2001).

    Args:
        probabilities: softmax output, shape (N, C), C >= 2.

    Returns:
        Utilities p2 - p1 in [-1, 0], shape (N,).
    """
    first, second = probabilities.topk(2, dim=1).values.unbind(dim=1)
    return second - first


def entropy(probabilities: Tensor) -> Tensor:
    """Utility of a tile: the entropy of its class probabilities in nats (Shannon, 1948).

    Args:
        probabilities: softmax output, shape (N, C).

    Returns:
        Utilities in [0, ln C], shape (N,); 0 · log 0 is 0.
    """
    return -torch.xlogy(probabilities, probabilities).sum(dim=1)


def most_useful(utility: Callable[[Tensor], Tensor]) -> Strategy:
    """The strategy that takes the tiles of highest utility; ties fall by the round's random numbers."""

    def choose(pool: Pool, count: int) -> Choice:
        utilities = utility(pool.probabilities).numpy()
        by_utility = np.lexsort((pool.rng.permutation(len(utilities)), -utilities))[:count]
        return Choice(by_utility, utilities[by_utility])

    return choose


def random(pool: Pool, count: int) -> Choice:
    """The baseline: tiles drawn without replacement; every utility is 0."""
    rows = pool.rng.permutation(len(pool.candidates))[:count]
    return Choice(rows, np.zeros(len(rows), dtype=np.float32))


STRATEGIES: dict[str, Strategy] = {
    "entropy": most_useful(entropy),
    "margin": most_useful(margin),
    "random": random,
}
