"""Who knows the scene classes of tiles: the data set, people who write them into a CSV, or another CSV."""

import os
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from data.descriptions import Description
from data.lists.scene_labels import label_rows, read_scene_labels
from data.lists.splits import tile_name
from utils.compute import distributed
from utils.console import say
from utils.errors import DataError
from utils.settings import SettingsError
from utils.suggest import unknown
from utils.wording import worded

_LISTED = 20  # mistakes that a message lists


def with_scene_classes(description: Description, given: tuple[str, ...] | None) -> Description:
    """The description, with scene classes that are given where it has none of its own.

    Raises:
        SettingsError: it has others, or there are none at all.
    """
    if given is None and description.scene_classes is None:
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
) -> dict[str, str]:
    """Scene class by name, as far as the oracle knows; what people wrote always counts.

    Several processes call it together.

    Args:
        oracle: `dataset`, `people`, or a CSV file; None: the data set where it has labels, else people.
        description, data_dir: the data set.
        names: the tiles to choose from.
        to_label: the CSV that people fill in, if it is there.
        others: further tiles that a CSV file may name.

    Raises:
        SettingsError: no such oracle.
        DataError: a label cannot be used.
    """
    answers = distributed.from_main(lambda: read_answers([to_label], description, set(names)))
    if (oracle or "dataset").lower() == "dataset":
        labels = read_scene_labels(description, data_dir, names)
        if not labels:
            source = description.scene_labels or "the description"
            if oracle:
                message = "{oracle} dataset: {} has no scene label of these tiles; give {oracle} people"
                raise DataError(worded(message, source))
            say(f"no scene label of these tiles in {source}: people are asked")
        return labels | answers
    assert oracle is not None
    if oracle.lower() == "people":
        return answers
    path = Path(oracle)
    if not path.is_file():
        raise SettingsError(
            "{oracle} {} is neither dataset nor people nor a CSV file; to begin without labels give people", path
        )
    is_the_same = os.path.realpath(path) == os.path.realpath(to_label)
    return read_answers([path] if is_the_same else [path, to_label], description, {*names, *others})


def read_answers(paths: Sequence[Path], description: Description, names: Container[str]) -> dict[str, str]:
    """Read CSV files with the columns `name` and `label`, in which rows with an empty label still wait.

    Args:
        paths: the files; one that is not there holds no answers.
        description: the data set, for its scene classes and the endings of its files.
        names: the tiles that may be named.

    Returns:
        Scene class by name.

    Raises:
        DataError: lists every unknown class, unknown name and contradiction, within a file or between two, with lines.
    """
    classes = description.scene_classes or ()
    answers: dict[str, tuple[str, str]] = {}
    mistakes = []
    for path in paths:
        for line, text, label in label_rows(path) if path.is_file() else ():
            name, place = tile_name(text, description), f"{path.name}, line {line}"
            if name not in names:
                mistakes.append(f"{place}: '{name}' is not in the list of tiles")
            elif label not in classes:
                mistakes.append(f"{place}: '{name}' has {unknown('scene class', label, classes)}")
            elif (before := answers.setdefault(name, (label, place)))[0] != label:
                mistakes.append(f"{place}: '{name}' is {label} here and {before[0]} in {before[1]}")
    if mistakes:
        more = f"; and {len(mistakes) - _LISTED} more" if len(mistakes) > _LISTED else ""
        raise DataError(
            f"{len(mistakes)} labels cannot be used: {'; '.join(mistakes[:_LISTED])}{more}; correct the lines"
        )
    return {name: label for name, (label, _) in answers.items()}
