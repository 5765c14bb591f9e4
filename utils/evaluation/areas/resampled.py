"""Error-adjusted areas whose intervals come from resampling whole tiles or scenes.

The pixels of a tile are alike, and so are the tiles of a scene: a formula that takes each pixel for an observation of
its own promises far too much. What is drawn again is what was drawn: tiles, or scenes where they are known.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from utils.errors import DataError
from utils.evaluation.areas.stratified import adjusted, row_shares
from utils.evaluation.areas.units import Units
from utils.evaluation.intervals import FEWEST_UNITS, FEWEST_UNITS_OF_A_CLASS, Ends, ends_of, resampled_sums

_UNKNOWN = 0.01  # share of the map, of classes that nothing is known of, up to which they are taken as mapped
_THIN = 0.05  # of a class's share: what may come from mapped classes that too few units hold


@dataclass(frozen=True)
class AdjustedAreas:
    """How much of each class there is in truth, in the unit of the mapped areas; classes in the order of their ids.

    Attributes:
        mapped: area mapped as each class.
        areas: its adjusted area; both add up to the same.
        ends: of the 95 % interval of each adjusted area; None where too few units tell.
        overall: estimated share of the area that is mapped right.
        as_mapped: classes whose mapped area was kept: nothing was mapped as them where the truth is known.
        units, unit: how many "scenes" or "tiles" were resampled.
    """

    mapped: tuple[float, ...]
    areas: tuple[float, ...]
    ends: tuple[Ends, ...]
    overall: float
    as_mapped: tuple[int, ...]
    units: int
    unit: str

    @property
    def why_none(self) -> str:
        """Why no class has an interval; empty where one has."""
        if any(low is not None for low, _ in self.ends):
            return ""
        if self.units < FEWEST_UNITS:
            unit = self.unit.removesuffix("s") if self.units == 1 else self.unit
            return f"too few for intervals ({self.units} {unit}, {FEWEST_UNITS} are needed)"
        return f"no class is in {FEWEST_UNITS_OF_A_CLASS} {self.unit}, which an interval needs"


def adjusted_areas(
    tiles: Tensor,
    mapped: Sequence[float] | np.ndarray,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> AdjustedAreas:
    """Adjusted areas of a map, from the confusion of the same network on tiles whose truth is known.

    They hold as far as what the network confuses on those tiles is what it confuses on the map.

    Args:
        tiles: confusion matrices, shape (N, C, C), rows are the truth.
        mapped: area that the map gives each class, such as hectares or pixels, shape (C,).
        groups: the scene of each tile; None: each tile stands for itself.
        resamples, seed: of the bootstrap.

    Raises:
        DataError: nothing is mapped, or too much of it as classes that were never mapped on the tiles.
    """
    return adjusted_areas_of_units(Units.of(tiles, groups), mapped, resamples, seed)


def adjusted_areas_of_units(
    units: Units, mapped: Sequence[float] | np.ndarray, resamples: int = 1000, seed: int = 0
) -> AdjustedAreas:
    """As `adjusted_areas`, of units that are resampled."""
    areas = np.asarray(mapped, dtype=np.float64)
    whole = areas.sum()
    if not (areas >= 0).all() or not 0 < whole < np.inf:
        raise DataError(f"the mapped areas are {_few(areas)}, expected numbers of 0 and more, and one above 0")
    weights, total = areas / whole, units.total.T.copy()
    unknown = np.flatnonzero((weights > 0) & (total.sum(axis=1) == 0))
    if weights[unknown].sum() > _UNKNOWN:
        raise DataError(
            f"{weights[unknown].sum():.1%} of the map are of classes (ids {', '.join(map(str, unknown))}) that the "
            "network never predicted where the truth is known, so that nothing tells what they are; evaluate it on "
            "tiles like those of the map"
        )
    total[unknown, unknown] = 1  # kept as mapped
    estimates = adjusted(total, weights)
    ends = _ends(units, total, weights, estimates.shares, resamples, seed)
    scaled = tuple((None, None) if low is None or high is None else (low * whole, high * whole) for low, high in ends)
    return AdjustedAreas(
        tuple(areas.tolist()),
        tuple((whole * estimates.shares).tolist()),
        scaled,
        float(estimates.overall),
        tuple(unknown.tolist()),
        units.number,
        units.unit,
    )


def _few(areas: np.ndarray) -> str:
    shown = ", ".join(f"{area:g}" for area in areas[:6])
    return shown + (", …" if len(areas) > 6 else "") or "none"


def _ends(
    units: Units, total: np.ndarray, weights: np.ndarray, shares: np.ndarray, resamples: int, seed: int
) -> list[Ends]:
    """Intervals of the adjusted shares. In a resample that lacks a mapped class, what it is stays as in all units."""
    ends: list[Ends] = [(None, None)] * len(weights)
    thin = np.where(units.with_map < FEWEST_UNITS_OF_A_CLASS, weights, 0.0)
    from_thin = (thin[:, None] * np.nan_to_num(row_shares(total))).sum(axis=0)
    known = (units.with_truth >= FEWEST_UNITS_OF_A_CLASS) & (from_thin <= _THIN * shares)
    if units.number < FEWEST_UNITS or not known.any():
        return ends
    used = np.flatnonzero((weights > 0) | (shares > 0))  # the others are nowhere
    block = np.ix_(used, used)
    counts = units.counts[:, used][:, :, used].transpose(0, 2, 1)
    drawn_shares = []
    for drawn in resampled_sums(counts, resamples, np.random.default_rng(seed)):
        drawn = np.where(drawn.sum(axis=2, keepdims=True) > 0, drawn, total[block])
        drawn_shares.append(adjusted(drawn, weights[used]).shares)
    low, high = ends_of(np.concatenate(drawn_shares))
    for place, index in enumerate(used):
        if known[index]:
            ends[index] = (float(low[place]), float(high[place]))
    return ends
