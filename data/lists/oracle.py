"""Who knows the scene classes of tiles: the data set, people who write them into a CSV, or another CSV."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from data.descriptions import Description
from data.lists.scene_labels import corrections, label_rows, read_scene_labels
from data.lists.splits import tile_name
from utils.compute import distributed
from utils.console import say
from utils.errors import DataError, warn
from utils.settings import SettingsError
from utils.suggest import KnownNames, unknown
from utils.wording import worded

_LISTED = 20  # mistakes that a message lists


def with_scene_classes(description: Description, given: tuple[str, ...] | None, are_needed: bool = True) -> Description:
    """The description, with scene classes that are given where it has none of its own.

    Raises:
        SettingsError: it has others, or there are none at all and they are needed.
    """
    if are_needed and given is None and description.scene_classes is None:
        raise SettingsError(
            "data set '{}' names no scene classes; give {scene_classes} a,b,c, or scene_classes in dataset.json",
            description.title or description.name,
        )
    if given is None or given == description.scene_classes:
        return description
    if description.scene_classes is not None:
        raise SettingsError(
            "{scene_classes} {} contradicts the data set, whose scene classes are {}; leave it out",
            ",".join(given),
            ",".join(description.scene_classes),
        )
    return replace(description, scene_classes=given)


def known_labels(
    oracle: str | None,
    description: Description,
    data_dir: Path,
    names: Sequence[str],
    to_label: Path,
    others: Sequence[str] = (),
    are_needed: bool = True,
) -> dict[str, str]:
    """Scene class by name, as far as the oracle knows; what people wrote always counts.

    Several processes call it together.

    Args:
        oracle: `dataset`, `people`, or a CSV file; None: the data set where it has labels, else people.
        description, data_dir: the data set.
        names: the tiles to choose from.
        to_label: the CSV that people fill in, if it is there.
        others: further tiles that a CSV file may name.
        are_needed: where nobody is said to know them, people are asked.

    Raises:
        SettingsError: no such oracle.
        DataError: a label cannot be used.
    """
    answers = distributed.from_main(lambda: read_answers([to_label], description, set(names), warn))
    if (oracle or "dataset").lower() == "dataset":
        labels = read_scene_labels(description, data_dir, names)
        if not labels:
            source = description.scene_labels or "the description"
            if oracle:
                message = "{oracle} dataset: {} has no scene label of these tiles; give {oracle} people"
                raise DataError(worded(message, source))
            if are_needed:
                say(f"no scene label of these tiles in {source}: people are asked")
        return labels | answers
    assert oracle is not None
    if oracle.lower() == "people":
        return answers
    if not Path(oracle).is_file():
        raise SettingsError(
            "{oracle} {} is neither dataset nor people nor a CSV file; to begin without labels give people", oracle
        )
    paths = answer_files(oracle, to_label)
    return distributed.from_main(lambda: read_answers(paths, description, {*names, *others}, warn))


def answer_files(oracle: str | None, to_label: Path) -> list[Path]:
    """The files in which people may have written labels: that of the oracle, if it is one, and the run's own."""
    if oracle is None or oracle.lower() in ("dataset", "people"):
        return [to_label]
    path = Path(oracle)
    return [path] if os.path.realpath(path) == os.path.realpath(to_label) else [path, to_label]


def read_answers(
    paths: Sequence[Path],
    description: Description,
    names: Collection[str],
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, str]:
    """Read tables with the columns `name` and `label`, in which rows with an empty label still wait.

    Args:
        paths: the files, as any spreadsheet program saves them; one that is not there holds no answers.
        description: the data set, for its scene classes and the endings of its files.
        names: the tiles that may be named.
        tell: gets a line on each file, class or name that was read in another way than it is written.

    Returns:
        Scene class by name.

    Raises:
        DataError: lists every unknown class, unknown name and contradiction, within a file or between two, with lines.
    """
    classes = description.scene_classes or ()
    known_classes, known_tiles = KnownNames(classes), KnownNames(names)
    answers: dict[str, tuple[str, str]] = {}
    mistakes = []
    for path in paths:
        if not path.is_file():
            continue
        table = label_rows(path)
        corrected_classes: dict[str, str] = {}
        corrected_tiles: dict[str, str] = {}
        for line, text, typed in table.rows:
            written, place = tile_name(text, description), f"{path.name}, line {line}"
            name, label = known_tiles.meant(written), known_classes.meant(typed)
            if name is None:
                mistakes.append(f"{place}: '{written}' is not in the list of tiles")
                continue
            if label is None:
                mistakes.append(f"{place}: '{name}' has {unknown('scene class', typed, classes)}")
                continue
            if name != written:
                corrected_tiles[written] = name
            if label != typed:
                corrected_classes[typed] = label
            if (before := answers.setdefault(name, (label, place)))[0] != label:
                mistakes.append(f"{place}: '{name}' is {label} here and {before[0]} in {before[1]}")
        for remark in table.remarks:
            tell(remark)
        for kind, corrected in (("scene class", corrected_classes), ("name", corrected_tiles)):
            for remark in corrections(path, kind, corrected):
                tell(remark)
    if mistakes:
        more = f"; and {len(mistakes) - _LISTED} more" if len(mistakes) > _LISTED else ""
        raise DataError(
            f"{len(mistakes)} labels cannot be used: {'; '.join(mistakes[:_LISTED])}{more}; correct the lines"
        )
    return {name: label for name, (label, _) in answers.items()}


def read_minutes(paths: Sequence[Path], description: Description, names: Collection[str]) -> dict[str, float]:
    """Minutes that answers took, by name, as far as the files of `read_answers` have a column `minutes`."""
    known, found = KnownNames(names), {}
    for path in paths:
        for text, minutes in (label_rows(path).minutes if path.is_file() else {}).items():
            if (name := known.meant(tile_name(text, description))) is not None:
                found[name] = minutes
    return found
