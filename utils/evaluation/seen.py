"""Scores on tiles that a network has learned from: what has to be said wherever they are shown."""

from collections.abc import Collection, Sequence
from pathlib import Path


def count_seen(names: Sequence[str], labelled: Collection[str]) -> int:
    """How many tiles of a list were labelled training tiles.

    Unlabelled training tiles do not count: their masks were not read.
    """
    known = set(labelled)
    return sum(name in known for name in names)


def on_seen_tiles(names: Sequence[str], labelled: Collection[str], path: Path) -> str:
    """One line on a list that shares tiles with the labelled training tiles; empty where it does not.

    Args:
        names: of the list.
        labelled: names of the tiles whose masks the network has learned from.
        path: the list.
    """
    count = count_seen(names, labelled)
    if not count:
        return ""
    was = "was a labelled training tile" if count == 1 else "were labelled training tiles"
    return f"{count} of {len(names)} tiles of {path} {was} of this run: scores on them are optimistic"
