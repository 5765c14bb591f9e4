"""What a data set of scenes is once its tiles are cut: its description, blocks, lists' files, bands and ranges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.checking.mask_values import MaskValues, says_no_class
from data.dataset_json import STRETCH, parse_description
from data.descriptions import Description
from data.footprints.blocks import blocks
from data.footprints.counting import CountedOnce
from data.footprints.distances import too_near
from data.footprints.names import TILES_CSV, TILES_GPKG
from data.footprints.records import TileRecord, write_gpkg, write_tiles_csv
from data.preparing import plain_scenes, raster_scenes
from data.preparing.classes import Classes
from data.preparing.prepared_set import Contents, warn_of_values
from data.preparing.raster_scenes import RasterSceneInfo
from data.preparing.settings import BandSettings, Cut
from data.preparing.tile_grid import Tile
from data.rasters.places.grids import Grid
from data.rasters.sampling import sample_values
from data.rasters.values import choose_ranges
from utils.errors import DataError, OptionError
from utils.imagery.bands import RGB_BANDS, Bands, default_display, is_rgb
from utils.imagery.colours import RGB, format_colour
from utils.imagery.labels import IGNORE_INDEX, count_classes
from utils.runs.files import write_json, write_text
from utils.suggest import unknown
from utils.tables import table_text

_SCENE = r"^(.*)_\d+_\d+$"  # a tile is named <scene>_<row>_<column>


def raw_description(name: str, classes: Classes, cut: Cut, images: str) -> dict[str, Any]:
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


def contents_of(
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
    if as_given.palette is None and _means_no_class(sum(values.values(), MaskValues()), as_given):
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
    once = CountedOnce(records)
    total = sum(
        (_counted_once(folder, name, pixels, once) for name, pixels in counts.items()),
        np.zeros(len(raw["classes"]), np.int64),
    )
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
    if cut.metres_per_pixel:
        origin += f", brought to {cut.metres_per_pixel:g} m per pixel"
    if once.overlapping:
        origin += f", {once.overlapping} tiles overlap"
    if cut.group:
        origin += f" in {len(set(description.groups_of(names).values()))} groups"
    if cut.block_size:
        origin += f" in {len(set(block_of.values()))} blocks"
    pixel_shares = shares if counts else {}
    return Contents(
        description, names, set(counts), labels, origin + turns, pixel_shares, block_of, near, cut.gap > 0, complete
    )


def _counted_once(folder: Path, name: str, pixels: np.ndarray, once: CountedOnce) -> np.ndarray:
    """A tile's pixels of each class, but for those that another tile counts which overlaps it."""
    counted = once.mask(name)
    if counted is None:
        return pixels
    with Image.open(folder / plain_scenes.MASKS.format(name=name)) as mask:
        return count_classes(np.array(mask)[counted], len(pixels))


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
    if bands == RGB_BANDS:
        return {key: value for key, value in raw.items() if key != STRETCH}
    return {**raw, **bands.as_json()}


def bands_from(scenes: Sequence[RasterSceneInfo], reading: BandSettings, cut: Cut, training: Sequence[Tile]) -> Bands:
    """The bands of the data set: ranges, mean and deviation from the training tiles alone."""
    names = raster_scenes.band_names(scenes[0])
    windows = raster_scenes.windows_of(scenes, training)
    sample = partial(sample_values, windows, reading.bands, metres_per_pixel=cut.metres_per_pixel)
    ranges = choose_ranges(scenes[0].bands, reading.value_range, reading.stretch, sample)
    mean, std = (RGB_BANDS.mean, RGB_BANDS.std) if is_rgb(names) else sample().moments(ranges)
    known = [scene.metres_per_pixel for scene in scenes if scene.metres_per_pixel is not None]
    metres = cut.metres_per_pixel or next(iter(known), None)
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


def _means_no_class(values: MaskValues, as_given: Description) -> bool:
    """Whether 255 is to be declared to have no class: masks say so, or there are none yet, and those to come will."""
    has_class = any(IGNORE_INDEX in codes for codes in as_given.codes or ())
    return says_no_class(values, as_given) or (not values.masks and not has_class)
