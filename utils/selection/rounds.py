"""The pool and its rounds: Algorithm 1 of ALS4GAN (Desai and Ghose, WACV 2022) on positions in a list."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from utils.selection.budget import Budget
from utils.selection.strategies import STRATEGIES, Pool


@dataclass(frozen=True)
class Round:
    """One query: tiles in order of selection, and what the classifier made of them when they were chosen.

    Attributes:
        tiles: positions in the list.
        utilities: the strategy's figure, for which each tile was chosen.
        predicted: the likeliest class of each tile; -1 before there is a classifier.
        probabilities: the probability of that class; NaN before there is a classifier.
    """

    tiles: list[int]
    utilities: list[float]
    predicted: list[int]
    probabilities: list[float]


class Prediction(NamedTuple):
    """What the classifier made of a tile when it was chosen.

    utility: the strategy's figure. scene: the likeliest class, or -1. probability: of that class, or NaN.
    """

    utility: float
    scene: int
    probability: float


@dataclass
class Selection:
    """Which tiles are labelled, which were queried, and which come next.

    Attributes:
        total: tiles in the list.
        budget: sizes of the initial pool and of the rounds.
        strategy: a name of `utils.selection.strategies.STRATEGIES`.
        seed: of the initial pool, of ties and of random choices.
        include_initial: whether the initial pool is part of the result and of the budget.
        rounds: the queries so far.
        skipped: tiles that cannot be read; they are neither learned from nor part of the result, and never asked for.
        already: tiles that have masks already; they are never asked for.
        taught: those of them whose scene class is known; they are learned from, and take the place of as many tiles of
            the initial pool.
    """

    total: int
    budget: Budget
    strategy: str
    seed: int
    include_initial: bool = False
    rounds: list[Round] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    already: frozenset[int] = frozenset()
    taught: Sequence[int] = ()

    def __post_init__(self) -> None:
        order = np.random.default_rng((self.seed, 0)).permutation(self.total)
        drawn = [int(i) for i in order if int(i) not in self.already]
        self._initial = drawn[: max(0, self.budget.initial - len(self.taught))]

    @property
    def initial(self) -> list[int]:
        """Tiles whose labels the learner starts from, drawn at random."""
        return self._readable(self._initial)

    @property
    def queried(self) -> list[int]:
        """Tiles asked for after the initial pool, in order of selection."""
        return self._readable(tile for query in self.rounds for tile in query.tiles)

    @property
    def labelled(self) -> list[int]:
        """Tiles whose scene label is known to the classifier: the initial pool and the queried ones."""
        return self.initial + self.queried

    @property
    def examples(self) -> list[int]:
        """Tiles that the classifier learns from: those labelled already whose scene class is known, then `labelled`."""
        return self._readable(self.taught) + self.labelled

    @property
    def covered(self) -> list[int]:
        """Tiles that need not be asked for any more: those with masks already, then `labelled`."""
        return self._readable(sorted(self.already)) + self.labelled

    @property
    def pool(self) -> np.ndarray:
        """Tiles that can still be asked for, in the order of the list."""
        is_left = np.ones(self.total, dtype=bool)
        is_left[self.covered + list(self.skipped)] = False
        return np.flatnonzero(is_left)

    @property
    def result(self) -> list[int]:
        """The tiles to draw masks for, in order of selection."""
        return self.labelled if self.include_initial else self.queried

    @property
    def remaining(self) -> int:
        """Tiles still to be asked for: up to the target, as far as the pool reaches."""
        return max(0, min(self.budget.target - len(self.result), len(self.pool)))

    @property
    def missing(self) -> int:
        """By how many tiles the pool ran dry before the target."""
        return max(0, self.budget.target - len(self.result) - self.remaining)

    @property
    def num_rounds(self) -> int:
        """Rounds in all, past and to come."""
        return len(self.rounds) + -(-self.remaining // self.budget.per_query)

    def predictions(self) -> dict[int, Prediction]:
        """What was predicted of each queried tile."""
        return {
            tile: Prediction(utility, scene, probability)
            for query in self.rounds
            for tile, utility, scene, probability in zip(
                query.tiles, query.utilities, query.predicted, query.probabilities, strict=True
            )
        }

    def query(
        self,
        probabilities: Tensor | None,
        features: Tensor | None = None,
        labelled_features: Tensor | None = None,
        disagreement: Tensor | None = None,
    ) -> Round:
        """Ask for the next tiles.

        Args:
            probabilities: class probabilities of `pool`, in its order, float32, shape (len(pool), C); None before
                there is a classifier: strategies that need one then choose at random.
            features, labelled_features, disagreement: what the strategy needs besides; see
                `utils.selection.strategies.Pool`.

        Returns:
            The new round, which is also appended to `rounds`.
        """
        strategy = STRATEGIES[self.strategy]
        if probabilities is None and strategy.classifier:
            strategy = STRATEGIES["random"]
        candidates = self.pool
        rng = np.random.default_rng((self.seed, 1 + len(self.rounds)))
        pool = Pool(candidates, probabilities, rng, features, labelled_features, disagreement)
        choice = strategy.choose(pool, min(self.budget.per_query, self.remaining))
        count = len(choice.rows)
        winning, predicted = torch.full((count,), torch.nan), torch.full((count,), -1)
        if probabilities is not None:
            winning, predicted = probabilities[choice.rows].max(dim=1)
        query = Round(
            tiles=[int(tile) for tile in candidates[choice.rows]],
            utilities=[float(u) for u in choice.utilities],
            predicted=predicted.tolist(),
            probabilities=winning.tolist(),
        )
        self.rounds.append(query)
        return query

    def _readable(self, tiles: Iterable[int]) -> list[int]:
        return [tile for tile in tiles if tile not in self.skipped]

    def state_dict(self) -> dict[str, Any]:
        """The rounds so far and the tiles left out; all else follows from the options."""
        return {"rounds": [asdict(query) for query in self.rounds], "skipped": sorted(self.skipped)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.rounds = [Round(**query) for query in state["rounds"]]
        self.skipped = set(state["skipped"])
