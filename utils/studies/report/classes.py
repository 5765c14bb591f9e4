"""Differences of single pixel classes on a study's page."""

from html import escape

from utils.drawing.html import paragraph, subheading, table
from utils.studies.cells import Cell
from utils.studies.pairs import METHOD, NETWORK, STRATEGY, Pairing
from utils.studies.report.facts import Facts
from utils.studies.report.names import Names
from utils.studies.summary import StudySummary, class_differences


def class_tables(summary: StudySummary, facts: Facts, names: Names) -> list[str]:
    """Differences of each pixel class, a table for each data set, network and number of labels, HTML.

    Comparisons that lack a run are left out; nothing where there is none without.
    """
    whole = [place for place, result in enumerate(summary.compared) if not result.missing]
    groups: dict[Cell, list[int]] = {}
    for place in whole:
        arm = summary.pairings[place].first
        groups.setdefault(Cell(arm.data, "", arm.network, arm.amount, "", "", 0), []).append(place)
    found = class_differences(summary, facts.grid, facts.scores) if groups else []
    parts = []
    for group, places in groups.items():
        shares = _shares(facts, group.data)
        head = ["class", "share of the test pixels", *(_title(summary.pairings[place]) for place in places)]
        rows = [
            [escape(name), f"{shares[name]:.1%}", *(_points(differences[place]) for place in places)]
            for name, differences in found
            if name in shares
        ]
        parts += [*([subheading(names.place(group))] if names.place(group) else []), table(head, rows)]
    if not parts:
        return []
    text = (
        "Mean paired differences of a class's IoU, in points, where its area has such pixels. They are not tested, as "
        "there are too many of them: read them as hints."
    )
    return [paragraph(text, soft=True), *parts]


def _title(pairing: Pairing) -> str:
    arm = pairing.first
    shared = {STRATEGY: arm.method, METHOD: arm.strategy, NETWORK: f"{arm.strategy}, {arm.method}"}
    return f"{pairing.title} ({shared[pairing.differs_in]})"


def _shares(facts: Facts, data: str) -> dict[str, float]:
    """The share of the test pixels that each class of a data set has, the mean over scores."""
    found: dict[str, list[float]] = {}
    for score in facts.scores:
        for each in score.classes if score.cell.data == data else ():
            found.setdefault(each.name, []).append(each.share)
    return {name: sum(shares) / len(shares) for name, shares in found.items()}


def _points(difference: float | None) -> str:
    return "–" if difference is None else f"{100 * difference:+.1f}"
