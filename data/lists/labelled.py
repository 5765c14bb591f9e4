"""Labelled tiles: which of a list they are, and whether their masks hold a labelled pixel at all."""

import sys
from collections.abc import Sequence
from pathlib import Path

from data.cache import TileArray
from data.decoding.images import misfit
from data.lists.splits import random_names, read_names_array
from data.reader import TileReader, names_with_masks
from data.settings import LabelledSettings
from utils.compute import distributed
from utils.compute.threads import in_threads
from utils.console import say
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX
from utils.selection.budget import count_of
from utils.suggest import first_names
from utils.wording import worded


def choose_labelled(
    settings: LabelledSettings, reader: TileReader, names: Sequence[str], list_path: Path, seed: int
) -> list[str]:
    """Names of the labelled tiles of a list: the active learner's, a random share of those with a mask, those, or all.

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
    if settings.labelled is not None:
        return usable_masks(reader, names)
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


def usable_masks(reader: TileReader, names: Sequence[str]) -> list[str]:
    """Tiles whose mask can be learned from: it can be read, fits its image, and has a labelled pixel.

    Says how many there are, and names masks that are there and cannot be learned from. Several processes call it
    together.

    Raises:
        DataError: there is none, or images are missing.
    """

    def fault(name: str) -> str | None:
        try:
            ids = reader.mask_as_filed(name)
            sizes = (ids.shape, reader.image_header(name).size)
        except DataError as error:
            return str(error)
        if (odd := misfit(reader.mask_path(name), *sizes, reader.description.size_tolerance)) is not None:
            return odd
        return None if (ids != IGNORE_INDEX).any() else f"{reader.mask_path(name)} has no labelled pixel"

    def look() -> tuple[list[str], dict[str, str]]:
        found = names_with_masks(reader, names)
        faults = dict(zip(found, in_threads(fault, found, "looking at masks", "mask"), strict=True)) if found else {}
        return [name for name in found if faults[name] is None], {n: f for n, f in faults.items() if f is not None}

    usable, faults = distributed.from_main(look)
    first = f" ({first_names(faults)}): {next(iter(faults.values()))}" if faults else ""
    if not usable:
        message = "{labelled} all-masks: none of {} tiles has a usable mask{}; draw some, or check {data_dir}"
        raise DataError(worded(message, len(names), first))
    say(f"{len(usable)} of {len(names)} tiles have a usable mask and are learned from")
    if faults:
        say(f"warning: {len(faults)} masks are left out{first}", file=sys.stderr)
    return usable


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
