"""The page of a study, for readers who were not there: what was asked, what came out, what may be said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from utils.drawing.html import cards, details, page, paragraph, picture, section, table
from utils.studies.coverage import SceneRow, ShareTable
from utils.studies.pairs import Grid
from utils.studies.report.tables import arm_table, class_tables, cost_table, difference_tables, where_in_words
from utils.studies.results import BEST, CellScore
from utils.studies.score_tables import StepTime
from utils.studies.statistics.comparison import HIGHER, LOWER, Answer, Compared
from utils.studies.summary import StudySummary, sentence


@dataclass(frozen=True)
class Facts:
    """What the page says beside the results.

    Attributes:
        title: of the study.
        grid: areas and seeds.
        scores: of all cells and checkpoints.
        times: of the commands.
        notes: sentences on the networks and the design.
        coverage: scene classes of chosen tiles.
        shares: their pixel classes.
        sheets: contact sheets of chosen tiles: (caption, PNG).
        commands: how to repeat the study.
        study_file: its text.
    """

    title: str
    grid: Grid
    scores: Sequence[CellScore]
    times: Sequence[StepTime]
    notes: Sequence[str]
    coverage: Sequence[SceneRow]
    shares: Sequence[ShareTable]
    sheets: Sequence[tuple[str, bytes]]
    commands: Sequence[str]
    study_file: str


def study_page(summary: StudySummary, facts: Facts, chart: bytes | None) -> str:
    """The whole page, HTML."""
    return page(
        facts.title,
        _in_short(summary, facts),
        section("What may be said", *_verdicts(summary), *(paragraph(note, soft=True) for note in facts.notes)),
        section("Scores", picture(chart, _chart_caption(summary)), arm_table(summary)),
        section("Paired differences", *difference_tables(summary)),
        section("Class by class", *class_tables(summary, facts.grid, facts.scores)),
        section("What the labels cost", cost_table(summary, facts.times)),
        section("What was chosen", *_chosen(facts)),
        section("Checks", *_checks(summary)),
        section("How to repeat it", *_repeat(facts)),
    )


def _in_short(summary: StudySummary, facts: Facts) -> str:
    cells = sum(arm.cells for arm in summary.arms)
    areas = ", ".join(f"{name}: {len(areas)}" for name, areas in facts.grid.areas.items())
    hours = sum(time.seconds for time in facts.times) / 3600
    return cards(
        [
            ("runs scored", f"{cells - summary.missing} of {cells}", "each trained and tested once"),
            ("test areas", str(sum(map(len, facts.grid.areas.values()))), areas),
            ("seeds", str(len(facts.grid.seeds)), "for each area"),
            ("hours", f"{hours:.1f}", "of all commands, one after the other"),
        ]
    )


def _verdicts(summary: StudySummary) -> list[str]:
    """One table: each comparison, and what may be said on each question."""
    rows = [
        [
            f"{escape(pairing.title)}<small>{escape(where_in_words(pairing))}</small>",
            escape(sentence(pairing, result, result.on_these_areas)),
            escape(sentence(pairing, result, result.on_a_new_area)),
        ]
        for pairing, result in zip(summary.pairings, summary.compared, strict=True)
    ]
    claims = sum(
        answer is not None and answer.verdict in (HIGHER, LOWER)
        for result in summary.compared
        for answer in (result.on_these_areas, result.on_a_new_area)
    )
    short = f"{claims} of {2 * len(rows)} questions have an answer. " if rows else ""
    return [
        paragraph(
            f"{short}“On these areas” asks whether other seeds would show the same in the areas that were tested; “on "
            "a new area” whether an area that nobody looked at would. “No difference shown” does not mean that there "
            "is none: there may be one that so few runs cannot tell from chance."
        ),
        table(["comparison", "on these areas", "on a new area"], rows, text=(1, 2)),
    ]


def _chart_caption(summary: StudySummary) -> str:
    which = "chosen on validation tiles" if summary.checkpoint == BEST else "the last one"
    return f"Mean IoU on the test tiles, the checkpoint being {which}; bars are 95 % intervals on these areas."


def _chosen(facts: Facts) -> list[str]:
    parts = []
    if facts.coverage:
        head = ["choice", "scene classes among the labelled tiles", "tiles of the pool's rarest class"]
        parts.append(table(head, [[escape(cell) for cell in row] for row in facts.coverage]))
    for shares in facts.shares:
        rows = [[escape(name), *(f"{share:.1%}" for share in row)] for name, row in shares.rows]
        parts.append(paragraph(f"Shares of the pixels of each class in {shares.data}, the mean over areas and seeds:"))
        parts.append(table(["class", "pool", *(f"labelled by {name}" for name in shares.columns[1:])], rows))
    return parts + [picture(png, caption) for caption, png in facts.sheets]


def _checks(summary: StudySummary) -> list[str]:
    parts = []
    for arm, check in summary.checks:
        parts.append(paragraph(f"Random against random ({arm.method}, {arm.data}, {arm.amount}): {_check(check)}."))
    known = {arm: value for arm, value in summary.best_minus_last.items() if value is not None}
    if known:
        text = "; ".join(f"{arm.strategy}, {arm.method}: {100 * value:+.1f}" for arm, value in known.items())
        parts.append(paragraph(f"Best minus last checkpoint on the test tiles, in points of mean IoU: {text}."))
    return parts


def _check(check: Compared) -> str:
    counts = f"{check.wins} wins, {check.ties} ties, {check.losses} losses of {check.pairs} pairs with other seeds"
    answers = [answer for answer in (check.on_these_areas, check.on_a_new_area) if answer is not None]
    said = "; ".join(f"{answer.question}: {_neutral(answer)}" for answer in answers)
    return f"{counts}; {said}" if said else counts


def _neutral(answer: Answer) -> str:
    """A verdict on two arms that are the same, where any difference is an accident or a fault."""
    found = answer.verdict in (HIGHER, LOWER)
    return "a difference, which is an accident of one in twenty or a fault" if found else answer.verdict


def _repeat(facts: Facts) -> list[str]:
    commands = "".join(f"{escape(command)}\n" for command in facts.commands)
    text = details("the study's file", f"<pre>{escape(facts.study_file)}</pre>") if facts.study_file else ""
    return [f"<pre>{commands}</pre>", text]
