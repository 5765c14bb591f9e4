"""What has to be said wherever scores are shown: tiles learned from, drafted or overlapping, and labels left out."""

from collections.abc import Collection, Sequence
from pathlib import Path

from utils.imagery.labels import IGNORE_INDEX
from utils.runs.origin import HOW, Origin
from utils.wording import worded


def count_labelled(names: Sequence[str], labelled: Collection[str]) -> int:
    """How many tiles of a list were labelled training tiles.

    Unlabelled training tiles do not count: their masks were not read.
    """
    known = set(labelled)
    return sum(name in known for name in names)


def on_labelled_tiles(names: Sequence[str], labelled: Collection[str], path: Path) -> str:
    """One line on a list that shares tiles with the labelled training tiles; empty where it does not.

    Args:
        names: of the list.
        labelled: names of the tiles whose masks the network has learned from.
        path: the list.
    """
    count = count_labelled(names, labelled)
    if not count:
        return ""
    was = "was a labelled training tile" if count == 1 else "were labelled training tiles"
    return f"{count} of {len(names)} tiles of {path} {was} of this run: scores on them are optimistic"


def on_seen_tiles(names: Sequence[str], pixels: Sequence[str], origin: Origin, path: Path) -> list[str]:
    """A line for each way in which the weights that a run started from have learned from tiles of a list.

    Args:
        names, pixels: of the list, and digests of its images.
        origin: of the weights.
        path: the list.
    """
    return [
        f"{count} of {len(names)} tiles of {path}, by name or by pixels, {'was' if count == 1 else 'were'} {HOW[how]} "
        f"({origin.file}): scores on them {'may be' if how == 'self' else 'are'} optimistic"
        for how, count in origin.counts(names, pixels).items()
    ]


def on_known_classes(names: Sequence[str], pixels: Sequence[str], origin: Origin, path: Path) -> str:
    """One line on a list to choose from whose scene labels the weights have learned from; empty where they have not.

    Args:
        names, pixels, origin, path: as of `on_seen_tiles`.
    """
    count = origin.counts(names, pixels, ("scenes",)).get("scenes")
    if not count:
        return ""
    were = "was" if count == 1 else "were"
    return (
        f"{count} of {len(names)} tiles of {path} {were} {HOW['scenes']} ({origin.file}): the classifier knows them "
        "already, and what is asked for does not count these labels"
    )


def on_overlapping_tiles(overlapping: int | None, names: Sequence[str], path: Path) -> str:
    """One line on a list whose tiles share pixels of a scene; empty where none do.

    Args:
        overlapping: how many share some with another tile of the list; None: not known.
        names: of the list.
        path: the list.
    """
    if not overlapping:
        return ""
    return (
        f"{overlapping} of {len(names)} tiles of {path} overlap: a pixel of a scene is scored once, in the tile whose "
        "centre is nearest"
    )


def on_drafted_masks(names: Sequence[str], drafted: Collection[str], path: Path) -> str:
    """One line on a list with masks that began as a draft of a model; empty where there are none.

    Args:
        names: of the list.
        drafted: names of the tiles with such masks.
        path: the list.
    """
    count = len(set(names) & set(drafted))
    if not count:
        return ""
    return f"{count} of {len(names)} masks of {path} began as a draft of a model: scores on them favour that model"


def on_ignored_label(classes: Sequence[str], ignored: int, trained: int) -> str:
    """One line on an id that is not scored, or that training left out; empty where there is none.

    Args:
        classes: of the data set, in the order of their ids.
        ignored: id that is not scored, beside 255; 255: none.
        trained: id that was not learned from, likewise.
    """
    if ignored == trained == IGNORE_INDEX:
        return ""
    reason = "as in training" if ignored == trained else f"the run was trained with {trained}"
    if ignored == IGNORE_INDEX:
        return worded(f"pixels of every class are scored ({{ignore_label}} {ignored}; {reason})")
    name = f" ({classes[ignored]})" if ignored < len(classes) else ""
    return worded(f"pixels of id {ignored}{{}} are not scored ({{ignore_label}} {ignored}, {reason})", name)
