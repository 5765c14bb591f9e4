"""Files in a prepared folder that are not of its preparation: a person's own, and those that a person has changed."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

CACHE = ".cache"  # decoded tiles, made anew from any files
_LINK = "link"
_KEPT = ".kept"  # added to the name of a file whose place the new preparation takes
_EARLIER = re.compile(  # what was written before the manifest listed it
    r"(train|test|val)\.txt|(dataset|class_map|prepared)\.json|scene_labels\.csv"
    r"|(images|masks|UCMerced_Images|UCMerced_Labels|DeepGlobe_Images|DeepGlobe_Labels)/.+\.(tiff?|png|jpe?g|bmp)"
)


def list_files(folder: Path) -> dict[str, str]:
    """Size and time of each file, by its path below the folder with `/`; of a link its time alone."""
    found = {}
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder and CACHE in folders:
            folders.remove(CACHE)
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(parent, name)
            facts = path.lstat()
            size = _LINK if path.is_symlink() else facts.st_size
            found[path.relative_to(folder).as_posix()] = f"{size} {facts.st_mtime_ns}"
    return found


def files_of_others(folder: Path, manifest: Mapping[str, Any], own: str) -> list[str]:
    """Files that the preparation did not write, or that were changed since.

    Args:
        folder: the prepared folder.
        manifest: what it says of its preparation; `written` as `list_files` gives it.
        own: name of the manifest, which cannot list itself.
    """
    found, written = list_files(folder), manifest.get("written")
    found.pop(own, None)
    if not isinstance(written, dict):
        return [name for name in found if not _EARLIER.fullmatch(name)]
    is_copy = not any(written.get(name) == facts for name, facts in found.items())  # all times are those of copying

    def is_as_written(name: str, facts: str) -> bool:
        before = str(written[name])
        return before == facts or (is_copy and _size(before) in (_LINK, _size(facts)))  # copies of links are files

    return [name for name, facts in found.items() if name not in written or not is_as_written(name, facts)]


def _size(facts: str) -> str:
    return facts.partition(" ")[0]


def carry_over(names: Sequence[str], old: Path, new: Path) -> list[str]:
    """Give a new folder the files of others that are in the old one, without taking them from there.

    Args:
        names: as `files_of_others` gives them.
        old, new: the folders; where the new one has such a file, that of the old one is called `….kept` there.

    Returns:
        The paths below the new folder.
    """
    kept = []
    for name in names:
        if not os.path.lexists(old / name):  # removed meanwhile
            continue
        target = new / name
        while os.path.lexists(target):
            target = target.with_name(target.name + _KEPT)
        target.parent.mkdir(parents=True, exist_ok=True)
        is_linked = False
        if not (old / name).is_symlink():
            with suppress(OSError):  # not every file system links
                os.link(old / name, target)
                is_linked = True
        if not is_linked:
            shutil.copy2(old / name, target, follow_symlinks=False)
        kept.append(target.relative_to(new).as_posix())
    return kept
