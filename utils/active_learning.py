"""The pool and its rounds: Algorithm 1 of ALS4GAN (Desai and Ghose, WACV 2022) on positions in a list."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from utils.budget import Budget
from utils.query import STRATEGIES, Pool


@dataclass(frozen=True)
class Round:
    """One query: tiles in order of selection, and what the classifier thought of them when they were chosen.

    Attributes:
        tiles: positions in the list.
        utilities: the strategy's figure, higher was chosen first.
        predicted: the likeliest class of each tile.
        probabilities: the probability of that class.
    """

    tiles: list[int]
    utilities: list[float]
    predicted: list[int]
    probabilities: list[float]


@dataclass
class Selection:
    """Which tiles are labelled, which were queried, and which come next.

    Attributes:
        total: tiles in the list.
        budget: sizes of the initial pool and of the rounds.
        strategy: a name of `utils.query.STRATEGIES`.
        seed: of the initial pool, of ties and of random choices.
        include_initial: whether the initial pool is part of the result and of the budget.
        rounds: the queries so far.
    """

    total: int
    budget: Budget
    strategy: str
    seed: int
    include_initial: bool = False
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = np.random.default_rng((self.seed, 0)).permutation(self.total)
        self.initial = [int(i) for i in order[: self.budget.initial]]

    @property
    def queried(self) -> list[int]:
        """Tiles asked for after the initial pool, in order of selection."""
        return [tile for query in self.rounds for tile in query.tiles]

    @property
    def labelled(self) -> list[int]:
        """Tiles whose scene label is known to the classifier: the initial pool and the queried ones."""
        return self.initial + self.queried

    @property
    def pool(self) -> np.ndarray:
        """Tiles that can still be asked for, in the order of the list."""
        is_labelled = np.zeros(self.total, dtype=bool)
        is_labelled[self.labelled] = True
        return np.flatnonzero(~is_labelled)

    @property
    def result(self) -> list[int]:
        """The tiles to draw masks for, in order of selection."""
        return self.labelled if self.include_initial else self.queried

    @property
    def remaining(self) -> int:
        """Tiles still to be asked for: up to the target, as far as the pool reaches."""
        return max(0, min(self.budget.target - len(self.result), self.total - len(self.labelled)))

    @property
    def missing(self) -> int:
        """By how many tiles the pool ran dry before the target."""
        return max(0, self.budget.target - len(self.result) - self.remaining)

    @property
    def num_rounds(self) -> int:
        """Rounds in all, past and to come."""
        return len(self.rounds) + -(-self.remaining // self.budget.per_query)

    def query(self, probabilities: Tensor) -> Round:
        """Ask for the next tiles.

        Args:
            probabilities: class probabilities of `pool`, in its order, float32, shape (len(pool), C).

        Returns:
            The new round, which is also appended to `rounds`.
        """
        pool = self.pool
        rng = np.random.default_rng((self.seed, 1 + len(self.rounds)))
        count = min(self.budget.per_query, self.remaining)
        choice = STRATEGIES[self.strategy](Pool(pool, probabilities, rng), count)
        winning, predicted = probabilities[choice.rows].max(dim=1)
        query = Round(
            tiles=[int(tile) for tile in pool[choice.rows]],
            utilities=[float(u) for u in choice.utilities],
            predicted=predicted.tolist(),
            probabilities=winning.tolist(),
        )
        self.rounds.append(query)
        return query

    def state_dict(self) -> dict[str, Any]:
        """The rounds so far; all else follows from the options."""
        return {"rounds": [asdict(query) for query in self.rounds]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.rounds = [Round(**query) for query in state["rounds"]]
