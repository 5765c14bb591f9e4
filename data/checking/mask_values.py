"""What the values in mask files mean: pixels by value, which of them no one declared, and the option that would."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.descriptions import BUILT_IN, Description
from utils.imagery.colours import format_colour
from utils.imagery.labels import IGNORE_INDEX

MAX_UNDECLARED = 0.01  # share of all mask pixels that may be of no declared meaning without a word
OTHERS = -1  # stands for the rarer undeclared values
_KEPT = 32  # undeclared values counted one by one
_SHOWN = 6  # values or classes named in a message
_RARE = 0.001  # share of the pixels below which a value may be noise
_SPELT_OUT = 12  # up to so many classes a message writes out an option


@dataclass(frozen=True)
class MaskValues:
    """How many pixels of mask files hold which value.

    Attributes:
        masks: number of files.
        pixels: by value: a code, or a colour as 0xRRGGBB; `OTHERS` for what is too rare to be kept apart.
        near: pixels that took the nearest declared colour, counted there in `pixels`.
        transparent: pixels of alpha 0, in none of `pixels`.
        matched: palette files whose indices were matched by colour.
    """

    masks: int = 0
    pixels: Mapping[int, int] = field(default_factory=dict)
    near: int = 0
    transparent: int = 0
    matched: int = 0

    def __add__(self, other: "MaskValues") -> "MaskValues":
        pixels = Counter(self.pixels)
        pixels.update(other.pixels)
        return MaskValues(
            self.masks + other.masks,
            pixels,
            self.near + other.near,
            self.transparent + other.transparent,
            self.matched + other.matched,
        )

    @property
    def total(self) -> int:
        """Pixels of all files."""
        return sum(self.pixels.values()) + self.transparent

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return vars(self) | {"pixels": {str(value): count for value, count in self.pixels.items()}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "MaskValues":
        """The inverse of `as_json`."""
        return cls(**{**raw, "pixels": {int(value): count for value, count in raw["pixels"].items()}})


def kept(pixels: Mapping[int, int]) -> dict[int, int]:
    """Undeclared values by frequency; the rarer ones of many become `OTHERS`."""
    ordered = Counter(pixels).most_common()
    rest = sum(count for _, count in ordered[_KEPT:])
    return dict(ordered[:_KEPT]) | ({OTHERS: rest} if rest else {})


def meanings(description: Description) -> dict[int, int]:
    """Class id, or 255 for "no class", of each value that is declared; of codes, or of colours as 0xRRGGBB."""
    if description.palette is not None:
        found = {as_number(colour): index for index, colour in enumerate(description.palette)}
        silent = {as_number(colour) for colour in description.ignore_colours}
    else:
        codes = description.codes or tuple((index,) for index in range(description.num_classes))
        found = {code: index for index, of_class in enumerate(codes) for code in of_class}
        silent = {*description.ignore_codes, *(description.ignore_ids if description.codes is None else ())}
    silent |= {value for value, index in found.items() if index in description.ignore_ids}
    return found | dict.fromkeys(silent, IGNORE_INDEX)


def as_number(colour: Sequence[int]) -> int:
    """RGB as 0xRRGGBB."""
    return int(colour[0]) << 16 | int(colour[1]) << 8 | int(colour[2])


def undeclared(values: MaskValues, description: Description) -> dict[int, int]:
    """Pixels by value that was given no meaning, the most frequent first; 255 in a mask of codes is one of them."""
    known = meanings(description)
    return dict(Counter({value: n for value, n in values.pixels.items() if value not in known}).most_common())


def off_palette_share(values: MaskValues, description: Description) -> float:
    """Share of the pixels whose value is neither a class nor a known way of saying "no class", which 255 is."""
    codes = description.palette is None
    strange = sum(n for value, n in undeclared(values, description).items() if not (codes and value == IGNORE_INDEX))
    return strange / max(1, values.total)


def says_no_class(values: MaskValues, description: Description) -> bool:
    """Whether masks hold pixels that are declared, or transparent, to have no class, and next to no undeclared ones."""
    known = meanings(description)
    silent = sum(n for value, n in values.pixels.items() if known.get(value) == IGNORE_INDEX) + values.transparent
    return bool(silent) and sum(undeclared(values, description).values()) <= MAX_UNDECLARED * values.total


def absent_classes(values: MaskValues, description: Description) -> list[str]:
    """Declared classes that no pixel has."""
    known = meanings(description)
    present = {known[value] for value, n in values.pixels.items() if value in known and n}
    return [description.classes[index] for index in description.used_ids if index not in present]


def remarks(values: MaskValues, description: Description) -> list[str]:
    """Lines that a command which read these masks says once.

    The first one is on values of no declared meaning above 1 % of the pixels and, in a set of the user's own, on
    classes that never occur; the built-in sets are known to lack some in a short list. Others count pixels that took
    the nearest colour and files matched by colour.
    """
    lines = []
    if line := _on_meanings(values, description):
        lines.append(line)
    if values.near:
        lines.append(
            f"{values.near / values.total:.2%} of the mask pixels ({values.near:,}) have no declared colour, but one "
            "close to it, as at edges that a drawing program smooths; they are read as the nearest class"
        )
    if values.matched:
        lines.append(
            f"{values.matched} of {values.masks} palette masks order their colours otherwise than the first one in the "
            "folder; they are matched by colour"
        )
    return lines


def _on_meanings(values: MaskValues, description: Description) -> str | None:
    if not values.total:
        return None
    absent = absent_classes(values, description) if description.name not in BUILT_IN else []
    unknown = undeclared(values, description)
    share = sum(unknown.values()) / values.total
    if not absent and share <= MAX_UNDECLARED:
        return None
    parts = []
    if absent:
        parts.append(f"{_some(absent)} never {'occurs' if len(absent) == 1 else 'occur'}")
    if unknown:
        names = _some([name_of(value, description) for value in unknown])
        parts.append(
            f'{names} ({_percent(share)} of the pixels) {"is" if len(unknown) == 1 else "are"} read as "no class"'
        )
    line = (
        f"in {values.masks} {'mask' if values.masks == 1 else 'masks'} "
        + " and ".join(parts)
        + f"; found {_found(values, description)}"
    )
    advice = how_to_declare(values, description) if unknown or _shifted(values, description) else ""
    return f"{line}; {advice}" if advice else line


def _found(values: MaskValues, description: Description) -> str:
    ordered = Counter(values.pixels).most_common()
    shown = [f"{name_of(value, description)} ({_percent(n / values.total)})" for value, n in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        shown.append(f"{len(ordered) - _SHOWN} more")
    if values.transparent:
        shown.append(f"transparent ({_percent(values.transparent / values.total)})")
    return ", ".join(shown)


def name_of(value: int, description: Description) -> str:
    """A code as a number, a colour as #RRGGBB."""
    if value == OTHERS:
        return "others"
    if description.palette is None:
        return str(value)
    return format_colour((value >> 16, value >> 8 & 255, value & 255))


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= _RARE else "<0.1%"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


# --- The option that would mean them ----------------------------------------------------------------------------------


def how_to_declare(values: MaskValues, description: Description) -> str:
    """Which option of `prepare_data.py scenes`, or which key of `dataset.json`, gives the values found a meaning."""
    if description.name in BUILT_IN:
        return f"check that these are the masks of {description.name}"
    if description.palette is not None:
        colours = [name_of(value, description) for value in undeclared(values, description) if value != OTHERS][:3]
        return (
            "give the classes' colours with --palette, or those of no class with --ignore-colours "
            f"'{','.join(colours)}' (prepare_data.py scenes; `palette` and `ignore_colours` in dataset.json)"
        )
    codes, ignored = _suggestion(values, description)
    options, keys = [], []
    if codes is not None:
        options.append(f"--classes {shlex.quote(','.join(f'{code}={name}' for code, name in codes))}")
        keys.append(f'"codes": {json.dumps({name: [code] for code, name in codes}, ensure_ascii=False)}')
    if ignored:
        options.append(f"--ignore-codes {','.join(map(str, ignored))}")
        keys.append(f'"ignore_codes": {ignored}')
    if not options or (codes and len(codes) > _SPELT_OUT):
        options = ["--classes CODE=name,... and --ignore-codes CODE,..."]
        keys = ["`codes` and `ignore_codes`"]
    return (
        f"to give them a meaning: {' '.join(options)} (prepare_data.py scenes), or {', '.join(keys)} in dataset.json, "
        "version 2"
    )


def _suggestion(values: MaskValues, description: Description) -> tuple[list[tuple[int, str]] | None, list[int]]:
    """Codes of the classes, None where they stay as declared or cannot be guessed; and the codes of no class."""
    known = meanings(description)
    silent = sorted(code for code, meaning in known.items() if meaning == IGNORE_INDEX)
    unknown = [code for code in undeclared(values, description) if code != OTHERS]
    count = description.num_classes
    if description.codes is None and set(unknown) - {IGNORE_INDEX} == {count}:  # ids that begin at 1
        others = {code for code in (0, IGNORE_INDEX) if code in values.pixels}
        return list(enumerate(description.classes, 1)), sorted({*silent, *others})
    if not absent_classes(values, description):
        return None, sorted({*silent, *unknown})
    codes = sorted(code for code in values.pixels if code not in silent and code != OTHERS)
    frequent = [code for code in codes if values.pixels[code] >= _RARE * values.total]
    for found in (codes, frequent):
        if classes := _in_order(found, description):
            dropped = [code for code in found if code not in classes]
            return list(zip(classes, description.classes, strict=True)), sorted({*silent, *dropped})
    return None, []


def _in_order(codes: list[int], description: Description) -> list[int] | None:
    """A code for each class in order, where their numbers fit; one more may be 255 or else 0, which is left out."""
    count = description.num_classes
    others = [code for code in codes if code != IGNORE_INDEX]
    if description.codes is None and others and others[0] >= 1 and others[-1] <= count:
        return list(range(1, count + 1))
    if len(codes) == count:
        return codes
    if len(codes) == count + 1 and (IGNORE_INDEX in codes or 0 in codes):
        extra = IGNORE_INDEX if IGNORE_INDEX in codes else 0
        return [code for code in codes if code != extra]
    return None


def _shifted(values: MaskValues, description: Description) -> bool:
    """Whether ids seem to begin at 1."""
    plain = description.palette is None and description.codes is None
    return plain and description.classes[0] in absent_classes(values, description) and bool(values.pixels)
