"""Names that people type: which known one was meant, the nearest ones to an unknown one, the first few of many."""

import difflib
import re
import unicodedata
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence on an unknown name: the nearest known names, or all of them where they are few.

    Args:
        kind: what the name should have named, such as "dataset".
        name: what was typed.
        known: the names that exist.
    """
    names = list(known)
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
    if near:
        return f"unknown {kind} '{name}'; did you mean {' or '.join(near)}?"
    return f"unknown {kind} '{name}'; known are {first_names(names, 12)}"


def first_names(names: Iterable[str], count: int = 3) -> str:
    """The first names, each on one line whatever a file put into it."""
    names = list(names)
    shown = (name if name.isprintable() and len(name) <= 100 else ascii(name)[:100] for name in names[:count])
    return ", ".join(shown) + (", …" if len(names) > count else "")


class KnownNames:
    """Which of the known names a person meant who typed it in another case, or whose spreadsheet program changed it.

    Args:
        names: the known ones.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._folded: dict[str, str | None] = {}
        for name in self._names:
            folded = _folded(name)
            self._folded[folded] = None if folded in self._folded else name  # two that differ in case alone

    def meant(self, text: str) -> str | None:
        """The same name, or the only one that differs in case, blanks, `-`, `_` or leading zeros; else None."""
        return text if text in self._names else self._folded.get(_folded(text))


def _folded(name: str) -> str:
    folded = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()
    return (folded.lstrip("0") or "0") if folded.isdecimal() else folded
