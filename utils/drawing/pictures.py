"""Pictures: class maps in colour, contact sheets, rows of image, truth and prediction."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.console import valid_text
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX
from utils.runs.files import write_atomically

IGNORE_COLOUR: RGB = (0, 0, 0)
WRONG_COLOUR: RGB = (220, 20, 40)
_NOTICE_COLOUR: RGB = (225, 229, 234)
_BAND = 256  # rows that are drawn at once
_GAP = 6
_TEXT = 14  # points
_ON_A_SHEET = 60  # pictures of a contact sheet


def colourise(ids: np.ndarray, colours: Sequence[RGB]) -> np.ndarray:
    """A class map in its classes' colours; ignored pixels are black.

    Args:
        ids: class ids or 255, shape (H, W).
        colours: RGB of each class.

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    table[IGNORE_INDEX] = IGNORE_COLOUR
    return table[ids]


def overlay(image: np.ndarray, ids: np.ndarray, colours: Sequence[RGB], opacity: float = 0.5) -> np.ndarray:
    """An image under its class map; ignored pixels stay as they are.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        ids: class ids or 255, shape (H, W).
        colours: RGB of each class.
        opacity: weight of the class map, in [0, 1].

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    picture = np.empty(image.shape, np.uint8)
    for rows in _bands(len(image)):
        blended = (1 - opacity) * image[rows] + opacity * colourise(ids[rows], colours)
        is_nothing = (ids[rows] == IGNORE_INDEX)[..., None]
        picture[rows] = np.where(is_nothing, image[rows], blended.round().astype(np.uint8))
    return picture


def errors(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Where a class map is wrong: red over a pale grey image; pixels without a label are black.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        truth: class ids or 255, shape (H, W).
        prediction: class ids, shape (H, W).

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    picture = np.empty(image.shape, np.uint8)
    for rows in _bands(len(image)):
        grey = 0.5 * image[rows].mean(axis=2, keepdims=True) + 110
        wrong = (truth[rows] != prediction[rows])[..., None]
        shown = np.where(wrong, 0.35 * grey + 0.65 * np.array(WRONG_COLOUR), grey)
        picture[rows] = np.where((truth[rows] == IGNORE_INDEX)[..., None], 0, shown).round().astype(np.uint8)
    return picture


def _bands(height: int) -> Iterator[slice]:
    """Rows that are drawn at once: a whole large image would take up to 72 bytes a pixel in between."""
    for top in range(0, height, _BAND):
        yield slice(top, top + _BAND)


def picture_grid(
    rows: Sequence[Sequence[np.ndarray]], captions: Sequence[Sequence[str]], size: int = 160
) -> Image.Image:
    """Pictures in rows, a caption of one or more lines under each.

    Args:
        rows: uint8 RGB pictures, shapes (H, W, 3).
        captions: a text for each picture; "" for none.
        size: width and height that each picture is brought to, in pixels.
    """
    font = ImageFont.load_default(_TEXT)
    lines = max((text.count("\n") + 1 if text else 0 for row in captions for text in row), default=0)
    cell_height = grid_height(1, lines, size) - _GAP
    columns = max((len(row) for row in rows), default=1)
    sheet = Image.new("RGB", (columns * (size + _GAP) + _GAP, grid_height(len(rows), lines, size)), "white")
    draw = ImageDraw.Draw(sheet)
    for r, (pictures, texts) in enumerate(zip(rows, captions, strict=True)):
        for c, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
            x, y = _GAP + c * (size + _GAP), _GAP + r * cell_height
            sheet.paste(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR), (x, y))
            draw.multiline_text((x, y + size + 1), _fit(text, size, font), fill="black", font=font, spacing=3)
    return sheet


def grid_height(rows: int, caption_lines: int, size: int = 160) -> int:
    """Height in pixels of a `picture_grid` of so many rows, with captions of so many lines."""
    return rows * (size + caption_lines * (_TEXT + 4) + _GAP) + _GAP


def _fit(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten each line to a width in pixels."""
    fitted = []
    for line in valid_text(text).split("\n"):
        shortened = line
        while font.getlength(shortened) > width and len(shortened) > 1:
            shortened = shortened[:-2] + "…"
        fitted.append(shortened)
    return "\n".join(fitted)


def contact_sheet(images: Sequence[np.ndarray], captions: Sequence[str], columns: int = 6) -> Image.Image:
    """Pictures in reading order, a caption under each."""
    starts = range(0, len(images), columns)
    return picture_grid([images[s : s + columns] for s in starts], [captions[s : s + columns] for s in starts])


def save_contact_sheets(
    path: Path, picture_of: Callable[[int], np.ndarray], captions: Sequence[str], first: int = 0
) -> list[Path]:
    """Write numbered pictures as contact sheets of 60: `sheet.png`, `sheet_2.png`, …

    Args:
        path: the first sheet.
        picture_of: the picture of a number; uint8 RGB, shape (H, W, 3).
        captions: what to write under each; as many as there are pictures.
        first: pictures before this one are on their sheets already; full sheets of them stay as they are.

    Returns:
        All sheets.
    """
    sheets = []
    for number, start in enumerate(range(0, len(captions), _ON_A_SHEET), start=1):
        end = min(start + _ON_A_SHEET, len(captions))
        sheet = path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")
        if end > first:
            save_picture(sheet, contact_sheet([picture_of(i) for i in range(start, end)], captions[start:end]))
        sheets.append(sheet)
    return sheets


def save_bars(path: Path, title: str, names: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """Draw shares by name, a bar for each series, with a legend above them, as a PNG."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(max(4.8, 0.5 * len(names)), 3.6), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(series)
    for index, (label, shares) in enumerate(series.items()):
        axis.bar(np.arange(len(names)) + index * width, shares, width, label=label, align="edge")
    places, texts = np.arange(len(names)) + 0.4, [valid_text(name) for name in names]
    axis.set_xticks(places, texts, rotation=90 if len(names) > 6 else 0, fontsize=8)
    axis.set(ylabel="share")
    figure.suptitle(title, fontsize=11)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.01), borderaxespad=0, ncols=len(series), frameon=False)
    save_figure(path, figure)


def save_figure(path: Path, figure: Any) -> None:
    """Write a matplotlib figure as a PNG, atomically; its texts mean what they say, `$` and `\\` included."""
    from matplotlib import rc_context  # slow to import
    from matplotlib.text import Text

    buffer = io.BytesIO()
    with rc_context({"text.parse_math": False}):  # for the texts of ticks, which are made while it is drawn
        for text in figure.findobj(Text):
            text.set_parse_math(False)
            text.set_text(valid_text(text.get_text()))
        figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def notice(text: str, size: int = 160) -> np.ndarray:
    """Words in the place of a picture that there is none of; uint8 RGB, shape (size, size, 3)."""
    font = ImageFont.load_default(_TEXT)
    picture = Image.new("RGB", (size, size), _NOTICE_COLOUR)
    lines = _wrapped(text, size - 4 * _GAP, font)
    middle = (size / 2, size / 2)
    ImageDraw.Draw(picture).multiline_text(middle, lines, fill="black", font=font, anchor="mm", align="center")
    return np.asarray(picture)


def beside(pictures: Sequence[Image.Image], headings: Sequence[str]) -> Image.Image:
    """Pictures side by side, each under its heading, which takes as many lines as it needs."""
    font = ImageFont.load_default(_TEXT)
    texts = [_wrapped(text, p.width - 2 * _GAP, font) for p, text in zip(pictures, headings, strict=True)]
    top = max(text.count("\n") + 1 for text in texts) * (_TEXT + 6) + _GAP
    size = (sum(p.width for p in pictures) + 2 * _GAP * (len(pictures) - 1), top + max(p.height for p in pictures))
    sheet = Image.new("RGB", size, "white")
    draw, x = ImageDraw.Draw(sheet), 0
    for picture, text in zip(pictures, texts, strict=True):
        draw.multiline_text((x + _GAP, _GAP), text, fill="black", font=font)
        sheet.paste(picture, (x, top))
        x += picture.width + 2 * _GAP
    return sheet


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Break a text between words into lines of at most a width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def legend_of(names: Sequence[str], colours: Sequence[RGB], maps: Iterable[np.ndarray]) -> tuple[list[str], list[RGB]]:
    """The classes, and what black means where a map holds ignored pixels."""
    is_complete = not any((ids == IGNORE_INDEX).any() for ids in maps)
    return ([*names], [*colours]) if is_complete else ([*names, "no label"], [*colours, IGNORE_COLOUR])


def with_legend(picture: Image.Image, names: Sequence[str], colours: Sequence[RGB]) -> Image.Image:
    """Put the classes' names and colours to the right of a picture."""
    font = ImageFont.load_default(_TEXT)
    line = _TEXT + 8
    width = 2 * _GAP + line + int(max(font.getlength(valid_text(name)) for name in names)) + _GAP
    height = max(picture.height, len(names) * line + 2 * _GAP)
    sheet = Image.new("RGB", (picture.width + width, height), "white")
    sheet.paste(picture)
    draw = ImageDraw.Draw(sheet)
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        x, y = picture.width + _GAP, _GAP + index * line
        draw.rectangle((x, y, x + line - 6, y + line - 6), fill=tuple(colour), outline="black")
        draw.text((x + line, y), valid_text(name), fill="black", font=font)
    return sheet


def save_picture(path: Path, picture: Image.Image | np.ndarray) -> None:
    """Write a PNG atomically."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
