"""Holm's step-down correction of p-values for many comparisons (Holm 1979)."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values, in the order given: claims at 5 % then hold a false one in at most 5 % of families.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below one before it, none above 1.
    The comparisons may depend on one another.
    """
    if not len(p_values):
        return []
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    corrected = np.empty(len(p))
    corrected[order] = stepped
    return [float(value) for value in corrected]
