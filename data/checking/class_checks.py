"""Checks of a data set's classes: values in masks, pixels and tiles of each class, scene labels."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from data.checking.findings import Finding, counted, listed
from data.checking.mask_values import MaskValues, remarks
from data.checking.surveyed_set import SurveyedSet
from data.decoding.masks import MAX_OFF_PALETTE, wrong_values
from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from utils.errors import DataError


def palette(surveyed: SurveyedSet) -> Finding:
    """Mask values are classes: how many of them occur, and the share of pixels whose value no class has."""
    what = "ids" if surveyed.description.palette is None else "colours"
    masks = [tile for tile in surveyed.tiles.values() if tile.mask is not None and tile.mask.class_pixels]
    if not masks:
        return Finding("palette", "-", "no mask could be read" if surveyed.masks else "no masks")
    pixels = np.array([tile.mask.class_pixels for tile in masks if tile.mask])
    off = sum(tile.mask.off_palette for tile in masks if tile.mask)
    ignored = sum(tile.mask.ignored for tile in masks if tile.mask)
    total = max(1, int(pixels.sum()) + off + ignored)
    usable = surveyed.description.used_ids
    occurring = int((pixels.sum(axis=0)[usable] > 0).sum())
    empty = int((pixels.sum(axis=1) == 0).sum())
    worst = max(masks, key=lambda tile: tile.mask.off_palette_share if tile.mask else 0)
    worst_share = worst.mask.off_palette_share if worst.mask else 0.0
    text = f"{occurring} of {len(usable)} class {what} occur; {ignored / total:.2%} of the pixels have no class"
    text += f" ({counted(empty, 'mask')} without any)" if empty else ""
    text += f", {off / total:.3%} are off the palette"
    shares = [tile.mask.off_palette_share for tile in masks if tile.mask and tile.mask.off_palette]
    if shares:
        above = sum(share > MAX_OFF_PALETTE for share in shares)
        text += f", in {counted(len(shares), 'mask')}, {above} of them above {MAX_OFF_PALETTE:.0%}"
    values = {
        "occurring": occurring,
        "classes": len(usable),
        "ignored_share": ignored / total,
        "off_palette_share": off / total,
        "masks_without_labels": empty,
        "worst": {"name": worst.name, "share": worst_share} if off else None,
    }
    found = [tile.mask.values for tile in masks if tile.mask]
    details = remarks(sum(found, MaskValues()), surveyed.description)
    if off and worst.mask:
        path, wrong = surveyed.reader.mask_path(worst.name), wrong_values(worst.mask.values, surveyed.description)
        details.insert(0, f"most in {path}: {worst_share:.2%}, {wrong}")
    fails = worst_share > MAX_OFF_PALETTE or empty == len(masks)
    return Finding("palette", "FAIL" if fails else "warn" if details else "ok", text, details, values)


def classes(surveyed: SurveyedSet) -> Finding:
    """How often each pixel class occurs, in pixels and in tiles of each list; classes that never occur.

    A pixel of overlapping tiles counts once: for the tile whose centre is nearest.
    """
    counted, whole = {}, {}
    for part, names in surveyed.lists.items():
        masks = [mask for mask in (surveyed.tiles[name].mask for name in names) if mask and mask.class_pixels]
        if masks:
            counted[part] = np.array([mask.counted_pixels for mask in masks]).sum(axis=0)
            whole[part] = np.array([mask.class_pixels for mask in masks])
    if not counted:
        return Finding("classes", "-", "no mask could be read" if surveyed.masks else "no masks")
    description, first = surveyed.description, next(iter(counted))
    usable = description.used_ids
    shares = {part: pixels / max(1, pixels.sum()) for part, pixels in counted.items()}
    tiles = {part: (pixels > 0).sum(axis=0) for part, pixels in whole.items()}
    rows = [*_class_rows(description, shares, tiles), *_on_overlap(surveyed)]
    values = {
        part: {description.classes[i]: {"pixels": int(pixels[i]), "tiles": int(tiles[part][i])} for i in usable}
        for part, pixels in counted.items()
    }
    absent = {part: [description.classes[i] for i in usable if not tiles[part][i]] for part in counted}
    never = [f"in the {part} list {listed(names)}" for part, names in absent.items() if names]
    if never:
        return Finding("classes", "warn", "never occur: " + "; ".join(never), rows, values)
    rarest = min(usable, key=lambda i: shares[first][i])
    text = f"all {len(usable)} occur; rarest {description.classes[rarest]}, {shares[first][rarest]:.2%} of the pixels"
    return Finding("classes", "ok", text, rows, values)


def _class_rows(
    description: Description, shares: Mapping[str, np.ndarray], tiles: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """A table of classes: share of pixels and number of tiles in each list."""
    yield f"{'':<20}" + "".join(f"{part + ' list: pixels':>20} {'tiles':>6}" for part in shares)
    for i in description.used_ids:
        figures = "".join(f"{shares[part][i]:>20.2%} {tiles[part][i]:>6}" for part in shares)
        yield f"{description.classes[i]:<20}{figures}"


def _on_overlap(surveyed: SurveyedSet) -> Iterator[str]:
    found = {part: count for part, count in surveyed.overlapping.items() if count}
    if found:
        in_lists = (f"{count} of {len(surveyed.lists[part])} in the {part} list" for part, count in found.items())
        yield f"tiles that overlap: {', '.join(in_lists)}; each pixel counts once"


def class_count(surveyed: SurveyedSet) -> Finding:
    """`--num-classes` agrees with the data set."""
    given, description = surveyed.data.num_classes, surveyed.description
    expected = description.num_classes
    if given is None:
        return Finding("class count", "-", f"--num-classes not given; it is {expected}", values={"expected": expected})
    values = {"given": given, "expected": expected}
    if given == expected:
        return Finding("class count", "ok", f"{expected} pixel classes, as given", values=values)
    text = f"--num-classes {given} contradicts the data set, which has {expected} pixel classes"
    if given == len(description.scene_classes or ()):
        return Finding("class count", "warn", f"{text}; it is its number of scene classes (train_AL.py)", values=values)
    return Finding("class count", "FAIL", text, values=values)


def scene_labels(surveyed: SurveyedSet) -> Finding:
    """Scene labels can be read, and each scene class has tiles."""
    known, names = surveyed.description.scene_classes, surveyed.lists["data"]
    if known is None:
        return Finding(
            "scene labels", "-", "the data set has no scene classes; train_AL.py asks people, with --scene-classes"
        )
    try:
        labels = read_scene_labels(surveyed.description, surveyed.data.data_dir, names)
    except DataError as error:
        return Finding("scene labels", "FAIL", str(error))
    counts = Counter(labels.values())
    text = f"{len(labels)} of {len(names)} tiles of the data list, {len(counts)} of {len(known)} scene classes"
    values = {"tiles": {name: counts[name] for name in known}}
    absent = [name for name in known if name not in counts]
    if absent:
        return Finding("scene labels", "warn", f"{text}; without a tile: {listed(absent)}", values=values)
    rare, most = min(counts.values()), max(counts.values())
    each = f"{rare} to {most}" if rare < most else str(most)
    return Finding("scene labels", "ok", f"{text} with {each} tiles each", values=values)
