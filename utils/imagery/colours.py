"""Colours of classes: RGB triples of 0..255, as text, and as many different ones as are needed."""

import colorsys
import re
from typing import Any

from utils.errors import DataError

RGB = tuple[int, int, int]


def parse_colour(text: Any) -> RGB:
    """`#RRGGBB` as three integers of 0..255."""
    if not isinstance(text, str) or not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise DataError(f"a colour is written #RRGGBB, found {text!r}")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def format_colour(colour: RGB) -> str:
    """The inverse of `parse_colour`."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def distinct_colours(count: int) -> tuple[RGB, ...]:
    """Colours for classes that have none of their own: hues by the golden angle, two levels of lightness."""
    colours = []
    for index in range(count):
        red, green, blue = colorsys.hls_to_rgb((index * 0.618034) % 1.0, 0.45 + 0.2 * (index % 2), 0.75)
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return tuple(colours)
