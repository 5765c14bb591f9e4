"""Cutting scenes, large images with or without masks, into the tiles of a custom data set."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data.checking.mask_values import MaskValues, meanings, says_no_class
from data.dataset_json import parse_description
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.footprints.blocks import blocks
from data.footprints.distances import too_near
from data.footprints.names import TILES_CSV, TILES_GPKG
from data.footprints.records import TileRecord, write_gpkg, write_tiles_csv
from data.labels.mask_files import palette_in_file
from data.labels.polygon_classes import PolygonClasses
from data.labels.polygons import PolygonLabels
from data.labels.raster_masks import RasterMask
from data.labels.vector_files import read_layer
from data.preparing import plain_scenes, raster_scenes
from data.preparing.classes import Classes
from data.preparing.folder import Report, prepare_folder
from data.preparing.prepared_set import Contents, turns_of, warn_of_values
from data.preparing.raster_scenes import OpenMask, RasterSceneInfo, SceneMask
from data.preparing.scene_files import PathList, SceneFiles, are_plain, find_scene_files
from data.preparing.settings import BandSettings, Cut, PolygonSettings, Target
from data.preparing.tile_grid import Tile, check_groups
from data.rasters.grids import Grid
from data.rasters.sampling import sample_values
from data.rasters.values import choose_ranges
from utils.errors import DataError, OptionError, warn
from utils.imagery.bands import RGB_BANDS, RGB_NAMES, Bands, default_display
from utils.imagery.colours import RGB, format_colour
from utils.imagery.labels import IGNORE_INDEX
from utils.runs.files import write_json, write_text
from utils.suggest import unknown
from utils.tables import table_text

_SAID = 3  # lines on masks
_NO_PLACE = {"name": "scenes", "images": "images/{name}.png", "masks": plain_scenes.MASKS}  # they are options
_SCENE = r"^(.*)_\d+_\d+$"  # a tile is named <scene>_<row>_<column>


def prepare_scenes(
    images: Path | Sequence[Path],
    masks: Path | Sequence[Path] | None,
    classes: Classes,
    cut: Cut,
    target: Target,
    reading: BandSettings | None = None,
    polygons: PolygonSettings | None = None,
    match: str | None = None,
) -> Report:
    """Cut scenes into a custom data set.

    Scenes of 8 bits, grey or RGB, without a place become PNG files; any others GeoTIFF files that keep their bits,
    bands and place. Masks become PNG files whose values are the ids; with a palette, they carry its colours, which is
    how they are read.

    Args:
        images: folders or files of scenes.
        masks: folders or files of masks with the same names before the ending, or one file of polygons; scenes without
            one are unlabelled.
        classes: what the masks hold.
        cut: how to cut.
        target: where to, and how the tiles are shared out.
        reading: which bands, and their ranges; None: as the files say.
        polygons: how polygons become masks.
        match: how names of masks follow from those of images; None: they are the same.

    Raises:
        OptionError: a path that does not exist, or options that do not fit the scenes.
        DataError: a scene that is damaged, too small, or does not fit its mask.
    """
    given = [images] if isinstance(images, Path) else list(images)
    given_masks = [masks] if isinstance(masks, Path) else list(masks or ())
    files = find_scene_files(given, given_masks, match)
    reading, polygons = reading or BandSettings(), polygons or PolygonSettings()
    is_plain = reading.is_default and are_plain(files)
    ending = plain_scenes.IMAGES if is_plain else raster_scenes.IMAGES
    raw = _raw_description(Path(os.path.realpath(target.out)).name, classes, cut, ending)
    try:
        description = parse_description(raw)
        as_given = parse_description({**_NO_PLACE, **classes.as_keys()})
    except DataError as error:
        raise OptionError(f"the classes cannot be used: {error}") from error

    def fill(folder: Path) -> Contents:
        if is_plain:
            plain = plain_scenes.open_plain_scenes(files.images, files.masks, cut)
            check_groups({scene.name: scene.header.size for scene in plain}, description, cut)
            tiles, values = plain_scenes.cut_plain_scenes(plain, folder, description, as_given, cut)
            grids = {scene.name: Grid(scene.image, scene.header.size) for scene in plain}
            turns = turns_of([scene.header for scene in plain], cut.exif)
            return _contents(folder, raw, as_given, tiles, values, grids, cut, turns, lambda _: RGB_BANDS)
        remarks: list[str] = []
        openers = _masks(files, as_given, polygons, remarks)
        scenes = raster_scenes.open_raster_scenes(files.images, openers(files.images), reading.bands, cut)
        check_groups(raster_scenes.sizes_of(scenes), description, cut)
        tiles, values = raster_scenes.cut_raster_scenes(scenes, folder, description, cut)
        _say_first(sorted(remarks))
        grids = {scene.name: scene.grid for scene in scenes}
        bands_of = partial(_bands, scenes, reading)
        return _contents(folder, raw, as_given, tiles, values, grids, cut, "", bands_of)

    options = {
        **{key: raw[key] for key in ("classes", "palette", "ignore_colours", "group", "tile_size")},
        "stride": cut.step,
        "min_labelled": cut.min_labelled,
        "min_valid": cut.min_valid,
        "block_size": cut.block_size,
        "gap": cut.gap,
        "scene_labels": cut.scene_labels,
        **{key: value for key, value in classes.as_keys().items() if key in ("codes", "ignore_codes")},
        "exif": cut.exif,
        "match": match,
        "reading": [reading.bands, list(reading.value_range or ()), reading.stretch, reading.display_bands],
        "polygons": [
            polygons.label_field, polygons.label_layer, list(polygons.label_order or ()), polygons.background,
        ],
    }  # fmt: skip
    sources = [("images", images_list := PathList(given, files.images), images_list.by_name)]
    used = {files.polygons.stem: files.polygons} if files.polygons else files.masks
    if used:
        sources.append(("masks", masks_list := PathList(given_masks, used), masks_list.by_name))
    return prepare_folder("scenes", options, sources, target, fill)


# --- Masks ------------------------------------------------------------------------------------------------------------


def _masks(
    files: SceneFiles, as_given: Description, settings: PolygonSettings, remarks: list[str]
) -> Callable[[Mapping[str, Path]], dict[str, OpenMask]]:
    """What opens the masks of scenes on their grids, by the scene's name; `remarks` takes what is to be said."""
    if files.polygons is None:
        paths = sorted(files.masks.values())
        palettes = None
        if as_given.palette is None and paths:
            palettes = PaletteFiles(meanings(as_given), lambda: paths, palette_in_file)

        def opener(path: Path) -> OpenMask:
            def open_mask(grid: Grid) -> AbstractContextManager[SceneMask]:
                mask = RasterMask(path, grid, as_given, palettes)
                remarks.extend(mask.remarks)
                return mask

            return open_mask

        return lambda _: {name: opener(path) for name, path in files.masks.items()}
    classes = PolygonClasses(as_given, settings.label_order or (), settings.background)
    layer = read_layer(files.polygons, classes, settings.label_field, settings.label_layer)
    remarks.extend(layer.remarks)
    labels = PolygonLabels(layer, classes)

    def of_polygons(grid: Grid) -> AbstractContextManager[SceneMask]:
        return nullcontext(labels.on(grid))

    return lambda images: dict.fromkeys(images, of_polygons)


def _say_first(remarks: Sequence[str]) -> None:
    """The first few lines on masks, and how many more there are."""
    for remark in remarks[:_SAID]:
        warn(remark)
    if len(remarks) > _SAID:
        warn(f"{len(remarks) - _SAID} more masks are alike")


# --- dataset.json -----------------------------------------------------------------------------------------------------


def _raw_description(name: str, classes: Classes, cut: Cut, images: str) -> dict[str, Any]:
    """The content of `dataset.json`, but for the scene classes; its tiles hold ids."""
    keys = classes.as_keys()
    if classes.palette and not classes.ignore_colours:
        keys["ignore_colours"] = [format_colour(_free_colour(classes.palette.values()))]
    return {
        **{"version": 2, "name": name, "images": images, "masks": plain_scenes.MASKS},
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


def _contents(
    folder: Path,
    raw: dict[str, Any],
    as_given: Description,
    tiles: Sequence[Tile],
    values: Mapping[str, MaskValues],
    grids: Mapping[str, Grid],
    cut: Cut,
    turns: str,
    bands_of: Callable[[Sequence[Tile]], Bands],
) -> Contents:
    """What was cut, and how it is completed once the lists are drawn.

    Args:
        folder: the data folder.
        raw: content of `dataset.json` so far.
        as_given: how the masks were read.
        tiles: that were cut.
        values: what the masks of scenes hold, by name.
        grids: where the scenes lie, by name.
        cut: how they were cut.
        turns: what the report says of EXIF data.
        bands_of: the bands of the data set, from its training tiles.
    """
    warn_of_values(values, as_given)
    if not tiles:
        raise DataError(f"no tile has {cut.min_labelled:.0%} of its pixels labelled; lower --min-labelled")
    if as_given.palette is None and says_no_class(sum(values.values(), MaskValues()), as_given):
        raw = raw | {"ignore_codes": [IGNORE_INDEX]}
    counts = {tile.name: tile.counts for tile in tiles if tile.counts is not None}
    labels: dict[str, str] = {}
    if cut.scene_labels:
        labels = _dominant(counts, raw["classes"])
        present = set(labels.values())
        raw = raw | {"scene_classes": [c for c in raw["classes"] if c in present], "scene_labels": "scene_labels.csv"}
        write_text(folder / "scene_labels.csv", table_text([("name", "label"), *labels.items()]))
    description = parse_description(raw)
    records = [tile.record for tile in tiles]
    names = [record.name for record in records]
    block_of = dict(zip(names, _block_names(grids, records, description, cut), strict=True))
    total = sum(counts.values(), np.zeros(len(raw["classes"]), np.int64))
    shares = {name: float(n / max(1, total.sum())) for name, n in zip(raw["classes"], total, strict=True)}

    def near(lists: Mapping[str, Sequence[str]]) -> Sequence[str]:
        return too_near(_listed(records, block_of, lists), cut.gap) if cut.gap else ()

    def complete(at: Path, lists: Mapping[str, Sequence[str]]) -> None:
        listed = _listed(records, block_of, lists)
        training = set(lists.get("train", names))
        write_json(at / "dataset.json", _with_bands(raw, bands_of([tile for tile in tiles if tile.name in training])))
        write_tiles_csv(at / TILES_CSV, listed)
        write_gpkg(at / TILES_GPKG, listed, _class_shares(counts, raw["classes"]))

    origin = f" of {cut.tile_size}×{cut.tile_size} pixels from {len(grids)} scenes"
    if cut.group:
        origin += f" in {len(set(description.groups_of(names).values()))} groups"
    if cut.block_size:
        origin += f" in {len(set(block_of.values()))} blocks"
    pixel_shares = shares if counts else {}
    return Contents(
        description, names, set(counts), labels, origin + turns, pixel_shares, block_of, near, cut.gap > 0, complete
    )


def _block_names(
    grids: Mapping[str, Grid], records: Sequence[TileRecord], description: Description, cut: Cut
) -> list[str]:
    """What keeps each tile together with others: its block, or the group of its scene; scenes that overlap are one."""
    found = blocks(grids, records, cut.block_size)
    if cut.group is None:
        return found
    groups = description.groups_of([record.name for record in records])
    first: dict[str, str] = {}  # groups that share a block become one
    joined: dict[str, str] = {}

    def root(name: str) -> str:
        while joined.get(name, name) != name:
            name = joined[name]
        return name

    keys = [f"group {groups[record.name]}" for record in records]
    for key, block in zip(keys, found, strict=True):
        other = first.setdefault(block, key)
        joined.setdefault(key, key)
        joined[root(key)] = root(other)
    return [root(key).removeprefix("group ") for key in keys]


def _listed(
    records: Sequence[TileRecord], block_of: Mapping[str, str], lists: Mapping[str, Sequence[str]]
) -> list[TileRecord]:
    """Records with the block and the list of their tiles."""
    list_of = {name: part for part, names in lists.items() for name in names}
    return [replace(r, block=block_of[r.name], list=list_of.get(r.name, "")) for r in records]


def _dominant(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> dict[str, str]:
    """The class of most pixels, of each tile that has one."""
    labels = {name: classes[int(pixels.argmax())] for name, pixels in counts.items() if pixels.any()}
    present = set(labels.values())
    if len(present) < 2:
        found = f"one class, {present.pop()}, is dominant in all tiles" if present else "no tile has a labelled pixel"
        raise OptionError(f"--scene-labels dominant needs two scene classes or more, but {found}; leave it out")
    return labels


def _class_shares(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        name: {c: float(n / max(1, pixels.sum())) for c, n in zip(classes, pixels, strict=True)}
        for name, pixels in counts.items()
    }


def _with_bands(raw: Mapping[str, Any], bands: Bands) -> dict[str, Any]:
    """The content of `dataset.json`; plain RGB is what nothing said means."""
    return dict(raw) if bands == RGB_BANDS else {**raw, **bands.as_json()}


def _bands(scenes: Sequence[RasterSceneInfo], reading: BandSettings, training: Sequence[Tile]) -> Bands:
    """The bands of the data set: ranges, mean and deviation from the training tiles alone."""
    names = raster_scenes.band_names(scenes[0])
    windows = raster_scenes.windows_of(scenes, training)
    sample = partial(sample_values, windows, ",".join(map(str, scenes[0].numbers)))
    ranges = choose_ranges(scenes[0].bands, reading.value_range, reading.stretch, sample)
    is_rgb = tuple(name.lower() for name in names) == RGB_NAMES
    mean, std = (RGB_BANDS.mean, RGB_BANDS.std) if is_rgb else sample().moments(ranges)
    metres = next((scene.metres_per_pixel for scene in scenes if scene.metres_per_pixel is not None), None)
    return Bands(
        names,
        tuple(range(1, len(names) + 1)),  # of the tiles, which hold the chosen bands alone
        ranges.pairs,
        tuple(mean),
        tuple(std),
        _display(reading.display_bands, names),
        metres,
        raster_scenes.nodata_of(scenes),
    )


def _display(asked: str | None, names: Sequence[str]) -> tuple[int, ...]:
    """Positions of the bands that pictures show.

    Raises:
        OptionError: one of them is not there, or there are neither one nor three.
    """
    if asked is None:
        return default_display(names)
    lower, found = [name.lower() for name in names], []
    for word in (part.strip() for part in asked.split(",")):
        if word.isdecimal() and 1 <= int(word) <= len(names):
            found.append(int(word) - 1)
        elif word.lower() in lower:
            found.append(lower.index(word.lower()))
        else:
            raise OptionError(f"--display-bands: {unknown('band', word, names)}; numbers count the used bands from 1")
    if len(found) not in (1, 3):
        raise OptionError(f"--display-bands {asked} names {len(found)} bands; give one, or three for red, green, blue")
    return tuple(found)
