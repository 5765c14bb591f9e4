"""The classes of scenes as options give them: names, with colours or values in the masks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import DataError, OptionError
from utils.imagery.colours import RGB, format_colour, parse_colour
from utils.paths import read_bytes


@dataclass(frozen=True)
class Classes:
    """The pixel classes of scenes.

    Attributes:
        names: in the order of their ids.
        palette: their colours in the masks, or None where masks hold ids.
        ignore_colours: further colours that mean "no class".
        codes: values of each class in masks of ids; None: 0, 1, 2, … in the order of `names`.
        ignore_codes: further values that mean "no class", in masks of ids.
    """

    names: Sequence[str]
    palette: Mapping[str, RGB] | None = None
    ignore_colours: Sequence[RGB] = ()
    codes: Mapping[str, Sequence[int]] | None = None
    ignore_codes: Sequence[int] = ()

    def as_keys(self) -> dict[str, Any]:
        """The keys of `dataset.json` that say how the given masks are read, `version` among them."""
        palette = {key: format_colour(colour) for key, colour in self.palette.items()} if self.palette else None
        keys: dict[str, Any] = {
            "version": 1,
            "classes": list(self.names),
            "palette": palette,
            "ignore_colours": [format_colour(colour) for colour in self.ignore_colours],
        }
        if self.codes is not None:
            keys |= {"version": 2, "codes": {name: list(values) for name, values in self.codes.items()}}
        if self.ignore_codes:
            keys |= {"version": 2, "ignore_codes": list(self.ignore_codes)}
        return keys


def read_palette(text: str) -> dict[str, RGB]:
    """Read `--palette`: a JSON file {class: "#RRGGBB"}, or `class=#RRGGBB,class=#RRGGBB`; the order gives the ids.

    Raises:
        OptionError: neither of them.
        DataError: the file's content cannot be used.
    """
    if "=" in text and not Path(text).is_file():
        pairs = [part.rpartition("=")[::2] for part in text.split(",")]
        try:
            return _palette(pairs)
        except DataError as error:
            raise OptionError(f"--palette: {error}; expected class=#RRGGBB,class=#RRGGBB") from error
    path = Path(text)
    if not path.is_file():
        raise OptionError(f"--palette {text} is neither a JSON file nor class=#RRGGBB,class=#RRGGBB")
    content = read_bytes(path)
    try:
        raw = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_Pairs)
        if not isinstance(raw, _Pairs):
            raise DataError("expected one object")
        return _palette(raw)
    except (ValueError, RecursionError) as error:  # DataError is a ValueError
        raise DataError(f'{path}: {error}; expected {{"class": "#RRGGBB", ...}}') from error


def read_classes(text: str) -> tuple[list[str], dict[str, list[int]] | None]:
    """Read `--classes`: `a,b,c` for the ids 0, 1, 2, or `1=a,2=b` for values; several values may name one class.

    Returns:
        The names in the order of their first mention, and the values of each; None where none were given.

    Raises:
        OptionError: neither of them.
    """
    parts = [part.strip() for part in text.split(",")]
    pairs = [[half.strip() for half in part.split("=", 1)] for part in parts]
    has_code = [len(pair) == 2 and pair[0].isdecimal() for pair in pairs]
    if not any(has_code) and not any(len(pair) == 2 and pair[1].isdecimal() for pair in pairs):
        return parts, None
    if not all(has_code):
        odd = parts[has_code.index(False)]
        raise OptionError(f"--classes: expected CODE=name for each class, such as 1=land,2=water, found '{odd}'")
    codes: dict[str, list[int]] = {}
    for code, name in pairs:
        if not name:
            raise OptionError(f"--classes: code {code} has no name; expected CODE=name")
        if len(code) > 5:
            raise OptionError(f"--classes: code {code[:20]} is above 65535, the largest value of a mask of 16 bits")
        codes.setdefault(name, []).append(int(code))
    return list(codes), codes


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, repeated names included."""


def _palette(pairs: Sequence[tuple[str, Any]]) -> dict[str, RGB]:
    palette: dict[str, RGB] = {}
    for name, colour in pairs:
        if not name.strip():
            raise DataError(f"the colour {colour!r} has no class")
        if name.strip() in palette:
            raise DataError(f"class '{name.strip()}' stands twice")
        try:
            palette[name.strip()] = parse_colour(colour.strip() if isinstance(colour, str) else colour)
        except DataError as error:
            raise DataError(f"class '{name.strip()}': {error}") from error
    return palette
