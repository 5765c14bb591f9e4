"""Permutation tests of paired differences between two arms of a study, for two different questions.

*On these areas*: would other seeds, in these same areas, show the same? The areas are fixed. The null hypothesis is
that the mean over these areas of the expected difference is 0; single areas may differ. Signs of pairs are flipped, and
the statistic is studentised within areas. Flipping is exact where no area has an effect, whatever the statistic (Fisher
1935, chapter 3). Where areas have effects that cancel, the flipped pairs scatter more than the seeds do, and the bare
mean would hardly ever claim anything; divided by a standard error from the same flipped pairs, it has nearly the right
distribution again (Janssen 1997; Chung and Romano 2013). Pairs of an area have to be independent given the area, and
their differences symmetric about the area's effect: seeds that act alike in all areas are not seen.

*On a new area*: would an area that nobody looked at show the same? The areas are a sample. Signs of whole areas are
flipped, for the seeds of an area are not independent; the statistic is the mean of the areas' means. With A areas no p
lies below 2 / 2^A: with 5 areas nothing can be claimed at 5 %.

Both are two-sided. What they claim falsely is simulated in `utils/studies/statistics/simulation.py`.
"""

from dataclasses import dataclass

import numpy as np

ON_THESE_AREAS, ON_A_NEW_AREA = "on these areas", "on a new area"
MOST_EXACT_UNITS = 16  # 2^15 flips at most: the other half only mirrors them
SAMPLED_FLIPS = 9_999
_NUMBERS_AT_A_TIME = 4_000_000  # of 8 bytes
_ROUNDING = 1e-9  # statistics that are equal but for the order of their sums


@dataclass(frozen=True)
class Flips:
    """Signs to multiply units with.

    Attributes:
        signs: +1 and -1, float64 of shape (flips, units); the first row flips nothing.
        exact: all flips up to a mirror image, rather than a sample of them.
    """

    signs: np.ndarray
    exact: bool

    @property
    def floor(self) -> float:
        """The smallest p: that of the flips in which all units point one way."""
        return 1 / len(self.signs)


@dataclass(frozen=True)
class Permutation:
    """What a permutation test says.

    Attributes:
        p: two-sided, in (0, 1]; None where the design does not allow the test.
        floor: the smallest p that the design allows; None likewise.
        exact: all flips were made, rather than `SAMPLED_FLIPS` of them.
        short_of: what the design has too little of to be tested or to claim, such as "5 areas".
    """

    p: float | None
    floor: float | None
    exact: bool
    short_of: str


def flips_of(units: int, seed: int = 0) -> Flips:
    """All flips of few units (`MOST_EXACT_UNITS`), else a sample with the identity in it (Phipson and Smyth 2010)."""
    if units <= MOST_EXACT_UNITS:
        codes = np.arange(2 ** (units - 1))[:, None]
        return Flips(1.0 - 2.0 * ((codes >> np.arange(units)) & 1), exact=True)
    drawn = np.random.default_rng(seed).integers(2, size=(SAMPLED_FLIPS, units))
    return Flips(np.concatenate([np.ones((1, units)), 1.0 - 2.0 * drawn]), exact=False)


def permute_pairs(differences: np.ndarray, seed: int = 0) -> Permutation:
    """Test one study's pairs for an effect on its own areas.

    Args:
        differences: of pairs, shape (areas, seeds), finite.
        seed: of the flips, where they are sampled.
    """
    areas, seeds = differences.shape
    pairs = f"{areas * seeds} {'pair' if areas * seeds == 1 else 'pairs'}"
    if seeds < 2:  # nothing tells noise from effects of areas
        return Permutation(None, None, exact=True, short_of="1 seed")
    flips = flips_of(areas * seeds, seed)
    p = float(p_of_pairs(differences[None], flips)[0])
    return Permutation(p, flips.floor, flips.exact, pairs)


def permute_areas(differences: np.ndarray, seed: int = 0) -> Permutation:
    """Test one study's pairs for an effect on areas of which these are a sample.

    Args:
        differences, seed: as of `permute_pairs`.
    """
    areas = len(differences)
    flips = flips_of(areas, seed)
    p = float(p_of_areas(differences[None], flips)[0])
    return Permutation(p, flips.floor, flips.exact, f"{areas} {'area' if areas == 1 else 'areas'}")


def p_of_pairs(differences: np.ndarray, flips: Flips) -> np.ndarray:
    """p of many studies, shape (studies,).

    Args:
        differences: shape (studies, areas, seeds), 2 seeds or more.
        flips: of areas × seeds units, in the order of the pairs.
    """
    studies, areas, seeds = differences.shape
    signs = flips.signs.reshape(-1, areas, seeds)
    p = np.empty(studies)
    for start in range(0, studies, rows := max(1, _NUMBERS_AT_A_TIME // len(signs))):
        some = differences[start : start + rows]
        total, squares = np.zeros((len(signs), len(some))), np.zeros((len(signs), len(some)))
        for area in range(areas):
            mean = signs[:, area] @ some[:, area].T / seeds
            total += mean
            squares += mean**2
        p[start : start + rows] = _share_as_large(_squared_t(total, squares, some))
    return p


def _squared_t(total: np.ndarray, squares: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """The square of a mean over its standard error within areas, but for a constant factor.

    Args:
        total: sums of areas' means, shape (flips, studies).
        squares: sums of their squares.
        differences: shape (studies, areas, seeds); no flip changes the sum of their squares.
    """
    all_squares = (differences**2).sum(axis=(1, 2))
    within = all_squares - differences.shape[2] * squares
    none = _ROUNDING * all_squares
    constant = np.where(total**2 > none, np.inf, 0.0)  # no scatter within areas
    return np.divide(total**2, within, out=constant, where=within > none)


def p_of_areas(differences: np.ndarray, flips: Flips) -> np.ndarray:
    """p of many studies, shape (studies,).

    Args:
        differences: shape (studies, areas, seeds).
        flips: of as many units as areas.
    """
    p = np.empty(len(differences))
    for start in range(0, len(differences), rows := max(1, _NUMBERS_AT_A_TIME // len(flips.signs))):
        means = differences[start : start + rows].mean(axis=2)
        p[start : start + rows] = _share_as_large(np.abs(flips.signs @ means.T))
    return p


def _share_as_large(statistics: np.ndarray) -> np.ndarray:
    """Share of flips whose statistic is at least that of the first row, shape (studies,)."""
    with np.errstate(invalid="ignore"):
        return (statistics >= statistics[:1] * (1 - _ROUNDING)).mean(axis=0)
