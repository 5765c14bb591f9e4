"""The doctor's points on data: files, classes and lists; each is one function from what was seen to a finding."""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from data.checking.mask_values import MaskValues, remarks
from data.checking.survey import Fault, ImageFacts, MaskFacts, TileFacts
from data.descriptions import Description
from data.masks import MAX_OFF_PALETTE, wrong_values
from data.scene_labels import read_scene_labels
from data.splits import read_names_array
from data.tiles import TileReader
from utils.errors import DataError, UserError

Level = Literal["ok", "warn", "FAIL", "-"]
SHOWN = 3  # names or reasons that a finding gives in full
MAX_ALIKE = 0.01  # share of a list; real sets hold a few tiles twice, airplane01 and airplane02 of UCM among them


@dataclass(frozen=True)
class Finding:
    """What the doctor says about one point.

    Attributes:
        point: the point, in a word or two.
        level: `ok`; `warn`: worth a look; `FAIL`: a run would end with an error or wrong scores; `-`: not looked at.
        text: one line.
        details: further lines.
        values: the figures behind the text, for machines.
    """

    point: str
    level: Level
    text: str
    details: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Examination:
    """What the points are judged by.

    Attributes:
        args: the command's options.
        description, reader: the data set.
        lists: names by list: "data" and, where they were given, "test" and "val".
        facts: what the files of each tile hold, by name.
        device: where a run would work.
    """

    args: argparse.Namespace
    description: Description
    reader: TileReader
    lists: Mapping[str, Sequence[str]]
    facts: Mapping[str, TileFacts]
    device: torch.device

    @cached_property
    def images(self) -> list[ImageFacts]:
        """Facts of all images."""
        return [tile.image for tile in self.facts.values()]

    @cached_property
    def masks(self) -> list[MaskFacts]:
        """Facts of all masks that are there."""
        return [tile.mask for tile in self.facts.values() if tile.mask is not None]

    def faults(self, kind: str) -> list[Fault]:
        """All faults of one kind, images first."""
        looked_at: list[ImageFacts | MaskFacts] = [*self.images, *self.masks]
        return [facts.fault for facts in looked_at if facts.fault is not None and facts.fault.kind == kind]


# --- Files ------------------------------------------------------------------------------------------------------------


def files(seen: Examination) -> Finding:
    """Every image is there, and every mask that a test or validation list needs."""
    needed = [name for part in ("test", "val") for name in seen.lists.get(part, ())]
    without = [seen.reader.mask_path(name) for name in dict.fromkeys(needed) if seen.facts[name].mask is None]
    missing = [fault.path for fault in seen.faults("missing")]
    values = {
        "images": len(seen.images) - len(missing),
        "masks": len(seen.masks),
        "missing": [str(path) for path in missing + without],
    }
    if missing or without:
        parts = [f"{len(missing)} of {counted(len(seen.images), 'image')}"] if missing else []
        parts += [f"{counted(len(without), 'mask')} of the test or validation list"] if without else []
        return Finding("files", "FAIL", "missing: " + " and ".join(parts), some(missing + without), values)
    text = f"{counted(len(seen.images), 'image')}, {counted(len(seen.masks), 'mask') if seen.masks else 'no masks'}"
    text += "; tiles without one are the unlabelled pool" if len(seen.masks) < len(seen.images) else ""
    return Finding("files", "ok", text, values=values)


def decodable(seen: Examination) -> Finding:
    """Every file that is there can be read as an image, as a mask."""
    faults = seen.faults("unreadable")
    values = {"unreadable": {str(fault.path): fault.reason for fault in faults}}
    if faults:
        reasons = some(fault.reason for fault in faults)
        return Finding("decodable", "FAIL", f"{counted(len(faults), 'file')} cannot be used", reasons, values)
    present = len(seen.images) + len(seen.masks) - len(seen.faults("missing"))
    return Finding("decodable", "ok", f"all {present} files", values=values)


def sizes(seen: Examination) -> Finding:
    """Images fit the tile size, and masks their images."""
    images, masks = Counter(f.size for f in seen.images if f.size), Counter(f.size for f in seen.masks if f.size)
    values: dict[str, Any] = {
        kind: {by(size): n for size, n in c.most_common()} for kind, c in (("images", images), ("masks", masks))
    }
    values["orientation"] = dict(Counter(image.orientation for image in seen.images if image.size))
    if faults := seen.faults("size"):
        text = f"{counted(len(faults), 'file')} of a size that does not fit"
        return Finding("sizes", "FAIL", text, some(f.reason for f in faults), values)
    if not images:
        return Finding("sizes", "-", "no image could be read", values=values)
    tile = seen.reader.tile_size
    brought = f"; brought to {by(tile)}" if set(images) | set(masks) != {tile} else ""
    small = sum(n for size, n in images.items() if min(size) < min(tile) / 2)
    if small:
        text = f"{counted(small, 'image')} of less than half the tile size of {by(tile)}; {_counts(images)}"
        return Finding("sizes", "warn", text, values=values)
    return Finding("sizes", "ok", _counts(images) + brought + _turns(seen), values=values)


def _turns(seen: Examination) -> str:
    """Images whose EXIF data say to turn them: how many are, and how many are not."""
    turned, stored = (sum(image.orientation == way for image in seen.images) for way in ("turned", "as stored"))
    text = f"; turned as EXIF says: {turned}" if turned else ""
    if stored:
        reason = "their masks fit only that" if seen.description.exif == "apply" else "as dataset.json says"
        text += f"; left as stored against EXIF ({reason}): {stored}"
    return text


def _counts(sizes: Counter[tuple[int, int]]) -> str:
    shown = ", ".join(f"{by(size)} ({n})" for size, n in sizes.most_common(4))
    return shown + (f", {len(sizes) - 4} more" if len(sizes) > 4 else "")


def modes(seen: Examination) -> Finding:
    """How images and masks store a pixel."""
    images, masks = Counter(f.mode for f in seen.images if f.mode), Counter(f.mode for f in seen.masks if f.mode)
    if not images:
        return Finding("modes", "-", "no image could be read")
    text = "images " + ", ".join(f"{mode} {n}" for mode, n in images.most_common())
    text += " (read as RGB)" if set(images) != {"RGB"} else ""
    text += "; masks " + ", ".join(f"{mode} {n}" for mode, n in masks.most_common()) if masks else ""
    return Finding("modes", "ok", text, values={"images": dict(images), "masks": dict(masks)})


# --- Classes ----------------------------------------------------------------------------------------------------------


def palette(seen: Examination) -> Finding:
    """Mask values are classes: how many of them occur, and the share of pixels whose value no class has."""
    what = "ids" if seen.description.palette is None else "colours"
    masks = [tile for tile in seen.facts.values() if tile.mask is not None and tile.mask.class_pixels]
    if not masks:
        return Finding("palette", "-", "no mask could be read" if seen.masks else "no masks")
    pixels = np.array([tile.mask.class_pixels for tile in masks if tile.mask])
    off = sum(tile.mask.off_palette for tile in masks if tile.mask)
    ignored = sum(tile.mask.ignored for tile in masks if tile.mask)
    total = max(1, int(pixels.sum()) + off + ignored)
    usable = seen.description.used_ids
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
    details = remarks(sum(found, MaskValues()), seen.description)
    if off and worst.mask:
        path, wrong = seen.reader.mask_path(worst.name), wrong_values(worst.mask.values, seen.description)
        details.insert(0, f"most in {path}: {worst_share:.2%}, {wrong}")
    fails = worst_share > MAX_OFF_PALETTE or empty == len(masks)
    return Finding("palette", "FAIL" if fails else "warn" if details else "ok", text, details, values)


def classes(seen: Examination) -> Finding:
    """How often each pixel class occurs, in pixels and in tiles of each list; classes that never occur."""
    counted = {part: _class_pixels(seen, names) for part, names in seen.lists.items()}
    counted = {part: pixels for part, pixels in counted.items() if len(pixels)}
    if not counted:
        return Finding("classes", "-", "no mask could be read" if seen.masks else "no masks")
    description, first = seen.description, next(iter(counted))
    usable = description.used_ids
    shares = {part: pixels.sum(axis=0) / max(1, pixels.sum()) for part, pixels in counted.items()}
    tiles = {part: (pixels > 0).sum(axis=0) for part, pixels in counted.items()}
    absent = {part: [description.classes[i] for i in usable if not tiles[part][i]] for part in counted}
    heading = "".join(f"{part + ' list: pixels':>20} {'tiles':>6}" for part in counted)
    rows = [f"{'':<20}{heading}"]
    for i in usable:
        figures = "".join(f"{shares[part][i]:>20.2%} {tiles[part][i]:>6}" for part in counted)
        rows.append(f"{description.classes[i]:<20}{figures}")
    values = {
        part: {
            description.classes[i]: {"pixels": int(counted[part][:, i].sum()), "tiles": int(tiles[part][i])}
            for i in usable
        }
        for part in counted
    }
    never = [f"in the {part} list {listed(names)}" for part, names in absent.items() if names]
    if never:
        return Finding("classes", "warn", "never occur: " + "; ".join(never), rows, values)
    rarest = min(usable, key=lambda i: shares[first][i])
    text = f"all {len(usable)} occur; rarest {description.classes[rarest]}, {shares[first][rarest]:.2%} of the pixels"
    return Finding("classes", "ok", text, rows, values)


def _class_pixels(seen: Examination, names: Iterable[str]) -> np.ndarray:
    masks = (seen.facts[name].mask for name in names)
    return np.array([mask.class_pixels for mask in masks if mask is not None and mask.class_pixels])


def class_count(seen: Examination) -> Finding:
    """`--num-classes` agrees with the data set."""
    given, description = seen.args.num_classes, seen.description
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


def scene_labels(seen: Examination) -> Finding:
    """Scene labels can be read, and each scene class has tiles."""
    known, names = seen.description.scene_classes, seen.lists["data"]
    if known is None:
        return Finding("scene labels", "-", "the data set has no scene classes; the active learner needs them")
    try:
        labels = read_scene_labels(seen.description, seen.args.data_dir, names)
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


# --- Lists ------------------------------------------------------------------------------------------------------------


def overlap(seen: Examination) -> Finding:
    """No tile stands in two lists, by its name or by its pixels."""
    lists_of: dict[str, list[str]] = {}
    for part, names in seen.lists.items():
        for name in names:
            lists_of.setdefault(name, []).append(part)
    shared = [name for name, parts in lists_of.items() if len(parts) > 1]
    alike: dict[str, list[str]] = {}
    for name, tile in seen.facts.items():
        if tile.image.digest is not None:
            alike.setdefault(tile.image.digest, []).append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    across = [names for names in groups if len({part for name in names for part in lists_of[name]}) > 1]
    values = {"names": shared, "same_pixels": groups, "same_pixels_across_lists": across}
    if shared or across:
        parts = [f"in two lists: {counted(len(shared), 'name')}"] if shared else []
        parts += [f"in two lists under different names: {counted(len(across), 'picture')}"] if across else []
        details = [*some(shared), *some(" = ".join(names) for names in across)]
        few = not shared and len(across) <= MAX_ALIKE * min(len(names) for names in seen.lists.values())
        return Finding("overlap", "warn" if few else "FAIL", "; ".join(parts), details, values)
    between = f"none between {' and '.join(f'{part} list' for part in seen.lists)}" if len(seen.lists) > 1 else ""
    if groups:
        text = f"twice in a list: {counted(len(groups), 'picture')}" + (f"; {between}" if between else "")
        return Finding("overlap", "warn", text, some(" = ".join(names) for names in groups), values)
    return Finding("overlap", "ok", between or "no picture stands twice; --test-list compares two lists", values=values)


def scenes(seen: Examination) -> Finding:
    """Tiles cut from one scene stay on one side."""
    if seen.description.group is None:
        return Finding("scenes", "-", "the data set does not say which tiles come from one scene")
    if len(seen.lists) < 2:
        return Finding("scenes", "-", "one list only; --test-list compares two")
    lists_of: dict[str, set[str]] = {}
    for part, names in seen.lists.items():
        for scene in seen.description.groups_of(names).values():
            if scene is not None:
                lists_of.setdefault(scene, set()).add(part)
    shared = sorted(scene for scene, parts in lists_of.items() if len(parts) > 1)
    values = {"scenes": len(lists_of), "shared": shared}
    if shared:
        text = f"{len(shared)} of {len(lists_of)} with tiles in two lists, so scores come out too high"
        return Finding("scenes", "warn", text, some(shared), values)
    return Finding("scenes", "ok", f"{len(lists_of)}, each in one list", values=values)


def names_array(seen: Examination) -> Finding:
    """The names that the active learner chose are tiles of the data list with masks."""
    path = seen.args.active_learning_images_array
    if path is None:
        return Finding("names array", "-", "not given (--active-learning-images-array)")
    try:
        names = read_names_array(path, seen.description, seen.lists["data"], seen.args.data_list)
    except UserError as error:
        return Finding("names array", "FAIL", str(error))
    without = [name for name in names if seen.facts[name].mask is None]
    values = {"names": len(names), "without_mask": without}
    if without:
        text = f"{len(without)} of {len(names)} chosen tiles without a mask; draw it before training"
        return Finding("names array", "FAIL", text, some(seen.reader.mask_path(name) for name in without), values)
    return Finding("names array", "ok", f"{len(names)} tiles of the data list, each with a mask", values=values)


# --- Words ------------------------------------------------------------------------------------------------------------


def some(items: Iterable[object]) -> list[str]:
    """The first few items as text, and how many more there are."""
    texts = [str(item) for item in items]
    return texts[:SHOWN] + ([f"… and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else [])


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """The first few names in one line, and how many more there are."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def by(size: tuple[int, int]) -> str:
    """Height and width as text: 256×256."""
    return f"{size[0]}×{size[1]}"
