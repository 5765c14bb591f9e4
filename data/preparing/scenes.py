"""Cutting scenes, large images with or without masks, into the tiles of a custom data set."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data.checking.mask_values import meanings
from data.dataset_json import STRETCH, parse_description
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.labels.mask_files import palette_in_file
from data.labels.polygon_classes import PolygonClasses
from data.labels.polygons import open_labels
from data.labels.raster_masks import RasterMask
from data.preparing import plain_scenes, raster_scenes
from data.preparing.classes import Classes
from data.preparing.folder import Report, prepare_folder
from data.preparing.prepared_set import Contents, turns_of
from data.preparing.raster_scenes import OpenMask, SceneMask
from data.preparing.scene_files import PathList, SceneFiles, are_plain, find_scene_files
from data.preparing.scene_set import bands_from, contents_of, raw_description
from data.preparing.settings import BandSettings, Cut, PolygonSettings, Target
from data.preparing.tile_grid import check_groups
from data.rasters.places.grids import Grid
from data.rasters.values import stretch_of
from utils.errors import DataError, OptionError, warn
from utils.imagery.bands import RGB_BANDS

_SAID = 3  # lines on masks
_NO_PLACE = {"name": "scenes", "images": "images/{name}.png", "masks": plain_scenes.MASKS}  # they are options


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
    is_plain = reading.is_default and cut.metres_per_pixel is None and are_plain(files)
    ending = plain_scenes.IMAGES if is_plain else raster_scenes.IMAGES
    raw = raw_description(Path(os.path.realpath(target.out)).name, classes, cut, ending)
    try:
        description = parse_description(raw)
        as_given = replace(parse_description({**_NO_PLACE, **classes.as_keys()}), exif=cut.exif)
    except DataError as error:
        raise OptionError(f"the classes cannot be used: {error}") from error

    def fill(folder: Path) -> Contents:
        if is_plain:
            plain = plain_scenes.open_plain_scenes(files.images, files.masks, cut)
            check_groups({scene.name: scene.header.size for scene in plain}, description, cut)
            tiles, values = plain_scenes.cut_plain_scenes(plain, folder, description, as_given, cut)
            grids = {scene.name: Grid(scene.image, scene.header.size) for scene in plain}
            turns = turns_of([scene.header for scene in plain], cut.exif)
            return contents_of(folder, raw, as_given, tiles, values, grids, cut, turns, lambda _: RGB_BANDS)
        remarks: list[str] = []
        scenes = raster_scenes.open_raster_scenes(files.images, files.masks, reading.bands, cut)
        check_groups(raster_scenes.sizes_of(scenes), description, cut)
        grids = {scene.name: scene.grid for scene in scenes}
        openers = _masks(files, as_given, polygons, grids, remarks)
        scenes = [replace(scene, mask=openers.get(scene.name)) for scene in scenes]
        tiles, values = raster_scenes.cut_raster_scenes(scenes, folder, description, cut)
        _say_first(sorted(remarks))
        bands_of = partial(bands_from, scenes, reading, cut)
        stretch = stretch_of(scenes[0].bands, reading.value_range, reading.stretch)
        measured = raw | {STRETCH: None if stretch is None else list(stretch)}
        return contents_of(folder, measured, as_given, tiles, values, grids, cut, turns_of(scenes, cut.exif), bands_of)

    sources = [("images", images_list := PathList(given, files.images), images_list.by_name)]
    used = {files.polygons.stem: files.polygons} if files.polygons else files.masks
    if used:
        sources.append(("masks", masks_list := PathList(given_masks, used), masks_list.by_name))
    return prepare_folder("scenes", _options(raw, classes, cut, reading, polygons, match), sources, target, fill)


def _options(
    raw: Mapping[str, Any],
    classes: Classes,
    cut: Cut,
    reading: BandSettings,
    polygons: PolygonSettings,
    match: str | None,
) -> dict[str, Any]:
    """All that the tiles and lists depend on beside the files, as values for JSON."""
    return {
        **{key: raw[key] for key in ("classes", "palette", "ignore_colours", "group", "tile_size")},
        "stride": cut.step,
        "min_labelled": cut.min_labelled,
        "min_valid": cut.min_valid,
        "block_size": cut.block_size,
        "gap": cut.gap,
        "scene_labels": cut.scene_labels,
        **{key: value for key, value in classes.as_keys().items() if key in ("codes", "ignore_codes")},
        "exif": cut.exif,
        "metres_per_pixel": cut.metres_per_pixel,
        "match": match,
        "reading": [reading.bands, list(reading.value_range or ()), reading.stretch, reading.display_bands],
        "polygons": [
            polygons.label_field, polygons.label_layer, list(polygons.label_order or ()), polygons.background,
        ],
    }  # fmt: skip


# --- Masks ------------------------------------------------------------------------------------------------------------


def _masks(
    files: SceneFiles,
    as_given: Description,
    settings: PolygonSettings,
    grids: Mapping[str, Grid],
    remarks: list[str],
) -> dict[str, OpenMask]:
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

        return {name: opener(path) for name, path in files.masks.items()}
    classes = PolygonClasses(as_given, settings.label_order or (), settings.background)
    labels = open_labels(files.polygons, classes, list(grids.values()), settings.label_field, settings.label_layer)
    remarks.extend(labels.layer.remarks)

    def of_polygons(grid: Grid) -> AbstractContextManager[SceneMask]:
        return nullcontext(labels.on(grid))

    return dict.fromkeys(grids, of_polygons)


def _say_first(remarks: Sequence[str]) -> None:
    """The first few lines on masks, and how many more there are."""
    for remark in remarks[:_SAID]:
        warn(remark)
    if len(remarks) > _SAID:
        warn(f"{len(remarks) - _SAID} more masks are alike")
