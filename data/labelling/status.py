"""How far labelling has come: masks that are there, shares of classes, minutes, and a forecast for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from data.labelling.asked import read_asked
from data.labelling.ledger import MASK, LedgerRow, drafted_masks, read_ledger
from data.labelling.tiles import LabelTiles
from utils.compute.threads import in_threads
from utils.imagery.labels import count_classes


@dataclass(frozen=True)
class LabelStatus:
    """How far labelling has come.

    Attributes:
        rounds: in which tiles were asked for.
        chosen: tiles that were asked for, or that a list names.
        with_masks, without: those that have a mask, and the others.
        drafted: tiles whose mask began as a draft of a model.
        shares: of the pixels of these masks by class, in [0, 1], of those with a class.
        labelled: share of the pixels that have a class, in [0, 1].
        minutes: spent on masks so far, as far as it is known; of any tile.
        scene_minutes: spent on scene labels.
        timed: masks whose minutes are known.
        forecast: minutes for the rest, if it goes on as so far; None where nothing is known.
    """

    rounds: int
    chosen: Sequence[str]
    with_masks: Sequence[str]
    without: Sequence[str]
    drafted: Sequence[str]
    shares: dict[str, float]
    labelled: float
    minutes: float
    scene_minutes: float
    timed: int
    forecast: float | None


def status_of(tiles: LabelTiles, names: Sequence[str] = ()) -> LabelStatus:
    """How far the labelling of a data set has come.

    Args:
        tiles: the data set.
        names: chosen tiles beside those that were exported.

    Raises:
        DataError: a mask, the ledger or the table of what was asked for cannot be read.
    """
    asked, ledger = read_asked(tiles.data_dir), read_ledger(tiles.data_dir)
    chosen = list(dict.fromkeys([*asked, *names]))
    with_masks = [name for name in chosen if tiles.reader.has_mask(name)]
    without = [name for name in chosen if name not in set(with_masks)]
    drafted = drafted_masks(tiles.data_dir)
    counts, pixels = _counts(tiles, with_masks)
    known = int(counts.sum())
    names_of = tiles.description.classes
    spent = _minutes_by_tile([row for row in ledger if row.kind == MASK])
    scenes = sum(row.minutes or 0 for row in ledger if row.kind != MASK)
    return LabelStatus(
        rounds=len({row.round for row in asked.values()}),
        chosen=chosen,
        with_masks=with_masks,
        without=without,
        drafted=[name for name in with_masks if name in drafted],
        shares={names_of[i]: float(counts[i] / max(1, known)) for i in tiles.description.used_ids},
        labelled=known / max(1, pixels),
        minutes=sum(spent.values()),
        scene_minutes=scenes,
        timed=len(spent),
        forecast=mean(spent.values()) * len(without) if spent else None,
    )


def _counts(tiles: LabelTiles, names: Sequence[str]) -> tuple[np.ndarray, int]:
    """Pixels of each class, int64, and of all masks."""

    def count(name: str) -> tuple[np.ndarray, int]:
        ids = tiles.reader.mask_as_filed(name)
        return count_classes(ids, tiles.description.num_classes), ids.size

    found = in_threads(count, names, "looking at masks", "mask") if names else []
    zero = np.zeros(tiles.description.num_classes, np.int64)
    return sum((counts for counts, _ in found), zero), sum(size for _, size in found)


def _minutes_by_tile(rows: Sequence[LedgerRow]) -> dict[str, float]:
    spent: dict[str, float] = {}
    for row in rows:
        if row.minutes is not None:
            spent[row.name] = spent.get(row.name, 0.0) + row.minutes
    return spent
