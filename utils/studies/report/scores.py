"""Scores and paired differences on a study's page, down to each pair."""

from html import escape

import numpy as np

from utils.drawing.html import details, number, paragraph, table
from utils.studies.pairs import Grid, Pairing, scores_of
from utils.studies.report.facts import Facts
from utils.studies.report.names import Names
from utils.studies.statistics.bootstrap import Bounds
from utils.studies.statistics.comparison import Answer, Compared
from utils.studies.statistics.permutation import ON_A_NEW_AREA, ON_THESE_AREAS
from utils.studies.summary import ArmSummary, StudySummary

MISSING = "missing"
_SMALL = 0.001  # a chance below which its size no longer matters


def arm_table(summary: StudySummary, names: Names) -> list[str]:
    """Scores of the arms, HTML."""
    rows = [
        [
            escape(names.arm(arm.arm)),
            _labelled(arm),
            MISSING if arm.mean is None else number(arm.mean),
            _ends(arm.on_these_areas),
            _ends(arm.on_a_new_area),
            f"{arm.done} of {arm.cells}",
        ]
        for arm in summary.arms
    ]
    head = ["strategy, method", "labelled tiles", "mean IoU", "interval on these areas", "on a new area", "runs scored"]
    return [
        table(head, rows),
        paragraph(
            "Means over areas and seeds, where all runs of a row were scored. Intervals are 95 % bootstrap intervals: "
            "of seeds within these areas, and of whole areas (five at least), of the mean over many such areas: a "
            "single new area may lie outside. They are given where there are enough runs for them to cover the truth "
            "in 91 to 96 % of simulated studies. Areas differ from one another more than strategies or methods do, so "
            "compare rows by the paired differences below, not by whether these intervals overlap.",
            soft=True,
        ),
    ]


def _labelled(arm: ArmSummary) -> str:
    """The mean number of labelled tiles, and from the fewest to the most where areas differ."""
    if arm.masks is None:
        return "–"
    low, high = arm.masks_from_to
    return f"{arm.masks:.0f}" + (f"<small>{low} to {high}</small>" if low != high else "")


def _ends(bounds: Bounds) -> str:
    return "–" if bounds.low is None or bounds.high is None else f"{bounds.low:.3f}–{bounds.high:.3f}"


def difference_tables(summary: StudySummary, names: Names) -> list[str]:
    """Paired differences with intervals and p, HTML; nothing without comparisons."""
    if not summary.pairings:
        return []
    shows_last = any(last is not None for last in summary.by_last)
    rows = []
    for pairing, result, last in zip(summary.pairings, summary.compared, summary.by_last, strict=True):
        mean = MISSING if result.on_these_areas is None else f"{100 * result.on_these_areas.mean:+.1f}"
        by_last = "–" if last is None else f"{100 * last:+.1f}"
        counts = f"{result.wins}, {result.ties}, {result.losses}"
        counts += f"<small>{result.missing} missing</small>" if result.missing else ""
        answers = (result.on_these_areas, result.on_a_new_area)
        ends = (text for answer in answers for text in (_interval(answer), _p(answer)))
        rows.append([names.titled(pairing), mean, *([by_last] if shows_last else []), counts, *ends])
    head = ["comparison", "mean difference", *(["by last checkpoints"] if shows_last else []), "wins, ties, losses"]
    head += [ON_THESE_AREAS, "p", ON_A_NEW_AREA, "p"]
    return [
        table(head, rows),
        paragraph(
            "Differences are in points of mean IoU: above 0 the first one named scores higher. Each pair shares area, "
            "seed, pool, initial tiles and number of labels; wins are pairs in which the first scores higher. The "
            "intervals are 95 % bootstrap intervals of the mean difference, each by itself. p is the chance of a "
            "difference as large where there is none, by a permutation test (signs of pairs, or of whole areas, are "
            "flipped) after Holm's correction for all comparisons of this page; below it the p of the comparison "
            "alone and, after ≥, the smallest that few pairs or areas allow. Something is claimed above where p is "
            "0.05 or less, and nowhere else, whatever an interval holds.",
            soft=True,
        ),
    ]


def _interval(answer: Answer | None) -> str:
    if answer is None or answer.bounds.low is None or answer.bounds.high is None:
        return "–"
    return f"{100 * answer.bounds.low:+.1f} to {100 * answer.bounds.high:+.1f}"


def _p(answer: Answer | None) -> str:
    if answer is None or answer.corrected is None or answer.test.floor is None or answer.test.p is None:
        return "–"
    floor = answer.test.floor
    alone = f"alone {_chance(answer.test.p)}" + (f" ≥ {floor:.2g}" if floor >= _SMALL else "")
    return f"{_chance(answer.corrected)}<small>{alone}</small>"


def _chance(p: float) -> str:
    return f"&lt; {_SMALL}" if p < _SMALL else f"{p:.3f}"


def pair_tables(summary: StudySummary, facts: Facts, names: Names) -> list[str]:
    """For each comparison a table of its pairs, areas by seeds, that opens at a click, HTML."""
    scores, grid = scores_of(facts.scores, summary.checkpoint), facts.grid
    parts = []
    for pairing, result in zip(summary.pairings, summary.compared, strict=True):
        first, second = (grid.scores(arm, scores) for arm in (pairing.first, pairing.second))
        head = ["area", *(f"seed {seed}" for seed in grid.seeds), "mean difference"]
        title = f"{pairing.title}, {names.beside(pairing)}: {_found(result)}"
        parts.append(details(title, table(head, _pair_rows(pairing, grid, first, second))))
    if not parts:
        return []
    which = "In a cell: the score of the first, that of the second, and below them the difference in points."
    return [paragraph(f"Each pair by itself, areas by seeds. {which}", soft=True), *parts]


def _found(result: Compared) -> str:
    return f"{result.pairs - result.missing} of {result.pairs} pairs scored"


def _pair_rows(pairing: Pairing, grid: Grid, first: np.ndarray, second: np.ndarray) -> list[list[str]]:
    """A row for each area.

    Args:
        pairing: whose pairs.
        grid: areas and seeds.
        first, second: scores, shape (areas, seeds), NaN where one is missing.
    """
    rows = []
    for area, ours, theirs in zip(grid.areas[pairing.first.data], first, second, strict=True):
        mean = (ours - theirs).mean()
        whole = MISSING if np.isnan(mean) else f"{100 * mean:+.1f}"
        rows.append([escape(area), *map(_pair, ours, theirs), whole])
    return rows


def _pair(first: float, second: float) -> str:
    both = " / ".join(MISSING if np.isnan(score) else f"{score:.3f}" for score in (first, second))
    difference = first - second
    return f"{both}<small>{MISSING if np.isnan(difference) else f'{100 * difference:+.1f}'}</small>"
