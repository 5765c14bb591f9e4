"""Checks of a data set's files: there, readable, of a size that fits."""

from collections import Counter
from typing import Any

from data.checking.findings import Finding, by, counted, some
from data.checking.surveyed_set import SurveyedSet


def files(surveyed: SurveyedSet) -> Finding:
    """Every image is there, and every mask that a test or validation list needs."""
    needed = [name for part in ("test", "val") for name in surveyed.lists.get(part, ())]
    without = [surveyed.reader.mask_path(name) for name in dict.fromkeys(needed) if surveyed.tiles[name].mask is None]
    missing = [fault.path for fault in surveyed.faults("missing")]
    values = {
        "images": len(surveyed.images) - len(missing),
        "masks": len(surveyed.masks),
        "missing": [str(path) for path in missing + without],
    }
    if missing or without:
        parts = [f"{len(missing)} of {counted(len(surveyed.images), 'image')}"] if missing else []
        parts += [f"{counted(len(without), 'mask')} of the test or validation list"] if without else []
        return Finding("files", "FAIL", "missing: " + " and ".join(parts), some(missing + without), values)
    images, masks = len(surveyed.images), len(surveyed.masks)
    text = f"{counted(images, 'image')}, {counted(masks, 'mask') if masks else 'no masks'}"
    text += "; tiles without one are the unlabelled pool" if masks < images else ""
    return Finding("files", "ok", text, values=values)


def decodable(surveyed: SurveyedSet) -> Finding:
    """Every file that is there can be read as an image, as a mask."""
    faults = surveyed.faults("unreadable")
    values = {"unreadable": {str(fault.path): fault.reason for fault in faults}}
    if faults:
        reasons = some(fault.reason for fault in faults)
        return Finding("decodable", "FAIL", f"{counted(len(faults), 'file')} cannot be used", reasons, values)
    present = len(surveyed.images) + len(surveyed.masks) - len(surveyed.faults("missing"))
    return Finding("decodable", "ok", f"all {present} files", values=values)


def sizes(surveyed: SurveyedSet) -> Finding:
    """Images fit the tile size, and masks their images."""
    images, masks = (
        Counter(f.size for f in surveyed.images if f.size),
        Counter(f.size for f in surveyed.masks if f.size),
    )
    values: dict[str, Any] = {
        kind: {by(size): n for size, n in c.most_common()} for kind, c in (("images", images), ("masks", masks))
    }
    values["orientation"] = dict(Counter(image.orientation for image in surveyed.images if image.size))
    if faults := surveyed.faults("size"):
        text = f"{counted(len(faults), 'file')} of a size that does not fit"
        return Finding("sizes", "FAIL", text, some(f.reason for f in faults), values)
    if not images:
        return Finding("sizes", "-", "no image could be read", values=values)
    tile = surveyed.reader.tile_size
    brought = f"; brought to {by(tile)}" if set(images) | set(masks) != {tile} else ""
    small = sum(n for size, n in images.items() if min(size) < min(tile) / 2)
    if small:
        text = f"{counted(small, 'image')} of less than half the tile size of {by(tile)}; {_counts(images)}"
        return Finding("sizes", "warn", text, values=values)
    return Finding("sizes", "ok", _counts(images) + brought + _turns(surveyed), values=values)


def _turns(surveyed: SurveyedSet) -> str:
    """Images whose EXIF data say to turn them: how many are, and how many are not."""
    turned, stored = (sum(image.orientation == way for image in surveyed.images) for way in ("turned", "as stored"))
    text = f"; turned as EXIF says: {turned}" if turned else ""
    if stored:
        reason = "their masks fit only that" if surveyed.description.exif == "apply" else "as dataset.json says"
        text += f"; left as stored against EXIF ({reason}): {stored}"
    return text


def _counts(sizes: Counter[tuple[int, int]]) -> str:
    shown = ", ".join(f"{by(size)} ({n})" for size, n in sizes.most_common(4))
    return shown + (f", {len(sizes) - 4} more" if len(sizes) > 4 else "")


def modes(surveyed: SurveyedSet) -> Finding:
    """How images and masks store a pixel."""
    images, masks = (
        Counter(f.mode for f in surveyed.images if f.mode),
        Counter(f.mode for f in surveyed.masks if f.mode),
    )
    if not images:
        return Finding("modes", "-", "no image could be read")
    bands = surveyed.description.bands
    text = "images " + ", ".join(f"{mode} {n}" for mode, n in images.most_common())
    if not bands.is_plain:
        text = f"{counted(len(surveyed.images), 'image')} of {len(bands.names)} bands ({', '.join(bands.names)})"
    elif set(images) != {"RGB"}:
        text += " (read as RGB)"
    text += "; masks " + ", ".join(f"{mode} {n}" for mode, n in masks.most_common()) if masks else ""
    return Finding("modes", "ok", text, values={"images": dict(images), "masks": dict(masks)})
