"""A scene in four pictures: image, truth, map and confidence, with a legend of classes and of confidence below."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.console import valid_text
from utils.imagery.colours import RGB

NOTHING: RGB = (225, 229, 234)  # where there is no tile, or no data
_TEXT, _GAP, _BAR = 20, 10, 180  # points and pixels; large, for a page 400 pixels wide


def confidence_colours(confidence: np.ndarray, least: float) -> np.ndarray:
    """Confidence from its least possible value (dark blue) to 1 (yellow), in colours that grey keeps in order.

    Args:
        confidence: in [0, 1], shape (H, W).
        least: 1/C for C classes.

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    from matplotlib import colormaps  # slow to import

    share = np.clip((confidence - least) / (1 - least), 0, 1)
    return (255 * colormaps["cividis"](share)[..., :3]).round().astype(np.uint8)


def scene_sheet(
    panels: Sequence[np.ndarray],
    captions: Sequence[str],
    names: Sequence[str],
    colours: Sequence[RGB],
    least: float,
    long_side: int,
) -> Image.Image:
    """Panels in rows of two, a caption above each, and the legend below.

    Args:
        panels: uint8 RGB pictures of one size, (H, W, 3); small ones are enlarged by nearest neighbour.
        captions: a line each.
        names, colours: of the classes.
        least: confidence at the dark end of its scale.
        long_side: height or width of a panel in the picture.
    """
    font = ImageFont.load_default(_TEXT)
    height, width = panels[0].shape[:2]
    factor = long_side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cell = max(size[0], long_side)
    line, step = _TEXT + 10, size[1] + _TEXT + 10 + _GAP
    sheet = Image.new("RGB", (2 * cell + 3 * _GAP, step * (-(-len(panels) // 2)) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        x, y = _GAP + number % 2 * (cell + _GAP), _GAP + number // 2 * step
        draw.text((x, y), valid_text(caption), fill="black", font=font)
        sheet.paste(Image.fromarray(panel).resize(size, Image.Resampling.NEAREST), (x, y + line))
    return _above(sheet, _legend(sheet.width, names, colours, least, font))


def _legend(
    width: int,
    names: Sequence[str],
    colours: Sequence[RGB],
    least: float,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> Image.Image:
    """Classes in as many lines as they need, and the scale of confidence."""
    line, places, x, y = _TEXT + 14, [], _GAP, 0
    for name in names:
        taken = line + int(font.getlength(valid_text(name))) + 2 * _GAP
        if x + taken > width and x > _GAP:
            x, y = _GAP, y + line
        places.append((x, y))
        x += taken
    legend = Image.new("RGB", (width, y + 2 * line + _GAP), "white")
    draw = ImageDraw.Draw(legend)
    for (x, y), name, colour in zip(places, names, colours, strict=True):
        draw.rectangle((x, y, x + _TEXT, y + _TEXT), fill=tuple(colour), outline="black")
        draw.text((x + line - _GAP // 2, y - 3), valid_text(name), fill="black", font=font)
    y += line
    ends = f"confidence: {least:.0%}", "100%"
    draw.text((_GAP, y - 3), ends[0], fill="black", font=font)
    x = 2 * _GAP + int(font.getlength(ends[0]))
    ramp = confidence_colours(np.tile(np.linspace(least, 1, _BAR), (_TEXT, 1)), least)
    legend.paste(Image.fromarray(ramp), (x, y))
    draw.text((x + _BAR + _GAP, y - 3), ends[1], fill="black", font=font)
    return legend


def _above(upper: Image.Image, lower: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (upper.width, upper.height + lower.height), "white")
    sheet.paste(upper)
    sheet.paste(lower, (0, upper.height))
    return sheet
