"""Which files are scenes and masks, which belong together, and whether an image decoder reads them whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.labels.matching import match_names
from data.labels.vector_files import VECTOR_ENDINGS
from data.preparing.archives import SourceFile
from data.preparing.source_files import check_names, matching
from data.rasters.files.finding import find_scenes
from data.rasters.plain import DECODED, has_neighbour, is_plain_image
from data.rasters.scene import RasterScene
from utils.console import say
from utils.errors import OptionError
from utils.suggest import first_names


class PathList:
    """Files that are read where they lie, as a `Listing` of a prepared folder.

    Attributes:
        path: the folder that was given, or the first file.
        files: their names, sizes and times.
    """

    def __init__(self, given: Sequence[Path], paths: Mapping[str, Path]) -> None:
        self.path = given[0]
        self.by_name = {name: _as_source_file(path) for name, path in paths.items()}
        self.files: Sequence[SourceFile] = sorted(self.by_name.values())


def _as_source_file(path: Path) -> SourceFile:
    facts = path.stat()
    return SourceFile(path.name, facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True)
class SceneFiles:
    """What was given to be cut.

    Attributes:
        images: files of scenes, by name.
        masks: raster files of their masks, by the name of the scene.
        polygons: a file of polygons for all scenes; None where masks are rasters.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    polygons: Path | None = None


def find_scene_files(images: Sequence[Path], masks: Sequence[Path], match: str | None) -> SceneFiles:
    """Find scenes and their masks, and say what a folder holds beside them.

    Args:
        images: folders or files.
        masks: folders or raster files, or one file of polygons.
        match: how names of masks follow from those of images, as of `match_names`; None: they are the same.

    Raises:
        OptionError: a path is not there.
        DataError: there are no scenes, two have one name, or no mask has a scene.
    """
    scenes = _found(images, "--images")
    check_names(scenes, images[0])
    if not masks:
        return SceneFiles(scenes, {})
    vectors = [path for path in masks if path.suffix.lower() in VECTOR_ENDINGS]
    if vectors:
        if len(masks) > 1:
            raise OptionError("--masks takes rasters, or one file of polygons; merge the layers into one file")
        if match:
            raise OptionError("--match pairs the names of rasters; polygons belong to the scenes they lie in")
        return SceneFiles(scenes, {}, vectors[0])
    found = _found(masks, "--masks")
    if match:
        pairs = match_names(list(scenes), list(found), match)
        return SceneFiles(scenes, {image: found[mask] for image, mask in pairs.items()})
    source = PathList(masks, found)
    matched = matching(source, source.by_name, scenes)
    return SceneFiles(scenes, {name: found[name] for name in matched})


def _found(paths: Sequence[Path], option: str) -> dict[str, Path]:
    scenes, passed = find_scenes(paths, option)
    if passed:
        shown = [f"{path.name} ({reason})" for path, reason in passed]
        say(f"{option}: passed over {len(passed)}: {first_names(shown, 5)}")
    return {path.stem: path for path in scenes}


def are_plain(files: SceneFiles) -> bool:
    """Whether an ordinary image decoder reads all scenes and masks as they are: 8 bits, no place, data everywhere."""
    if files.polygons is not None:
        return False
    return all(map(is_plain_image, files.images.values())) and all(map(_is_plain_mask, files.masks.values()))


def _is_plain_mask(path: Path) -> bool:
    if path.suffix.lower() in DECODED and not has_neighbour(path):
        return True
    with RasterScene.open(path) as scene:
        return scene.driver != "VRT" and scene.driver != "JP2OpenJPEG" and scene.place is None
