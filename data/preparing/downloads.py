"""Preparing the downloads of UC Merced with DLRSD and of DeepGlobe, and the demo set, which is drawn."""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from data.checking.mask_values import MaskValues
from data.decoding.images import ImageHeader, image_file_size, misfit
from data.decoding.masks import read_ids
from data.demo.demo_set import draw_demo
from data.descriptions import DEEPGLOBE, UCM
from data.lists.scene_labels import read_class_map, read_scene_labels
from data.lists.splits import tile_name
from data.preparing.archives import digest, open_source
from data.preparing.folder import Report, prepare_folder
from data.preparing.prepared_set import Contents, turns_of, warn_of_values
from data.preparing.settings import Target
from data.preparing.source_files import check_names, matching, place_tiles, tiles_of
from data.reader import TileReader
from utils.compute.threads import in_threads
from utils.errors import DataError, OptionError, warn
from utils.imagery.labels import count_classes
from utils.runs.files import write_json
from utils.suggest import first_names, unknown


def prepare_ucm(images: Path, masks: Path | None, target: Target) -> Report:
    """Prepare UC Merced Land Use, with the masks of DLRSD where they are given.

    Args:
        images: `UCMerced_LandUse`, folder or zip, with `<class><number>.tif` at any depth.
        masks: `DLRSD`, folder or zip, with `<class><number>.png` at any depth.
        target: where to, and how.

    Raises:
        OptionError: a path that does not exist, or `target.out` holds something else.
        DataError: no tiles, a tile twice, or a zip that is damaged or not safe.
    """
    image_source = open_source(images, "--images")
    mask_source = open_source(masks, "--masks") if masks else None
    image_files = tiles_of(image_source, (".tif", ".tiff"))
    strangers = sorted(name for name in image_files if not _is_ucm_name(name))
    if len(strangers) == len(image_files):
        raise DataError(f"{images} holds no tile of UC Merced; expected files such as agricultural00.tif at any depth")
    if strangers:
        warn(f"{len(strangers)} files in {images} are no tiles of UC Merced and are left out: {first_names(strangers)}")
    image_files = {name: file for name, file in image_files.items() if _is_ucm_name(name)}
    mask_files = tiles_of(mask_source, (".png",)) if mask_source else {}
    sources = [(UCM.images, image_source, image_files)]
    if mask_source:
        mask_files = matching(mask_source, mask_files, image_files)
        sources.append((UCM.masks, mask_source, mask_files))

    def fill(folder: Path) -> Contents:
        for template, source, files in sources:
            place_tiles(folder, template, source, files, target.copy)
        names = sorted(image_files)
        turns = _check_pairs(TileReader(UCM, folder, (0, 0)), names)
        return Contents(UCM, names, set(mask_files), read_scene_labels(UCM, folder, names), turns)

    return prepare_folder("ucm", {}, sources, target, fill)


def prepare_deepglobe(pairs: Path, class_map: Path | None, target: Target) -> Report:
    """Prepare DeepGlobe Land Cover.

    Args:
        pairs: folder or zip with `<id>_sat.jpg` and `<id>_mask.png` at any depth; images without a mask are fine.
        class_map: JSON {id: scene class}; None: each mask's dominant class.
        target: where to, and how.

    Raises:
        OptionError: a path that does not exist, or `target.out` holds something else.
        DataError: no tiles, a tile twice, a damaged mask, or a zip that is damaged or not safe.
    """
    source = open_source(pairs, "--source")
    image_files, mask_files = tiles_of(source, ("_sat.jpg",)), tiles_of(source, ("_mask.png",))
    if not image_files:
        raise DataError(f"{pairs} holds no image of DeepGlobe; expected files such as 119_sat.jpg at any depth")
    check_names(image_files, pairs)
    mask_files = matching(source, mask_files, image_files) if mask_files else {}
    given = _given_class_map(class_map, image_files) if class_map else None

    def fill(folder: Path) -> Contents:
        place_tiles(folder, DEEPGLOBE.images, source, image_files, target.copy)
        place_tiles(folder, DEEPGLOBE.masks, source, mask_files, target.copy)
        names = sorted(image_files)
        turns = _check_pairs(TileReader(DEEPGLOBE, folder, (0, 0)), names)
        labels = given if given is not None else _dominant_classes(folder, sorted(mask_files))
        write_json(folder / "class_map.json", labels)
        return Contents(DEEPGLOBE, names, set(mask_files), labels, turns)

    sources = [(DEEPGLOBE.images, source, image_files), (DEEPGLOBE.masks, source, mask_files)]
    return prepare_folder("deepglobe", {"class_map": {"digest": digest(given)}}, sources, target, fill)


def prepare_demo(tiles_per_class: int, target: Target) -> Report:
    """Draw the demo set, in the layout of UC Merced with the masks of DLRSD.

    Args:
        tiles_per_class: 1 to 100.
        target: where to, and how; its seed also draws the tiles.

    Raises:
        OptionError: `target.out` holds something else.
    """

    def fill(folder: Path) -> Contents:
        names = draw_demo(folder, tiles_per_class, target.random_seed)
        return Contents(UCM, names, names, read_scene_labels(UCM, folder, names), origin=", drawn")

    return prepare_folder("demo", {"tiles_per_class": tiles_per_class}, [], target, fill)


def _check_pairs(reader: TileReader, names: Sequence[str]) -> str:
    """Compare the sizes of images and masks by their headers; returns how many images are turned, for the report.

    Files that cannot be read are left to `prepare_data.py check`.

    Raises:
        DataError: a mask is of another size than its image, beyond what the data set allows.
    """
    exif = reader.description.exif

    def look_at(name: str) -> tuple[ImageHeader | None, str | None]:
        header = None
        with suppress(DataError):
            header = reader.image_header(name)
            if reader.has_mask(name):
                mask = reader.mask_path(name)
                size = image_file_size(mask, exif, for_mask=True)
                return header, misfit(mask, size, header.size, reader.description.size_tolerance)
        return header, None

    found = in_threads(look_at, names, "comparing sizes", "tile")
    if faults := [fault for _, fault in found if fault is not None]:
        raise DataError(faults[0] + (f" (and {len(faults) - 1} more such masks)" if len(faults) > 1 else ""))
    return turns_of([header for header, _ in found if header is not None], exif)


def _is_ucm_name(name: str) -> bool:
    match = re.fullmatch(r"([A-Za-z]+)[0-9]+", name)
    return match is not None and match[1].lower() in (UCM.scene_classes or ())


def _given_class_map(path: Path, names: Collection[str]) -> dict[str, str]:
    if not path.is_file():
        raise OptionError(f"no class map at {path}; give a JSON file of {{tile id: scene class}}, or leave it out")
    known = DEEPGLOBE.scene_classes or ()
    labels = {tile_name(key, DEEPGLOBE): label for key, label in read_class_map(path).items()}
    for name, label in labels.items():
        if label not in known:
            raise DataError(f"{path}: '{name}' has {unknown('scene class', label, known)}")
    names = sorted(names)
    labels = {name: labels[name] for name in names if name in labels}
    if not labels:
        raise DataError(f"{path} names none of the {len(names)} tiles; expected ids such as {first_names(names)}")
    return labels


def _dominant_classes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The scene class that most pixels of each mask have; masks without any class are left out."""
    reader = TileReader(DEEPGLOBE, folder, (0, 0))

    def count(name: str) -> tuple[np.ndarray, MaskValues]:
        mask = read_ids(reader.mask_path(name).resolve(), DEEPGLOBE)
        return count_classes(mask.ids, DEEPGLOBE.num_classes), mask.values

    counts = in_threads(count, names, "dominant classes", "mask")
    warn_of_values({name: values for name, (_, values) in zip(names, counts, strict=True)}, DEEPGLOBE)
    scene_classes = DEEPGLOBE.scene_classes or ()
    return {n: scene_classes[int(c.argmax())] for n, (c, _) in zip(names, counts, strict=True) if c.any()}
