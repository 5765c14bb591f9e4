"""Checks of the machinery on a study's page: random against random, best against last checkpoint."""

from html import escape

from utils.drawing.html import paragraph, subheading, table
from utils.studies.report.names import Names
from utils.studies.statistics.comparison import HIGHER, LOWER, Answer
from utils.studies.statistics.permutation import ON_A_NEW_AREA, ON_THESE_AREAS
from utils.studies.summary import StudySummary
from utils.studies.words import are, counted

_LEAST_SEEDS = 4  # two pairs in each area


def checks(summary: StudySummary, names: Names, seeds: int) -> list[str]:
    """Both checks, HTML; nothing where there is too little for either."""
    return [*_random(summary, names, seeds), *_best(summary, names)]


def _random(summary: StudySummary, names: Names, seeds: int) -> list[str]:
    """Random arms against themselves with other seeds, where nothing should be found."""
    rows = []
    for arm, check in summary.checks:
        answers = (check.on_these_areas, check.on_a_new_area)
        missing = f"{counted(check.missing, 'pair')} {are(check.missing)} missing"
        said = [missing if answer is None else _neutral(answer) for answer in answers]
        rows.append([escape(names.arm(arm)), f"{check.wins}, {check.ties}, {check.losses}", *map(escape, said)])
    if not rows:
        return []
    text = (
        "The same strategy and method against itself, runs of one half of the seeds against those of the other half: "
        "whatever is found here is an accident, or a fault of the machinery."
    )
    if seeds < _LEAST_SEEDS:
        few = f"That takes {_LEAST_SEEDS} seeds or more; this study has {seeds}, so it cannot be looked at."
        return [subheading("Random against random"), paragraph(f"{text} {few}", soft=True)]
    head = ["against itself", "wins, ties, losses", ON_THESE_AREAS, ON_A_NEW_AREA]
    return [subheading("Random against random"), paragraph(text, soft=True), table(head, rows, text=(2, 3))]


def _neutral(answer: Answer) -> str:
    """A verdict on two arms that are the same."""
    found = answer.verdict in (HIGHER, LOWER)
    return "a difference: an accident of one in twenty, or a fault" if found else answer.verdict


def _best(summary: StudySummary, names: Names) -> list[str]:
    known = {arm: value for arm, value in summary.best_minus_last.items() if value is not None}
    if not known:
        return []
    rows = [[escape(names.arm(arm)), f"{100 * value:+.1f}"] for arm, value in known.items()]
    lower = sum(value < 0 for value in known.values())
    text = (
        "Test score of the checkpoint that validation tiles chose, minus that of the last one, in points: the last one "
        f"is ahead in {lower} of {counted(len(known), 'row')}."
    )
    both = [
        (result.on_these_areas.mean, last)
        for result, last in zip(summary.compared, summary.by_last, strict=True)
        if result.on_these_areas is not None and last is not None
    ]
    if both:
        turned = sum(best * last < 0 for best, last in both)
        text += f" By last checkpoints {turned} of {counted(len(both), 'difference')} would change their sign."
    return [
        subheading("Best against last checkpoint"),
        paragraph(text, soft=True),
        table(["strategy, method", "best minus last"], rows),
    ]
