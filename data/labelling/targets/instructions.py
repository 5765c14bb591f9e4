"""The page that people are given with the tiles: classes, how the tool opens them, and how the masks come back."""

from html import escape

from data.labelling.classes import ToolClasses
from data.labelling.targets.target import Target
from utils.drawing.html import code, page, paragraph, section, steps, swatch, table
from utils.imagery.colours import format_colour


def instructions(
    title: str, to: str, classes: ToolClasses, target: Target, count: int, commands: str, has_drafts: bool
) -> str:
    """A self-contained HTML page.

    Args:
        title: of the data set.
        to: the tool, as the option calls it.
        classes: that people draw.
        target: the tool.
        count: of tiles.
        commands: that bring the masks back, and say how far it has come, a line each.
        has_drafts: whether some tiles have a draft of a model.
    """
    keys = classes.keys if target.keys else ("",) * len(classes.names)
    header = ["class", "colour", *(["key"] if target.keys else [])]
    rows = [
        [f"{swatch(colour)}{escape(name)}", format_colour(colour), *([escape(key)] if target.keys else [])]
        for name, colour, key in zip(classes.names, classes.colours, keys, strict=True)
    ]
    about = (
        f"{count} tiles of {title}. Draw what you are sure of: a pixel that nobody drew on is unlabelled, and counts "
        "neither for nor against a class."
    )
    if has_drafts:
        about += " A model has drawn a first draft: correct it, and delete what you cannot judge."
    return page(
        f"Labelling {title} with {target.title}",
        paragraph(about),
        section("Classes", table(header, rows)),
        section("Opening the tiles", steps(target.opening)),
        section(
            "Giving the masks back",
            steps(target.saving),
            paragraph("Then, in a shell; the second command says what is missing, and what it took so far:"),
            code(commands),
        ),
    )
