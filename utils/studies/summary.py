"""What a study comes to: scores of its arms, the comparisons and what may be said of them, and checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.studies.cells import Cell
from utils.studies.pairs import (
    Grid,
    Pairing,
    arms_of,
    class_scores_of,
    compared,
    pairings_of,
    random_against_random,
    scores_of,
)
from utils.studies.results import BEST, LAST, CellLabels, CellScore
from utils.studies.statistics.bootstrap import Bounds, bounds_on_a_new_area, bounds_on_these_areas
from utils.studies.statistics.comparison import HIGHER, LOWER, NO_DIFFERENCE, Answer, Compared
from utils.studies.words import are, counted
from utils.tables import table_text


@dataclass(frozen=True)
class ArmSummary:
    """The scores of an arm.

    Attributes:
        arm: which.
        mean: of its cells; None where one is missing.
        on_these_areas, on_a_new_area: 95 % bootstrap intervals of the mean.
        done, cells: how many of its cells were scored, and how many it has.
        scores: of the cells that were scored, areas by seeds.
        masks: labelled tiles of a cell, the mean over its cells; None: not known.
        masks_from_to: the fewest and the most of a cell; zeros where they are not known.
        scene_labels: likewise, of labels that the active learner asked for.
    """

    arm: Cell
    mean: float | None
    on_these_areas: Bounds
    on_a_new_area: Bounds
    done: int
    cells: int
    scores: Sequence[float]
    masks: float | None
    scene_labels: float | None
    masks_from_to: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class StudySummary:
    """What a study comes to.

    Attributes:
        checkpoint: that is compared: `BEST`, the one that validation chose, or `LAST` where nothing chose one.
        arms: in the order of the study.
        pairings, compared: the comparisons, with Holm's correction over all of them.
        checks: random arms against themselves with other seeds.
        best_minus_last: mean difference of an arm's best and last checkpoints; None: not known.
        by_last: mean difference of each comparison by last checkpoints; None where a run is missing, or where these
            are what is compared.
    """

    checkpoint: str
    arms: Sequence[ArmSummary]
    pairings: Sequence[Pairing]
    compared: Sequence[Compared]
    checks: Sequence[tuple[Cell, Compared]]
    best_minus_last: Mapping[Cell, float | None]
    by_last: Sequence[float | None]

    @property
    def missing(self) -> int:
        """Cells that were not scored."""
        return sum(arm.cells - arm.done for arm in self.arms)


def summarised(
    cells: Sequence[Cell], grid: Grid, scores: Sequence[CellScore], labels: Mapping[Cell, CellLabels]
) -> StudySummary:
    """Sum up a study.

    Args:
        cells: all, in their order.
        grid: areas and seeds.
        scores: of cells and checkpoints, missing ones too.
        labels: what cells learned from.
    """
    has_best = all(any(s.cell == cell and s.checkpoint == BEST for s in scores) for cell in cells[:1])
    checkpoint = BEST if has_best else LAST
    arms, of_cells = arms_of(cells), scores_of(scores, checkpoint)
    pairings = list(pairings_of(arms))
    checks = [
        (arm, check)
        for arm in arms
        if arm.strategy == "random" and (check := random_against_random(arm, grid, of_cells)) is not None
    ]
    last = scores_of(scores, LAST)
    return StudySummary(
        checkpoint,
        [_arm(arm, grid, of_cells, labels) for arm in arms],
        pairings,
        compared(pairings, grid, of_cells),
        checks,
        {arm: _mean(grid.scores(arm, of_cells) - grid.scores(arm, last)) if has_best else None for arm in arms},
        [_mean(grid.scores(p.first, last) - grid.scores(p.second, last)) if has_best else None for p in pairings],
    )


def _arm(arm: Cell, grid: Grid, scores: Mapping[Cell, float | None], labels: Mapping[Cell, CellLabels]) -> ArmSummary:
    values = grid.scores(arm, scores)
    done = int(np.isfinite(values).sum())
    none = Bounds(None, None)
    is_whole = done == values.size
    here, there = (bounds_on_these_areas(values), bounds_on_a_new_area(values)) if is_whole else (none, none)
    own = [labels.get(cell, CellLabels()) for row in grid.cells(arm) for cell in row]
    masks, asked = ([getattr(each, name) for each in own] for name in ("masks", "scene_labels"))
    known = [count for count in masks if count is not None]
    from_to = (min(known, default=0), max(known, default=0))
    scored = values[np.isfinite(values)].tolist()
    return ArmSummary(
        arm, _mean(values), here, there, done, values.size, scored, _mean_of(masks), _mean_of(asked), from_to
    )


def _mean(values: np.ndarray) -> float | None:
    """The mean, or None where a value is missing."""
    return None if np.isnan(values).any() else float(values.mean())


def _mean_of(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None


def class_differences(
    summary: StudySummary, grid: Grid, scores: Sequence[CellScore]
) -> list[tuple[str, list[float | None]]]:
    """For each pixel class the mean difference of IoU in each comparison.

    A pair counts where the class is in the test tiles of its area; None where a cell is missing, or no area has it. It
    is not tested: there are too many classes for claims.
    """
    names = dict.fromkeys(each.name for score in scores for each in score.classes)
    rows = []
    for name in names:
        of_class = class_scores_of(scores, summary.checkpoint, name)
        row: list[float | None] = []
        for pairing, result in zip(summary.pairings, summary.compared, strict=True):
            differences = grid.scores(pairing.first, of_class) - grid.scores(pairing.second, of_class)
            known = differences[np.isfinite(differences)]
            row.append(float(known.mean()) if len(known) and not result.missing else None)
        rows.append((name, row))
    return rows


def sentence(pairing: Pairing, compared: Compared, answer: Answer | None) -> str:
    """What may be said of a comparison, for one of the two questions."""
    first, second = (getattr(arm, pairing.differs_in) for arm in (pairing.first, pairing.second))
    if answer is None:
        return f"{compared.missing} of {counted(compared.pairs, 'pair')} {are(compared.missing)} missing"
    if answer.verdict in (HIGHER, LOWER):
        higher, lower = (first, second) if answer.verdict == HIGHER else (second, first)
        return f"{higher} scores higher than {lower}"
    return NO_DIFFERENCE if answer.verdict == NO_DIFFERENCE else answer.verdict


COMPARISON_COLUMNS = (
    "data", "network", "amount", "strategy", "method", "against_network", "against_strategy", "against_method",
    "wins", "ties", "losses", "missing", "mean_difference", "question", "low", "high", "p", "floor", "holm_p",
    "comparisons", "says",
)  # fmt: skip


def comparison_table(summary: StudySummary) -> str:
    """`comparisons.csv`: two rows for each comparison, one for each question."""
    rows: list[Sequence[object]] = [COMPARISON_COLUMNS]
    for pairing, result in zip(summary.pairings, summary.compared, strict=True):
        first, second = pairing.first, pairing.second
        which = (first.data, first.network, first.amount, first.strategy, first.method)
        against = (second.network, second.strategy, second.method)
        counts = (result.wins, result.ties, result.losses, result.missing)
        for answer in (result.on_these_areas, result.on_a_new_area):
            if answer is None:
                rows.append((*which, *against, *counts, *[""] * 8, sentence(pairing, result, None)))
                continue
            test, ends = answer.test, (answer.bounds.low, answer.bounds.high)
            figures = (answer.mean, answer.question, *ends, test.p, test.floor, answer.corrected, answer.comparisons)
            rows.append((*which, *against, *counts, *map(_cell, figures), sentence(pairing, result, answer)))
    return table_text(rows)


def _cell(value: object) -> object:
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else value
