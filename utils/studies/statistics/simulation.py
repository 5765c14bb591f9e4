"""How often the tests claim falsely and the intervals cover the truth, in simulated studies.

    python tools/study.py simulate --studies 2000

Scores are in points of mean IoU. An arm's score is the difficulty of the area (standard deviation 8), the seed's in
that area (2), both of which its partner shares, and its own noise. The situations:

- `no effect`: both arms' noise has a standard deviation of 1 everywhere.
- `seed noise only`: noise has long tails (Student's t, 3 degrees of freedom) and a spread from 0.5 to 3, an area's own.
- `area × strategy`: as `no effect`, and the strategy's effect differs between areas with a standard deviation of 2. On
  these areas it is 0 on average: the areas' effects are centred. On a new area it is 0 on average over all areas there
  are: these are a sample, and their mean is not 0.

What a test claims falsely is counted for its own question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.studies.statistics.bootstrap import FEWEST_AREAS, clustered_ends, has_interval_here, paired_ends
from utils.studies.statistics.permutation import ON_A_NEW_AREA, ON_THESE_AREAS, flips_of, p_of_areas, p_of_pairs

SITUATIONS = ("no effect", "seed noise only", "area × strategy")
LEVEL = 0.05
AREA_SPREAD, SEED_SPREAD, EFFECT_SPREAD = 8.0, 2.0, 2.0  # points
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Rates:
    """What came of many simulated studies of one design in one situation, for one question.

    Attributes:
        situation: of `SITUATIONS`.
        question: which was asked.
        areas, seeds: the design.
        studies: how many were simulated.
        claims: share of them that claim an effect, though there is none.
        coverage: share of them whose interval holds 0, the true effect; None where the design has too few areas or
            seeds for an interval.
    """

    situation: str
    question: str
    areas: int
    seeds: int
    studies: int
    claims: float
    coverage: float | None


def simulated_rates(situation: str, question: str, areas: int, seeds: int, studies: int, seed: int = 0) -> Rates:
    """Simulate studies in which the question's true answer is "no difference"."""
    rng = np.random.default_rng([seed, SITUATIONS.index(situation), areas, seeds])
    differences = simulated_differences(situation, question, (studies, areas, seeds), rng)
    if question == ON_THESE_AREAS:
        p = p_of_pairs(differences, flips_of(areas * seeds))
        low, high = paired_ends(differences, _RESAMPLES, rng)
    else:
        p = p_of_areas(differences, flips_of(areas))
        low, high = clustered_ends(differences, _RESAMPLES, rng)
    has_interval = has_interval_here(areas, seeds) if question == ON_THESE_AREAS else areas >= FEWEST_AREAS
    covered = float(((low <= 0) & (high >= 0)).mean()) if has_interval else None
    return Rates(situation, question, areas, seeds, studies, float((p <= LEVEL).mean()), covered)


def simulated_differences(
    situation: str, question: str, shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Paired differences of studies without an effect in the question's own sense.

    Args:
        situation: of `SITUATIONS`.
        question: which is asked.
        shape: (studies, areas, seeds).
        rng: of the drawing.
    """
    studies, areas, _ = shape
    shared = rng.normal(0, AREA_SPREAD, (studies, areas, 1)) + rng.normal(0, SEED_SPREAD, shape)
    arms = shared[None] + _noise(situation, (2, *shape), rng)
    if situation == "area × strategy":
        effects = rng.normal(0, EFFECT_SPREAD, (studies, areas, 1))
        arms[0] += effects - effects.mean(axis=1, keepdims=True) if question == ON_THESE_AREAS else effects
    differences: np.ndarray = arms[0] - arms[1]
    return differences


def _noise(situation: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if situation != "seed noise only":
        return rng.normal(size=shape)
    spread = np.linspace(0.5, 3, shape[2])[:, None]
    return spread * rng.standard_t(3, size=shape)


def binomial_limit(studies: int) -> float:
    """The largest share of false claims that a true rate of 5 % explains: its 95 % interval's upper end."""
    from scipy.stats import binom

    return float(binom.ppf(0.975, studies, LEVEL)) / studies


def all_rates(designs: Sequence[tuple[int, int]], studies: int, seed: int = 0) -> Iterator[Rates]:
    """Both questions in all situations, for designs of (areas, seeds), one after the other."""
    for question in (ON_THESE_AREAS, ON_A_NEW_AREA):
        for areas, seeds in designs:
            if (areas if question == ON_A_NEW_AREA else seeds) == 1:  # nothing to flip, or nothing that tells noise
                continue
            for situation in SITUATIONS:
                if areas > 1 or situation != "area × strategy":  # the effect on one area is its mean
                    yield simulated_rates(situation, question, areas, seeds, studies, seed)
