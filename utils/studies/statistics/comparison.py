"""Two arms of a study compared: two questions, an interval and a test for each, and what may be said.

An arm is a row of a study's plan, such as "margin, s4GAN, 10 %". Both arms have a score for each area and seed, and a
pair shares everything else. What is said rests on the permutation tests alone, after Holm's correction over all
comparisons that a report makes for the same question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.studies.statistics.bootstrap import Bounds, bounds_on_a_new_area, bounds_on_these_areas
from utils.studies.statistics.holm import holm
from utils.studies.statistics.permutation import (
    ON_A_NEW_AREA,
    ON_THESE_AREAS,
    Permutation,
    permute_areas,
    permute_pairs,
)

LEVEL = 0.05
HIGHER, LOWER, NO_DIFFERENCE = "higher", "lower", "no difference shown"


@dataclass(frozen=True)
class Answer:
    """What the pairs say to one question.

    Attributes:
        question: `ON_THESE_AREAS` or `ON_A_NEW_AREA`.
        mean: difference of the arms.
        bounds: its 95 % bootstrap interval; its coverage is simulated, and no claim rests on it.
        test: of "no difference".
        corrected: Holm's p over all comparisons of the question; None where there is no test.
        comparisons: how many these are.
    """

    question: str
    mean: float
    bounds: Bounds
    test: Permutation
    corrected: float | None
    comparisons: int = 1

    @property
    def p(self) -> float | None:
        """The test's own p, before the correction."""
        return self.test.p

    @property
    def verdict(self) -> str:
        """`higher`, `lower`, `no difference shown`, or that it cannot be said with so few areas, pairs or seeds."""
        floor = self.test.floor
        if self.corrected is None or floor is None or floor > LEVEL:
            return f"cannot be said with {self.test.short_of}"
        if floor * self.comparisons > LEVEL:  # Holm multiplies the smallest p by their number
            return f"cannot be said with {self.test.short_of} and {self.comparisons} comparisons"
        if self.corrected > LEVEL:
            return NO_DIFFERENCE
        return HIGHER if self.mean > 0 else LOWER


@dataclass(frozen=True)
class Compared:
    """Two arms compared.

    Attributes:
        wins, ties, losses: pairs in which the first arm scores higher, the same, lower.
        missing: pairs of which a score is missing.
        on_these_areas, on_a_new_area: the answers; None where a pair is missing, for a mean without it would be of
            other areas and seeds than the plan says.
    """

    wins: int
    ties: int
    losses: int
    missing: int
    on_these_areas: Answer | None
    on_a_new_area: Answer | None

    @property
    def pairs(self) -> int:
        """Pairs of the plan."""
        return self.wins + self.ties + self.losses + self.missing


def compare(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Compared:
    """Compare two arms, as if this were the only comparison; `corrected_together` is for several.

    Args:
        first, second: scores, shape (areas, seeds), areas and seeds in the same order; NaN: missing.
        seed: of resamples, and of flips where they are sampled.

    Raises:
        ValueError: the shapes differ, or hold nothing.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise ValueError(f"arms of shapes {first.shape} and {second.shape}, expected the same (areas, seeds)")
    differences = first - second
    wins, ties, losses = (int(pairs.sum()) for pairs in (differences > 0, differences == 0, differences < 0))
    if missing := int(np.isnan(differences).sum()):
        return Compared(wins, ties, losses, missing, None, None)
    mean = float(differences.mean())
    these, new = permute_pairs(differences, seed), permute_areas(differences, seed)
    return Compared(
        wins,
        ties,
        losses,
        missing,
        Answer(ON_THESE_AREAS, mean, bounds_on_these_areas(differences, seed=seed), these, these.p),
        Answer(ON_A_NEW_AREA, mean, bounds_on_a_new_area(differences, seed=seed), new, new.p),
    )


def corrected_together(comparisons: Sequence[Compared]) -> list[Compared]:
    """The comparisons of one report with Holm's correction over all of them, for each question by itself."""
    these = _corrected([comparison.on_these_areas for comparison in comparisons])
    new = _corrected([comparison.on_a_new_area for comparison in comparisons])
    return [
        replace(comparison, on_these_areas=here, on_a_new_area=there)
        for comparison, here, there in zip(comparisons, these, new, strict=True)
    ]


def _corrected(answers: Sequence[Answer | None]) -> list[Answer | None]:
    tested = [answer for answer in answers if answer is not None and answer.p is not None]
    by_answer = dict(zip(map(id, tested), holm([answer.p for answer in tested if answer.p is not None]), strict=True))
    return [
        answer and replace(answer, corrected=by_answer.get(id(answer)), comparisons=max(1, len(tested)))
        for answer in answers
    ]
