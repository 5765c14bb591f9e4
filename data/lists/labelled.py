"""Labelled tiles: which of a list they are, and whether their masks hold a labelled pixel at all."""

import sys
from collections.abc import Sequence
from pathlib import Path

from data.cache import TileArray
from data.lists.splits import random_names, read_names_array
from data.reader import TileReader, names_with_masks
from data.settings import LabelledSettings
from utils.console import say
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX
from utils.selection.budget import count_of
from utils.wording import worded


def choose_labelled(
    settings: LabelledSettings, reader: TileReader, names: Sequence[str], list_path: Path, seed: int
) -> list[str]:
    """Names of the labelled tiles of a list: the active learner's, a random share of those with a mask, or all.

    Args:
        settings: where they come from.
        reader: where images and masks lie.
        names: the list.
        list_path: its path, for messages.
        seed: what is drawn at random depends on it.

    Raises:
        OptionError: no file of names.
        DataError: it holds other names, or fewer tiles have a mask than are asked for.
    """
    array, ratio = settings.active_learning_images_array, settings.labeled_ratio
    count = count_of(ratio, settings.budget, len(names))
    asked = "{budget} {}" if ratio is None else "{labeled_ratio} {}"
    if array is not None:
        chosen = read_names_array(array, reader.description, names, list_path)
        if count is not None and len(chosen) != count:
            say(
                worded(
                    f"warning: {{}} holds {{}} names, but {asked} of {{}} tiles is {{}}; the names are used",
                    array,
                    len(chosen),
                    ratio or settings.budget,
                    len(names),
                    count,
                ),
                file=sys.stderr,
            )
        return chosen
    if count is None:
        return list(names)
    with_masks = names_with_masks(reader, names)
    if len(with_masks) < count:
        expected = "" if with_masks else f" (the first would be {reader.mask_path(names[0])})"
        raise DataError(
            worded(
                f"{asked} asks for {{}} labelled tiles, but only {{}} of {{}} have a mask{{}}; draw more masks or "
                f"lower the {'budget' if ratio is None else 'ratio'}",
                ratio or settings.budget,
                count,
                len(with_masks),
                len(names),
                expected,
            )
        )
    return random_names(with_masks, count, seed)


def require_labelled_pixels(masks: TileArray | None, source: str) -> None:
    """Stop where no mask has a labelled pixel; reading ends at the first one that has.

    Args:
        masks: ids, uint8, 255 where a pixel has no class; None: there are none.
        source: whose masks they are, for the message.

    Raises:
        DataError: there is none.
    """
    count = 0 if masks is None else len(masks)
    if masks is not None and any((masks[index] != IGNORE_INDEX).any() for index in range(count)):
        return
    raise DataError(
        worded(
            "{}: no pixel of the {} masks has a class (all are 255 or ignored), at least one is needed; check the "
            "masks, the classes' colours or ids, and {ignore_label}",
            source,
            count,
        )
    )
