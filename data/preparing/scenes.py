"""Cutting scenes, large images with or without masks, into the tiles of a custom data set."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from data.checking.mask_values import MaskValues, meanings, says_no_class
from data.dataset_json import parse_description
from data.decoding.images import ImageHeader, image_file_header, image_file_size, misfit, read_image
from data.decoding.masks import DecodedMask, read_ids
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.lists.splits import IMAGE_ENDINGS
from data.preparing.archives import FolderSource, SourceFile
from data.preparing.classes import Classes
from data.preparing.folder import Report, prepare_folder
from data.preparing.prepared_set import Contents, turns_of, warn_of_values
from data.preparing.settings import Cut, Target
from data.preparing.source_files import check_names, matching, require_file
from utils.compute.threads import in_threads
from utils.errors import DataError, OptionError
from utils.imagery.colours import RGB, format_colour
from utils.imagery.labels import IGNORE_INDEX, count_classes
from utils.paths import LONGEST_NAME
from utils.runs.files import write_json, write_text
from utils.tables import table_text

IMAGES, MASKS = "images/{name}.png", "masks/{name}.png"
_NO_PLACE = {"name": "scenes", "images": IMAGES, "masks": MASKS}  # the scenes' own places are options
_SCENE = r"^(.*)_\d+_\d+$"  # a tile is named <scene>_<row>_<column>
_MEMORY = 4e9  # bytes that scenes being cut may take together
_BYTES_PER_PIXEL = 16  # of a scene being cut: image, mask, ids and what decoding needs
# Quick to write and as small as the default: neighbouring rows are alike.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)


@dataclass(frozen=True)
class Scene:
    """One scene: its files, and what the header of its image says."""

    name: str
    image: Path
    mask: Path | None
    header: ImageHeader


@dataclass(frozen=True)
class Tile:
    """One tile: its name, and its pixels of each class where the scene has a mask."""

    name: str
    counts: np.ndarray | None


def prepare_scenes(images: Path, masks: Path | None, classes: Classes, cut: Cut, target: Target) -> Report:
    """Cut a folder of scenes into a custom data set.

    Images become PNG files, because cutting a JPEG into JPEGs would alter the pixels. Masks become PNG files whose
    values are the ids; with a palette, they carry its colours, which is how they are read.

    Args:
        images: folder of image files.
        masks: folder of mask files with the same names before the ending; scenes without one are unlabelled.
        classes: what the masks hold.
        cut: how to cut.
        target: where to, and how the tiles are shared out.

    Raises:
        OptionError: a folder that does not exist, or options that do not fit the scenes.
        DataError: a scene that is damaged, too small, or of another size than its mask.
    """
    image_source, image_files = _scene_files(images, "--images")
    mask_source, mask_files = _scene_files(masks, "--masks") if masks else (image_source, {})
    check_names(image_files, images)
    if masks:
        mask_files = matching(mask_source, mask_files, image_files)
    raw = _raw_description(Path(os.path.realpath(target.out)).name, classes, cut)
    try:
        description = parse_description(raw)
        as_given = parse_description({**_NO_PLACE, **classes.as_keys()})
    except DataError as error:
        raise OptionError(f"the classes cannot be used: {error}") from error

    def fill(folder: Path) -> Contents:
        mask_paths = {name: mask_source.path_of(file) for name, file in mask_files.items()}
        scenes = [  # all headers are read before the first scene is cut
            _open_scene(name, image_source.path_of(file), mask_paths.get(name), cut)
            for name, file in sorted(image_files.items())
        ]
        _check_groups(scenes, description, cut)
        tiles, values = _cut_all(scenes, folder, description, as_given, cut)
        if as_given.palette is None and says_no_class(values, as_given):
            return _describe(folder, raw | {"ignore_codes": [IGNORE_INDEX]}, tiles, scenes, cut)
        return _describe(folder, raw, tiles, scenes, cut)

    options = {
        **{key: raw[key] for key in ("classes", "palette", "ignore_colours", "group", "tile_size")},
        "stride": cut.step,
        "min_labelled": cut.min_labelled,
        "scene_labels": cut.scene_labels,
        **{key: value for key, value in classes.as_keys().items() if key in ("codes", "ignore_codes")},
        "exif": cut.exif,
    }
    sources = [("images", image_source, image_files), ("masks", mask_source, mask_files)]
    return prepare_folder("scenes", options, sources, target, fill)


def tile_origins(length: int, tile_size: int, stride: int) -> list[int]:
    """Where tiles begin along one side: every `stride` pixels, the last one moved inwards to end with the scene.

    Args:
        length: pixels of that side, at least `tile_size`.
        tile_size: pixels of a tile.
        stride: at most `tile_size`, so that every pixel lies in a tile.
    """
    origins = list(range(0, length - tile_size + 1, stride))
    if origins[-1] + tile_size < length:
        origins.append(length - tile_size)
    return origins


# --- Scenes -----------------------------------------------------------------------------------------------------------


def _scene_files(folder: Path, option: str) -> tuple[FolderSource, dict[str, SourceFile]]:
    if not folder.is_dir():
        raise OptionError(f"{option} {folder} is not a folder; give a folder of image files")
    source = FolderSource(folder, deep=False)
    files: dict[str, SourceFile] = {}
    for file in source.files:
        if file.path.lower().endswith(IMAGE_ENDINGS):
            require_file(source, file)
            name = Path(file.path).stem
            if name in files:
                raise DataError(f"{folder} holds '{name}' twice: {files[name].path} and {file.path}; remove one")
            files[name] = file
    if not files:
        raise DataError(f"{folder} holds no images; expected files that end in {', '.join(IMAGE_ENDINGS)}")
    return source, files


def _open_scene(name: str, image: Path, mask: Path | None, cut: Cut) -> Scene:
    header = image_file_header(image, cut.exif, mask)
    if min(header.size) < cut.tile_size:
        raise DataError(
            f"{image} is {header.size[0]}×{header.size[1]}, smaller than a tile of {cut.tile_size}×{cut.tile_size}; "
            f"lower --tile-size to {min(header.size)}, or leave the image out"
        )
    if mask and (fault := misfit(mask, image_file_size(mask, cut.exif, for_mask=True), header.size)) is not None:
        raise DataError(fault)
    scene = Scene(name, image, mask, header)
    longest = max(len(os.fsencode(tile)) for tile, _, _ in _places(scene, cut)) + len(".png")
    if longest > LONGEST_NAME:
        raise DataError(
            f"{image} would be cut into tiles whose file names have up to {longest} bytes, above the {LONGEST_NAME} "
            f"that file systems take; shorten its name by {longest - LONGEST_NAME}"
        )
    return scene


def _places(scene: Scene, cut: Cut) -> list[tuple[str, int, int]]:
    """Name, top and left of each tile."""
    tops, lefts = (tile_origins(length, cut.tile_size, cut.step) for length in scene.header.size)
    return [
        (f"{scene.name}_{row}_{column}", top, left) for row, top in enumerate(tops) for column, left in enumerate(lefts)
    ]


def _check_groups(scenes: Sequence[Scene], description: Description, cut: Cut) -> None:
    """The group is written for names of tiles; it must say there what it says on the names of scenes."""
    if cut.group is None:
        return
    try:
        of_scenes = replace(description, group=cut.group).groups_of([scene.name for scene in scenes])
        tiles = [(scene.name, name) for scene in scenes for name, _, _ in _places(scene, cut)]
        of_tiles = description.groups_of([name for _, name in tiles])
    except DataError as error:
        raise OptionError(f"--group: {error}") from error
    for scene, group in of_scenes.items():
        if group is None:
            raise OptionError(f"--group {cut.group!r} does not match scene '{scene}'; it has to match all of them")
    for scene, name in tiles:
        if of_tiles[name] != of_scenes[scene]:
            raise OptionError(
                f"--group {cut.group!r} reads '{of_scenes[scene]}' from scene '{scene}', but '{of_tiles[name]}' from "
                f"its tile '{name}'; write it without $, so that a row and column may follow"
            )


def _raw_description(name: str, classes: Classes, cut: Cut) -> dict[str, Any]:
    """The content of `dataset.json`, but for the scene classes; its tiles hold ids."""
    keys = classes.as_keys()
    if classes.palette and not classes.ignore_colours:
        keys["ignore_colours"] = [format_colour(_free_colour(classes.palette.values()))]
    return {
        **{"version": 2, "name": name, "images": IMAGES, "masks": MASKS},
        **{key: keys[key] for key in ("classes", "palette", "ignore_colours")},
        "scene_classes": None,
        "scene_labels": None,
        "group": cut.group or _SCENE,
        "tile_size": cut.tile_size,
        "exif": cut.exif,
    }


def _free_colour(taken: Any) -> RGB:
    """A grey for ignored pixels, black if no class has it."""
    return next((grey, grey, grey) for grey in range(256) if (grey, grey, grey) not in set(taken))


# --- Tiles ------------------------------------------------------------------------------------------------------------


def _cut_all(
    scenes: Sequence[Scene], folder: Path, description: Description, as_given: Description, cut: Cut
) -> tuple[list[Tile], MaskValues]:
    """Cut all scenes: their masks are read as `as_given` says, and the tiles' written as `description` says."""
    (folder / IMAGES).parent.mkdir()
    masks = [scene.mask for scene in scenes if scene.mask]
    if masks:
        (folder / MASKS).parent.mkdir()
    palettes = PaletteFiles(meanings(as_given), lambda: masks) if as_given.palette is None else None
    largest = max(height * width for height, width in (scene.header.size for scene in scenes))
    threads = max(1, int(_MEMORY / (_BYTES_PER_PIXEL * largest)))
    read = partial(read_ids, description=as_given, palettes=palettes)
    work = partial(_cut_scene, folder=folder, description=description, read=read, cut=cut)
    results = in_threads(work, scenes, "cutting", "scene", threads)
    found = {scene.name: values for scene, (_, values) in zip(scenes, results, strict=True) if scene.mask}
    warn_of_values(found, as_given)
    tiles = [tile for tiles, _ in results for tile in tiles]
    if not tiles:
        raise DataError(f"no tile has {cut.min_labelled:.0%} of its pixels labelled; lower --min-labelled")
    return tiles, sum(found.values(), MaskValues())


def _cut_scene(
    scene: Scene, folder: Path, description: Description, read: Callable[[Path], DecodedMask], cut: Cut
) -> tuple[list[Tile], MaskValues]:
    """Write a scene's tiles; returns them, and what its mask holds."""
    image = read_image(scene.image, exif=cut.exif, mask=scene.mask)
    ids, _, values = read(scene.mask) if scene.mask else (None, 0.0, MaskValues())
    tiles = []
    for name, top, left in _places(scene, cut):
        window = np.s_[top : top + cut.tile_size, left : left + cut.tile_size]
        counts = None
        if ids is not None:
            counts = count_classes(ids[window], description.num_classes)
            if counts.sum() < cut.min_labelled * cut.tile_size**2:
                continue
            _write_mask(folder / MASKS.format(name=name), ids[window], description)
        _write_image(folder / IMAGES.format(name=name), image[window])
        tiles.append(Tile(name, counts))
    return tiles, values


def _write_image(path: Path, image: np.ndarray) -> None:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _PNG)
    path.write_bytes(encoded.tobytes())


def _write_mask(path: Path, ids: np.ndarray, description: Description) -> None:
    mask = Image.fromarray(ids)
    if description.palette is not None:  # ids as values and colours as palette: it reads as both
        colours = np.zeros((256, 3), np.uint8)
        colours[: description.num_classes] = description.palette
        colours[IGNORE_INDEX] = description.ignore_colours[0]
        mask.putpalette(colours.tobytes())
    encoded = io.BytesIO()  # so that a full disk is seen as one
    mask.save(encoded, "png", compress_level=1)
    path.write_bytes(encoded.getvalue())


def _describe(folder: Path, raw: dict[str, Any], tiles: Sequence[Tile], scenes: Sequence[Scene], cut: Cut) -> Contents:
    """Write `dataset.json` and the scene labels."""
    classes = raw["classes"]
    counts = {tile.name: tile.counts for tile in tiles if tile.counts is not None}
    labels: dict[str, str] = {}
    if cut.scene_labels:
        labels = {name: classes[int(pixels.argmax())] for name, pixels in counts.items() if pixels.any()}
        present = set(labels.values())
        if len(present) < 2:
            found = (
                f"one class, {present.pop()}, is dominant in all tiles" if present else "no tile has a labelled pixel"
            )
            raise OptionError(f"--scene-labels dominant needs two scene classes or more, but {found}; leave it out")
        raw = raw | {"scene_classes": [c for c in classes if c in present], "scene_labels": "scene_labels.csv"}
        _write_labels(folder / "scene_labels.csv", labels)
    write_json(folder / "dataset.json", raw)
    description = parse_description(raw)
    names = [tile.name for tile in tiles]
    groups = len(set(description.groups_of(names).values()))
    origin = f" of {cut.tile_size}×{cut.tile_size} pixels from {len(scenes)} scenes"
    if cut.group:
        origin += f" in {groups} groups"
    origin += turns_of([scene.header for scene in scenes], cut.exif)
    total = sum(counts.values(), np.zeros(len(classes), np.int64))
    shares = {name: float(n / max(1, total.sum())) for name, n in zip(classes, total, strict=True)}
    return Contents(description, names, set(counts), labels, origin, shares if counts else {})


def _write_labels(path: Path, labels: Mapping[str, str]) -> None:
    write_text(path, table_text([("name", "label"), *labels.items()]))
