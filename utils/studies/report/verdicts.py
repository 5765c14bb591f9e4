"""What may be said of a study's comparisons, on the page."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from utils.drawing.html import details, paragraph, table
from utils.studies.pairs import Pairing
from utils.studies.report.names import Names
from utils.studies.statistics.comparison import HIGHER, LOWER, Compared
from utils.studies.statistics.permutation import ON_A_NEW_AREA, ON_THESE_AREAS
from utils.studies.summary import StudySummary, sentence
from utils.studies.words import counted

MEANING = {
    ON_THESE_AREAS: "Would other seeds show the same in the areas that were tested?",
    ON_A_NEW_AREA: "Would an area that nobody looked at show the same?",
}


def verdicts(summary: StudySummary, names: Names, notes: Sequence[str]) -> list[str]:
    """Each comparison, and what may be said on each of the two questions, HTML."""
    if not summary.pairings:
        return [paragraph("Nothing is compared: the study has one strategy and one method.")]
    both = list(zip(summary.pairings, summary.compared, strict=True))
    whole = [_row(pairing, result, names) for pairing, result in both if not result.missing]
    lacking = [
        [names.titled(pairing), escape(sentence(pairing, result, None))] for pairing, result in both if result.missing
    ]
    head = ["comparison", ON_THESE_AREAS, ON_A_NEW_AREA, "what was seen"]
    return [
        paragraph(" ".join(f"“{question.capitalize()}” asks: {meaning}" for question, meaning in MEANING.items())),
        *(paragraph(f"{question.capitalize()}: {_in_short(summary, question)}") for question in MEANING if whole),
        *([table(head, whole, text=(1, 2, 3))] if whole else [paragraph("Nothing yet: every comparison lacks a run.")]),
        *([_lacking(lacking)] if lacking else []),
        paragraph(
            "What was seen is what these runs gave; whether it is more than chance, the answers beside it say. "
            "“No difference shown” does not mean that there is none: there may be one that so few runs cannot tell "
            "from chance. “Cannot be said” means that not even the clearest outcome of so few areas or pairs would "
            "have been proof, after the correction for the number of comparisons.",
            soft=True,
        ),
        *(paragraph(note, soft=True) for note in notes),
    ]


def _row(pairing: Pairing, result: Compared, names: Names) -> list[str]:
    assert result.on_these_areas is not None  # no run is missing
    return [
        names.titled(pairing),
        escape(sentence(pairing, result, result.on_these_areas)),
        escape(sentence(pairing, result, result.on_a_new_area)),
        f"{100 * result.on_these_areas.mean:+.1f} points, better in {result.wins} of {counted(result.pairs, 'pair')}",
    ]


def _lacking(rows: Sequence[Sequence[str]]) -> str:
    """Comparisons of which a run is missing; they open at a click."""
    return details(
        f"{counted(len(rows), 'comparison')} without an answer, as runs are missing",
        table(["comparison", "missing"], rows, text=(1,)),
    )


def _in_short(summary: StudySummary, question: str) -> str:
    """How many comparisons have which answer; those in which one arm is better are said by name."""
    found: Counter[str] = Counter()
    for pairing, result in zip(summary.pairings, summary.compared, strict=True):
        answer = result.on_these_areas if question == ON_THESE_AREAS else result.on_a_new_area
        if answer is not None:
            is_claim = answer.verdict in (HIGHER, LOWER)
            found[sentence(pairing, result, answer) if is_claim else answer.verdict] += 1
    total = found.total()
    if len(found) == 1:
        where = {1: "", 2: " in both comparisons"}.get(total, f" in all {total} comparisons")
        return f"{next(iter(found))}{where}."
    return "; ".join(f"{text} in {count} of {counted(total, 'comparison')}" for text, count in found.items()) + "."
