"""Which files are scenes: a folder, single files, mosaics (VRT), and what lies beside them without being one."""

import os
from collections.abc import Sequence
from pathlib import Path

from data.rasters.files.endings import SCENE_ENDINGS, belongs_to_scene
from data.rasters.files.gdal import KINDS
from data.rasters.files.vrt import vrt_sources
from utils.errors import DataError, OptionError
from utils.paths import MISSING, no_file, reason_of
from utils.suggest import first_names

PassedOver = list[tuple[Path, str]]


def find_scenes(paths: Sequence[Path], option: str = "--images") -> tuple[list[Path], PassedOver]:
    """The scenes that paths stand for.

    A path is a folder, of which all files of `SCENE_ENDINGS` are taken and no folder inside it, or a file, which is
    taken whatever it ends in. Hidden files and what belongs to a scene (world files, `.aux.xml`, `.ovr`, `.msk` and
    others) are neither scenes nor mentioned. A VRT that was not named itself and reads only scenes that are taken
    already is passed over, because its pixels would come twice.

    Args:
        paths: as they were given.
        option: the option that gave them, for messages.

    Returns:
        Scenes in the order of the paths and of names in a folder, each once; and what a folder holds beside them, with
        the reason why it is passed over.

    Raises:
        OptionError: a path is not there, or there are none.
        DataError: no scene is found, a scene's file is a link that leads nowhere, or two scenes have one name.
    """
    if not paths:
        raise OptionError(f"{option} names nothing; give a folder, files or a VRT")
    named, found, passed = [], [], []
    for path in paths:
        if path.is_dir():
            inside, others = _inside(path, option)
            found += inside
            passed += others
        elif (fault := no_file(path)) is not None:
            raise OptionError(f"{option} {path} {fault}; give a folder, files or a VRT")
        else:
            named.append(path)
            found.append(path)
    scenes = _once(found)
    mosaics = mosaics_of(scenes, _once(named))
    scenes = [path for path in scenes if path not in mosaics]
    passed += [
        (path, "a mosaic of scenes that are taken themselves; name it alone to read it instead") for path in mosaics
    ]
    _check_names(scenes)
    if not scenes:
        where = first_names(str(path) for path in paths)
        raise DataError(f"{where} holds no scenes; expected {KINDS}: files that end in {', '.join(SCENE_ENDINGS)}")
    return scenes, passed


def _inside(folder: Path, option: str) -> tuple[list[Path], PassedOver]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise OptionError(f"{option} {folder} cannot be read ({reason_of(error)}); check its rights") from error
    found, passed = [], []
    for path in entries:
        name = path.name.lower()
        if name.startswith(".") or belongs_to_scene(name):
            continue
        if path.is_dir():
            passed.append((path, "a folder inside the folder; name it too if it holds scenes"))
        elif not name.endswith(SCENE_ENDINGS):
            passed.append((path, f"not {KINDS} by its ending"))
        elif (fault := no_file(path)) is not None:
            what = "is a link that leads nowhere" if fault == MISSING else fault
            raise DataError(f"{path} {what}; mend it or take it out of the folder")
        else:
            found.append(path)
    return found, passed


def _once(paths: Sequence[Path]) -> list[Path]:
    """Paths of which no two lead to one file by the same name."""
    first: dict[tuple[str, str], Path] = {}
    for path in paths:
        first.setdefault((os.path.realpath(path), path.stem), path)
    return list(first.values())


def mosaics_of(scenes: Sequence[Path], named: Sequence[Path] = ()) -> list[Path]:
    """Those of some scenes that are a VRT of other ones among them, and were not named themselves."""
    taken = {os.path.realpath(path) for path in scenes}
    found = []
    for path in scenes:
        if path.suffix.lower() != ".vrt" or path in named:
            continue
        try:
            sources = vrt_sources(path)
        except DataError:  # said where it is opened
            continue
        if sources and all(str(source) in taken for source in sources):
            found.append(path)
    return found


def _check_names(scenes: Sequence[Path]) -> None:
    """Tiles are named after their scene, so that no two may share a name; upper and lower case count as one."""
    first: dict[str, Path] = {}
    for path in scenes:
        other = first.setdefault(path.stem.lower(), path)
        if other is not path:
            raise DataError(f"two scenes are called '{path.stem}': {other} and {path}; rename one, or leave it out")
