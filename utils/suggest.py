"""Messages about unknown names, with the nearest known ones."""

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
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"unknown {kind} '{name}'; known are {listed}"
