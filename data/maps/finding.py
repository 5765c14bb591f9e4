"""Which files maps are made of, and what their maps are called."""

import os
from collections.abc import Sequence
from pathlib import Path

from data.lists.splits import IMAGE_ENDINGS
from data.preparing.archives import FolderSource
from data.rasters.files.endings import SCENE_ENDINGS, belongs_to_scene
from utils.console import say
from utils.errors import DataError
from utils.paths import fitting_name, no_file
from utils.settings import SettingsError
from utils.suggest import first_names
from utils.wording import worded

_LONGEST_ENDING = ".tif.aux.xml"  # of a map's files
_ENDINGS = tuple(dict.fromkeys((*IMAGE_ENDINGS, *SCENE_ENDINGS)))


def find_images(paths: Sequence[Path]) -> dict[str, Path]:
    """Image files by the names of their maps: without endings, unless two files would then be called alike.

    Of a folder, and of all below it, those files are taken that may be images by their ending; what else it holds is
    named, as is a mosaic (VRT) of images that are taken themselves. A file is taken whatever it is called.

    Raises:
        SettingsError: a path does not exist.
        DataError: there is no image, or two would have one name.
    """
    found: list[tuple[str, Path]] = []
    for path in {os.path.realpath(path): path for path in paths}.values():
        fault = no_file(path)
        if fault is None:
            found.append((path.name, path))
        elif path.is_dir():
            found += _inside(path)
        else:
            raise SettingsError("{images} {} {}; give image files, or folders of them", path, fault)
    if not found:
        endings = ", ".join(_ENDINGS)
        where = first_names(map(str, paths))
        raise DataError(worded("{images} {} holds no images; expected files that end in {}", where, endings))
    return _named(found)


def _inside(folder: Path) -> list[tuple[str, Path]]:
    files = [file.path for file in FolderSource(folder).files]
    taken = [file for file in files if file.lower().endswith(_ENDINGS)]
    passed = [file for file in files if file not in set(taken) and not belongs_to_scene(file)]
    mosaics = set(_mosaics([folder / file for file in taken]))
    reasons = [f"{file} (no image by its ending)" for file in passed]
    reasons += [f"{path.name} (a mosaic of images that are taken themselves)" for path in sorted(mosaics)]
    if reasons:
        say(worded("{images}: passed over {}: {}", len(reasons), first_names(reasons, 5)))
    return [(file, folder / file) for file in taken if folder / file not in mosaics]


def _mosaics(paths: Sequence[Path]) -> list[Path]:
    if not any(path.suffix.lower() == ".vrt" for path in paths):
        return []
    from data.rasters.files.finding import mosaics_of  # with GDAL

    return mosaics_of(paths)


def _named(found: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    names = [_without_ending(file) for file, _ in found]
    if len({name.lower() for name in names}) < len(names):  # in any case: some file systems do not tell them apart
        names = [file for file, _ in found]
        first: dict[str, Path] = {}
        for name, (_, path) in zip(names, found, strict=True):
            other = first.setdefault(name.lower(), path)
            if other is not path:
                raise DataError(
                    f"two images would have maps of one name: {other} and {path}; rename one, or map it apart"
                )
        say("some images differ in their ending alone: maps keep it in their names")
    return dict(zip(map(_fitting, names), (path for _, path in found), strict=True))


def _without_ending(file: str) -> str:
    return file.rpartition(".")[0] or file


def _fitting(name: str) -> str:
    """A map's name to which an ending may be added without being too long for the file system."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + fitting_name(last, _LONGEST_ENDING).removesuffix(_LONGEST_ENDING)
