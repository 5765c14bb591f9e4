"""The page of a study, for readers who were not there: what was asked, what came out, what may be said of it."""

from utils.drawing.html import code, details, page, paragraph, picture, section
from utils.studies.report.about import compared, in_short, status
from utils.studies.report.checks import checks
from utils.studies.report.choices import chosen
from utils.studies.report.classes import class_tables
from utils.studies.report.costs import cost_tables
from utils.studies.report.facts import Facts
from utils.studies.report.names import Names
from utils.studies.report.scores import arm_table, difference_tables, pair_tables
from utils.studies.report.verdicts import verdicts
from utils.studies.summary import StudySummary


def study_page(summary: StudySummary, facts: Facts, chart: bytes | None) -> str:
    """The whole page, HTML; before the first score it says what is going to be compared.

    Args:
        summary: of the study.
        facts: what the page says beside it.
        chart: a PNG; None: there is nothing to draw yet.
    """
    names = Names([arm.arm for arm in summary.arms])
    has_scores = any(arm.done for arm in summary.arms)
    title = facts.study.title or f"Study {facts.study.name}"
    results = [
        section("What may be said", *verdicts(summary, names, facts.notes)),
        section("Scores", picture(chart, chart_caption(summary, names)), *arm_table(summary, names)),
        section("Paired differences", *difference_tables(summary, names), *pair_tables(summary, facts, names)),
        section("Class by class", *class_tables(summary, facts, names)),
    ]
    design = section("What it will be able to show", *(paragraph(note) for note in facts.notes))
    return page(
        title,
        status(summary, facts),
        in_short(summary, facts),
        section("What was compared" if has_scores else "What is going to be compared", *compared(summary, facts)),
        *(results if has_scores else [design]),
        section("What was chosen", *chosen(facts)),
        section("What it cost", *cost_tables(summary, facts, names)),
        section("Checks", *(checks(summary, names, len(facts.grid.seeds)) if has_scores else ())),
        section("How to repeat it", *_repeat(facts)),
    )


def chart_caption(summary: StudySummary, names: Names) -> str:
    """What the chart shows, and which arms it leaves out."""
    has_bars = any(arm.on_these_areas.low is not None for arm in summary.arms)
    bars = "Bars are 95 % intervals on these areas" if has_bars else "There are too few runs for intervals"
    text = f"Mean IoU on the test tiles. Pale dots are single runs, marks their means over areas and seeds. {bars}."
    left_out = [names.arm(arm.arm) for arm in summary.arms if arm.mean is None]
    if not left_out:
        return text
    which = "; ".join(left_out) if len(left_out) <= 3 else f"{len(left_out)} of the {len(summary.arms)} rows below"
    return f"{text} Left out, as runs are missing: {which}."


def _repeat(facts: Facts) -> list[str]:
    text = details("the study's file", code(facts.study_file)) if facts.study_file else ""
    return [code("\n".join(facts.commands)), text]
