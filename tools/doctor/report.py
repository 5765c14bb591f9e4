"""The doctor: look at a data set, its lists, weights and machine before a run is started.

    python tools/prepare_data.py check --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt \\
        --test-list datasets/ucm/test.txt

Prints one line for each point: ok, warn (worth a look), FAIL (a run would end with an error or with wrong scores) or
- (nothing to look at). Ends with exit code 1 where a point fails. Draws one tile with its classes to check.png.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.checking.survey import lenient_reader, survey
from data.masks import decode_mask, read_mask
from data.splits import read_names
from tools.cli.shared_options import resolve_description, resolve_device
from tools.doctor import checks, runs
from tools.doctor.checks import Examination, Finding
from utils.drawing.pictures import colourise, legend_of, overlay, picture_grid, save_picture, with_legend
from utils.errors import DataError, OptionError
from utils.labels import IGNORE_INDEX
from utils.runs.files import make_folder

POINTS: Sequence[Callable[[Examination], Finding]] = (
    checks.files, checks.decodable, checks.sizes, checks.modes, checks.palette,
    checks.classes, checks.class_count, checks.scene_labels, checks.overlap,
    checks.scenes, checks.names_array, runs.weights, runs.perfect_score,
    runs.disk_space, runs.device,
)  # fmt: skip
COLOURS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "FAIL": "\x1b[31m", "-": "\x1b[90m"}
PANELS_IN_A_ROW = 4


def check(args: argparse.Namespace) -> None:
    """Look at every point, draw the picture, print the findings.

    Raises:
        OptionError: a path that does not exist.
        DataError: a list of names cannot be read, or a point fails.
    """
    seen = examine(args)
    findings = [look_at(seen) for look_at in POINTS]
    picture = draw(seen)
    if picture is not None:
        save_picture(args.out, picture)
    if args.json:
        print(as_json(seen, findings, args.out if picture else None))
    else:
        print(as_text(findings, in_colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
        print(f"one tile, its mask and its classes: {args.out}" if picture else "no tile to draw")
    sys.stdout.flush()
    if getattr(sys.stdout, "error", None) is not None:  # here what is printed is the result
        raise DataError("the findings could not be printed; give a standard output that takes them")
    failed = [finding.point for finding in findings if finding.level == "FAIL"]
    if failed:
        raise DataError(f"{len(failed)} of {len(findings)} points fail: {', '.join(failed)}; mend what they name")


def examine(args: argparse.Namespace) -> Examination:
    """Read the lists and decode every file once."""
    _check_paths(args)
    device = resolve_device(args)
    description = resolve_description(args)
    paths = {"data": args.data_list, "test": args.test_list, "val": args.val_list}
    lists = {part: read_names(path, description) for part, path in paths.items() if path is not None}
    names = list(dict.fromkeys(name for part in lists.values() for name in part))
    reader = lenient_reader(description, args.data_dir, names)
    facts = {tile.name: tile for tile in survey(reader, names)}
    return Examination(args, description, reader, lists, facts, device)


def _check_paths(args: argparse.Namespace) -> None:
    """Refuse what would be found only after all files were read."""
    weights = Path(args.restore_from) if (args.restore_from or "none").lower() != "none" else None
    for option, path in (
        ("--active-learning-images-array", args.active_learning_images_array),
        ("--restore-from", weights),
    ):
        if path is not None and not path.exists():
            raise OptionError(f"{option} {path} does not exist; check the path")
    if args.out.is_dir():
        raise OptionError(f"--out {args.out} is a folder; give a file for the picture")
    make_folder(args.out.parent)


# --- Report -----------------------------------------------------------------------------------------------------------


def as_text(findings: Sequence[Finding], in_colour: bool) -> str:
    """The findings, one line each, details indented below."""
    lines = []
    for finding in findings:
        level = f"{finding.level:<5}"
        if in_colour:
            level = f"{COLOURS[finding.level]}{level}\x1b[0m"
        lines.append(f"{level} {finding.point:<14} {finding.text}")
        lines += [f"{'':<21}{detail}" for detail in finding.details]
    counts = Counter(finding.level for finding in findings)
    lines.append(f"{counts['ok']} ok, {counts['warn']} warn, {counts['FAIL']} FAIL, {counts['-']} not looked at")
    return "\n".join(lines)


def as_json(seen: Examination, findings: Sequence[Finding], picture: Path | None) -> str:
    """The findings with their figures."""
    levels = [finding.level for finding in findings]
    worst = next(level for level in ("FAIL", "warn", "ok", "-") if level in levels)
    record = {
        "dataset": seen.args.dataset,
        "data_dir": str(seen.args.data_dir),
        "tiles": len(seen.facts),
        "level": worst,
        "picture": str(picture) if picture else None,
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)


# --- Picture ----------------------------------------------------------------------------------------------------------


def draw(seen: Examination) -> Image.Image | None:
    """The tile of most evenly mixed classes: image, mask, both, each class alone; None where no image is readable."""

    def variety(name: str) -> float:
        tile = seen.facts[name]
        if tile.image.fault is not None:
            return -2
        if tile.mask is None or tile.mask.fault is not None:
            return -1
        shares = np.array(tile.mask.class_pixels) / max(1, sum(tile.mask.class_pixels))
        return -float((shares * np.log(np.maximum(shares, 1e-12))).sum())  # entropy

    name = max(seen.facts, key=variety)
    if variety(name) == -2:
        return None
    image, colours = seen.reader.image(name), seen.description.colours
    if variety(name) == -1:
        return picture_grid([[image]], [[f"{name}\nno usable mask"]], size=280)
    ids, off_palette = _decode_leniently(seen, name)
    panels = [image, colourise(ids, colours), overlay(image, ids, colours)]
    stray = f"; {off_palette:.1%} off the palette, black" if off_palette else ""
    captions = [name, "mask" + stray, "mask over image"]
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) * 0.6
    for index in np.unique(ids[ids != IGNORE_INDEX]):
        is_class = (ids == index)[..., None]
        panels.append(np.where(is_class, overlay(image, ids, colours), grey).astype(np.uint8))
        captions.append(f"{seen.description.classes[index]}, {is_class.mean():.1%}")
    rows = range(0, len(panels), PANELS_IN_A_ROW)
    grid = picture_grid(
        [panels[row : row + PANELS_IN_A_ROW] for row in rows],
        [captions[row : row + PANELS_IN_A_ROW] for row in rows],
        size=280,
    )
    return with_legend(grid, *legend_of(*seen.description.legend, [ids]))


def _decode_leniently(seen: Examination, name: str) -> tuple[np.ndarray, float]:
    """A tile's class ids at tile size, and the share of pixels off the palette, however large it is."""
    mask = read_mask(seen.reader.mask_path(name), seen.description, seen.reader.palettes)
    ids, off_palette, _ = decode_mask(mask, seen.description)
    height, width = seen.reader.tile_size
    return cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), off_palette
