"""Tiles that have masks already: which they are, and the scene classes by which the active learner learns from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.lists.splits import read_names_array
from data.reader import TileReader, names_with_masks
from utils.compute import distributed
from utils.compute.threads import in_threads
from utils.console import say
from utils.errors import DataError, warn
from utils.imagery.labels import count_classes
from utils.suggest import KnownNames, first_names
from utils.wording import worded

DOMINANT_SHARE = 0.5  # of a mask's pixels, above which its most frequent class becomes the tile's scene class
MASKS = "masks"  # the word for "all tiles that have one"


def find_already(
    source: str | None,
    reader: TileReader,
    names: Sequence[str],
    list_path: Path,
    labels: Mapping[str, str],
    share: float | None = None,
) -> dict[str, str | None]:
    """Tiles that are not asked for since they have masks already, with their scene classes; says how many.

    Several processes call it together. Arguments, result and errors as of `already_labelled`; without a source there
    are none, and where some tiles have a mask, a line names the option.
    """
    if source is None:
        count = distributed.from_main(lambda: sum(map(reader.has_mask, names)))
        if 0 < count < len(names):
            option = worded("{already_labelled} masks")
            say(f"{count} of {len(names)} tiles have a mask already and may be asked for; {option} leaves them out")
        return {}
    least = share or DOMINANT_SHARE
    found = distributed.from_main(lambda: already_labelled(source, reader, names, list_path, labels, least))
    taught = sum(scene is not None for scene in found.values())
    by_label = sum(name in labels for name in found)
    say(
        f"{len(found)} of {len(names)} tiles are labelled already and not asked for; {taught} of them are learned "
        f"from: {by_label} by their scene label, {taught - by_label} by a class that covers more than {least:.0%} of "
        "the mask"
    )
    return found


def already_labelled(
    source: str,
    reader: TileReader,
    names: Sequence[str],
    list_path: Path,
    labels: Mapping[str, str],
    share: float = DOMINANT_SHARE,
) -> dict[str, str | None]:
    """Tiles that have masks already, each with its scene class, or None where nobody can tell.

    Args:
        source: `masks`: all that have one; or a file of names.
        reader: where masks lie.
        names: the list.
        list_path: its path, for messages.
        labels: scene classes that are known; they go before what masks say.
        share: of a mask's pixels, above which its most frequent class counts as the scene class.

    Raises:
        OptionError: no such file.
        DataError: it names other tiles, or images are missing.
    """
    if source == MASKS:
        found = names_with_masks(reader, names, needs_folder=False)
    else:
        found = read_names_array(Path(source), reader.description, names, list_path)
    unknown = [name for name in found if name not in labels and reader.has_mask(name)]
    dominant = dominant_classes(reader, unknown, share)
    return {name: labels.get(name, dominant.get(name)) for name in found}


def dominant_classes(reader: TileReader, names: Sequence[str], share: float = DOMINANT_SHARE) -> dict[str, str]:
    """The scene class of each tile of whose mask one class covers more than a share.

    Pixel classes and scene classes are the same where their names are, whatever their case.

    Args:
        reader: decodes the masks; those that cannot be used tell nothing, and a warning names them.
        names: tiles that have a mask.
        share: of all pixels, those without a class included.
    """
    known = KnownNames(reader.description.scene_classes or ())
    scene_of = [known.meant(name) for name in reader.description.classes]
    if not names or not any(scene_of):
        return {}

    def most(name: str) -> str | DataError | None:
        try:
            ids = reader.mask_as_filed(name)
        except DataError as error:
            return error
        counts = count_classes(ids, len(scene_of))
        return scene_of[int(np.argmax(counts))] if counts.max() > share * ids.size else None

    found = dict(zip(names, in_threads(most, names, "looking at masks", "mask"), strict=True))
    broken = {name: error for name, error in found.items() if isinstance(error, DataError)}
    if broken:
        warn(f"{len(broken)} masks tell no scene class ({first_names(broken)}): {next(iter(broken.values()))}")
    return {name: scene for name, scene in found.items() if isinstance(scene, str)}
