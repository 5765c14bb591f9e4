"""Prepare a data folder: tiles, dataset.json where it is needed, and the lists train.txt, test.txt and val.txt.

    python tools/prepare_data.py demo --out datasets/demo
    python tools/prepare_data.py ucm --images UCMerced_LandUse.zip --masks DLRSD.zip --out datasets/ucm
    python tools/prepare_data.py deepglobe --source deepglobe.zip --out datasets/deepglobe
    python tools/prepare_data.py scenes --images scenes/images --masks scenes/masks --palette palette.json
        --tile-size 320 --out datasets/town
    python tools/prepare_data.py check --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt

Files are linked, not copied, where the source is a folder. The same command again changes nothing. `check` looks for
mistakes in a folder, its lists, weights and the machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import prepare_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return prepare_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from data.dataset_json import load_description
from data.preparing.classes import Classes, read_palette
from data.preparing.downloads import prepare_deepglobe, prepare_demo, prepare_ucm
from data.preparing.folder import Report, Target
from data.preparing.scenes import Cut, prepare_scenes
from data.reader import TileReader
from data.splits import read_names
from tools.cli.as_settings import settings_of
from tools.cli.next_command import NextStep, choosing, fitting_ratio, training
from tools.doctor import report as doctor
from tools.settings import CheckSettings
from utils.errors import OptionError


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(work, parse_args, argv)


def work(args: argparse.Namespace) -> None:
    """Prepare a data folder, or check one."""
    if args.source_name == "check":
        doctor.check(settings_of(CheckSettings, args))
    else:
        prepare(args)


def prepare(args: argparse.Namespace) -> None:
    """Prepare one data folder, say what was found, and print the next command."""
    report = SOURCES[args.source_name](args)
    print(f"{args.out} {'is ready' if report.is_new else 'is up to date, nothing to do'}", file=sys.stderr)
    print("\n".join(report.found))
    following = next_step(args.dataset, args.out)
    print("\n".join([f"next:   {following.command}", *(f"# {note}" for note in following.notes)]))


def _prepare_demo(args: argparse.Namespace) -> Report:
    return prepare_demo(args.tiles_per_class, _target(args))


def _prepare_ucm(args: argparse.Namespace) -> Report:
    return prepare_ucm(args.images, args.masks, _target(args))


def _prepare_deepglobe(args: argparse.Namespace) -> Report:
    return prepare_deepglobe(args.source, args.class_map, _target(args))


def _target(args: argparse.Namespace) -> Target:
    copy = getattr(args, "copy", False)
    return Target(args.out, args.test_share, args.val_share, args.random_seed, copy, args.overwrite)


def _prepare_scenes(args: argparse.Namespace) -> Report:
    stride = args.stride or args.tile_size
    if stride > args.tile_size:
        raise OptionError(f"--stride {stride} exceeds --tile-size {args.tile_size} and would leave gaps; lower it")
    if args.scene_labels and not args.masks:
        raise OptionError("--scene-labels dominant counts the classes of masks; give --masks")
    cut = Cut(args.tile_size, stride, args.min_labelled, args.group, args.scene_labels == "dominant", args.exif)
    return prepare_scenes(args.images, args.masks, _classes(args), cut, _target(args))


def _classes(args: argparse.Namespace) -> Classes:
    if (args.palette is None) == (args.classes is None):
        given = "both" if args.palette else "neither"
        raise OptionError(f"expected --palette for masks of colours or --classes for masks of ids, found {given}")
    if args.palette is not None:
        if args.ignore_codes:
            raise OptionError("--ignore-codes are values of masks of ids; for a --palette give --ignore-colours")
        palette = read_palette(args.palette)
        return Classes(list(palette), palette, args.ignore_colours or [])
    names, codes = args.classes
    return Classes(names, None, args.ignore_colours or [], codes, args.ignore_codes)


SOURCES = {"demo": _prepare_demo, "ucm": _prepare_ucm, "deepglobe": _prepare_deepglobe, "scenes": _prepare_scenes}


# --- The next command -------------------------------------------------------------------------------------------------


def next_step(dataset: str, data_dir: Path) -> NextStep:
    """What to run on a prepared folder: the active learner, or where there are masks but no scene classes, s4GAN."""
    description = load_description(dataset, data_dir)
    data_list = data_dir / "train.txt"
    names, reader = read_names(data_list, description), TileReader(description, data_dir, (0, 0))
    with_masks = sum(reader.has_mask(name) for name in names)
    if description.scene_classes or not with_masks:
        return choosing(dataset, data_dir, data_list, description)
    labels = {"--labeled-ratio": fitting_ratio(len(names), with_masks)}
    return training(dataset, data_dir, data_list, description, labels)


if __name__ == "__main__":
    raise SystemExit(main())
