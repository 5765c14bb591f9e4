"""Names in messages: the nearest known ones to an unknown one, the first few of many."""

import difflib
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
