"""What was chosen, on a study's page: classes, near-duplicates, pictures."""

from collections.abc import Mapping
from html import escape

from utils.drawing.html import paragraph, picture, side_by_side, subheading, table
from utils.imagery.near_duplicates import ALIKE, SIDE
from utils.studies.coverage import Choice
from utils.studies.redundancy import Redundancy
from utils.studies.report.facts import Facts
from utils.studies.words import amount_in_words


def chosen(facts: Facts) -> list[str]:
    """What explains the choices, HTML."""
    return [*_scenes(facts), *_near(facts), *_pixels(facts), *_sheets(facts)]


def _scenes(facts: Facts) -> list[str]:
    if not facts.coverage:
        return []
    head = ["choice", "scene classes among the labelled tiles", "tiles of the pool's rarest class"]
    rows = [[escape(_called(choice)), escape(covered), escape(rare)] for choice, covered, rare in facts.coverage]
    text = (
        "Scene classes are those that the active learner asks for, one a tile. From the fewest to the most of all "
        "areas and seeds; “by its share” is what a fair draw from the pool, all training tiles, has."
    )
    return [subheading("Scene classes"), table(head, rows), paragraph(text, soft=True)]


def _near(facts: Facts) -> list[str]:
    """Labelled tiles that are nearly like another one, against a random choice."""
    if not facts.alike:
        return []
    head = ["choice", "labelled tiles", "look nearly like another", "by lot"]
    head += ["show half of another's ground", "by lot"] if facts.overlapping else []
    rows = []
    for choice, alike in facts.alike.items():
        row = [escape(_called(choice)), f"{alike.tiles:.0f}", *_counts(facts.alike, choice)]
        rows.append([*row, *(_counts(facts.overlapping, choice) if facts.overlapping else [])])
    text = (
        "Labelled tiles that have another labelled tile nearly like them, which teaches little that is new; means over "
        "areas and seeds. “By lot” is what as many tiles drawn from the same pool have on average. Two "
        f"tiles look nearly the same where, shrunk to {SIDE} × {SIDE} pixels and turned or mirrored as fits best, they "
        f"differ by {ALIKE:.0f} of 255 grey levels or less (root of the mean square): the same picture, or the same "
        "plain ground, such as water, sand or a field. No network is asked."
    )
    places = " Ground that tiles share is known from tiles.csv." if facts.overlapping else ""
    return [subheading("Near-duplicates"), table(head, rows), paragraph(text + places, soft=True)]


def _counts(found: Mapping[Choice, Redundancy], choice: Choice) -> list[str]:
    if choice not in found:
        return ["–", "–"]
    return [f"{found[choice].found:.1f}", f"{found[choice].by_chance:.1f}"]


def _pixels(facts: Facts) -> list[str]:
    parts = []
    for shares in facts.shares:
        rows = [[escape(name), *(f"{share:.1%}" for share in row)] for name, row in shares.rows]
        head = ["class", "pool", *(f"chosen by {name}" for name in shares.columns[1:])]
        parts += [subheading(f"Pixel classes in {shares.data}"), table(head, rows)]
    text = (
        "Shares of the labelled pixels, means over areas, seeds and numbers of labels; the pool is all training tiles."
    )
    return [*parts, paragraph(text, soft=True)] if parts else []


def _sheets(facts: Facts) -> list[str]:
    parts = []
    for title, sheets in facts.sheets:
        figures = [picture(png, caption) for caption, png in sheets]
        parts += [subheading(title), side_by_side(*figures)]
    return parts


def _called(choice: Choice) -> str:
    strategy, data, amount = choice
    return f"{strategy}, {data}, {amount_in_words(amount)}"
