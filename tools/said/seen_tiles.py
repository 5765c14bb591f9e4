"""What a user is told of tiles that the weights of a run have learned from before."""

import sys
from collections.abc import Sequence
from pathlib import Path

from data.tile_digests import tile_digests
from data.tiles import Tiles
from tools.settings.learning import SelectionSettings
from utils.console import say
from utils.evaluation.notes import on_known_classes, on_seen_tiles
from utils.runs.origin import Origin


def remarks_on_scored(origin: Origin | None, tiles: Tiles, path: Path) -> Sequence[str]:
    """Lines on a list that scores or accuracies are measured on; none where the weights have seen none of its tiles.

    Several processes call it together.
    """
    if origin is None or not origin.seen:
        return ()
    return on_seen_tiles(tiles.names, tile_digests(tiles), origin, path)


def say_seen(origin: Origin | None, settings: SelectionSettings, pool: Tiles, validation: Tiles | None) -> None:
    """Warn of tiles whose scene labels, or which themselves, the first weights of a classifier have learned from.

    Several processes call it together.

    Args:
        origin: of these weights.
        settings: the choice.
        pool: the tiles to choose from.
        validation: those that the accuracy is measured on.
    """
    remarks = []
    if origin is not None and any(seen.how == "scenes" for seen in origin.seen):
        remarks.append(on_known_classes(pool.names, tile_digests(pool), origin, settings.data.data_list))
    if validation is not None and settings.val_list is not None:
        remarks += remarks_on_scored(origin, validation, settings.val_list)
    for remark in filter(None, remarks):
        say(f"warning: {remark}", file=sys.stderr)
