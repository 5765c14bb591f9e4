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
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from data.dataset_json import load_description
from data.preparing.classes import Classes, read_classes, read_palette
from data.preparing.downloads import prepare_deepglobe, prepare_demo, prepare_ucm
from data.preparing.folder import Report, Target
from data.preparing.scenes import Cut, prepare_scenes
from data.splits import read_names
from data.tiles import TileReader
from tools.cli.next_command import NextStep, choosing, fitting_ratio, training
from tools.cli.parser import CommandParser, count, number, one_of
from tools.cli.running import run
from tools.doctor import report as doctor
from utils.colours import RGB, parse_colour
from utils.errors import DataError, OptionError
from utils.suggest import unknown


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(work, parse_args, argv)


def work(args: argparse.Namespace) -> None:
    """Prepare a data folder, or check one."""
    if args.source_name == "check":
        doctor.check(args)
    else:
        prepare(args)


def prepare(args: argparse.Namespace) -> None:
    """Prepare one data folder, say what was found, and print the next command."""
    report = args.prepare(args)
    print(f"{args.out} {'is ready' if report.is_new else 'is up to date, nothing to do'}", file=sys.stderr)
    print("\n".join(report.found))
    following = next_step(args.dataset, args.out)
    print("\n".join([f"next:   {following.command}", *(f"# {note}" for note in following.notes)]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The options of all sub-commands."""
    parser = CommandParser(description=__doc__)
    sources = parser.add_subparsers(metavar="SOURCE", dest="source_name", required=True, parser_class=_SourceParser)
    _add_demo(sources)
    _add_ucm(sources)
    _add_deepglobe(sources)
    _add_scenes(sources)
    about = "Check a data folder, its lists, weights and this machine: one line for each point, exit code 1 on FAIL."
    doctor.add_options(sources.add_parser("check", help="find mistakes before a run", description=about))
    return parser.parse_args(argv)


class _SourceParser(CommandParser):
    """The parser of a sub-command, which names an unknown option itself: its parent does not know the near ones."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, strangers = super().parse_known_args(args, namespace)
        if strangers:
            known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
            stranger = next((s for s in strangers if s.startswith("-")), strangers[0])
            self.error(unknown("option", stranger.partition("=")[0], known))
        return parsed, strangers


# --- Sources ----------------------------------------------------------------------------------------------------------


def _add_demo(sources: Any) -> None:
    parser = sources.add_parser("demo", help="draw the demo set", description="Draw the demo set, in UCM's layout.")
    parser.set_defaults(prepare=lambda args: prepare_demo(args.tiles_per_class, _target(args)), dataset="UCM")
    parser.add_argument(
        "--tiles-per-class", type=count(1, 100), default=8, metavar="N", help="tiles of each of 21 scene classes"
    )
    _add_shared_options(parser)


def _add_ucm(sources: Any) -> None:
    about = "Prepare UC Merced Land Use, with the masks of DLRSD where they are given."
    parser = sources.add_parser("ucm", help="UC Merced Land Use and DLRSD", description=about)
    parser.set_defaults(prepare=lambda args: prepare_ucm(args.images, args.masks, _target(args)), dataset="UCM")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="PATH", help="UCMerced_LandUse, folder or zip, at any depth"
    )
    parser.add_argument(
        "--masks", type=Path, metavar="PATH", help="DLRSD, folder or zip; tiles without a mask are fine"
    )
    _add_copy_option(parser)
    _add_shared_options(parser)


def _add_deepglobe(sources: Any) -> None:
    about = "Prepare DeepGlobe Land Cover."
    parser = sources.add_parser("deepglobe", help="DeepGlobe Land Cover", description=about)
    parser.set_defaults(
        prepare=lambda args: prepare_deepglobe(args.source, args.class_map, _target(args)), dataset="deepglobe"
    )
    parser.add_argument(
        "--source", type=Path, required=True, metavar="PATH", help="folder or zip of <id>_sat.jpg and <id>_mask.png"
    )
    parser.add_argument(
        "--class-map", type=Path, metavar="FILE", help="JSON {id: scene class}; default: each mask's dominant class"
    )
    _add_copy_option(parser)
    _add_shared_options(parser)


def _add_scenes(sources: Any) -> None:
    about = "Cut a folder of large images, with or without masks, into the tiles of a custom data set."
    parser = sources.add_parser("scenes", help="own scenes, cut into tiles", description=about)
    parser.set_defaults(prepare=_prepare_scenes, dataset="custom")
    files = parser.add_argument_group("scenes")
    files.add_argument("--images", type=Path, required=True, metavar="DIR", help="jpg, png, tif or bmp files")
    files.add_argument(
        "--masks", type=Path, metavar="DIR", help="masks named as their images; scenes without one are unlabelled"
    )
    files.add_argument(
        "--palette",
        metavar="FILE|LIST",
        help="mask colours: JSON {class: #RRGGBB}, or class=#RRGGBB,class=#RRGGBB; the order gives the ids",
    )
    files.add_argument(
        "--classes",
        type=_class_values,
        metavar="A,B,C|CODE=A,CODE=B",
        help="classes of masks that hold ids: names of 0, 1, 2, …, or which values name which class (10=land,20=land)",
    )
    files.add_argument(
        "--ignore-codes",
        type=_codes,
        default=[],
        metavar="LIST",
        help="0,7: values of such masks that mean no class, beside 255 (unless 255=NAME)",
    )
    files.add_argument(
        "--ignore-colours",
        "--ignore-colors",
        type=_colours,
        metavar="LIST",
        help="#RRGGBB,#RRGGBB: further mask colours, which mean no class",
    )
    cut = parser.add_argument_group("tiles")
    cut.add_argument("--tile-size", type=count(16, 16384), default=320, metavar="PX", help="height and width in pixels")
    cut.add_argument(
        "--stride", type=count(1, 16384), metavar="PX", help="pixels from tile to tile; default: the tile size"
    )
    cut.add_argument(
        "--min-labelled",
        type=number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="leave out tiles of masks with fewer labelled pixels",
    )
    cut.add_argument(
        "--group",
        type=_pattern,
        metavar="REGEX",
        help="scenes whose names match it alike stay on one side of a split; default: each scene for itself",
    )
    cut.add_argument(
        "--scene-labels",
        type=one_of("kind of scene labels", ["dominant"]),
        metavar="dominant",
        help="give each tile its most frequent class as scene class",
    )
    _add_shared_options(parser)


def _add_copy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--copy", action="store_true", help="copy files instead of linking them")


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    """`--out`, the lists, `--debug`."""
    group = parser.add_argument_group("output")
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="the data folder to prepare")
    group.add_argument(
        "--test-share", type=number(0, 0.9), default=0.2, metavar="SHARE", help="share of tiles with masks in test.txt"
    )
    group.add_argument(
        "--val-share", type=number(0, 0.9), default=0.0, metavar="SHARE", help="share of the remaining ones in val.txt"
    )
    group.add_argument("--random-seed", type=count(0), default=0, metavar="S", help="seed of everything random")
    group.add_argument(
        "--overwrite", action="store_true", help="replace a folder that was prepared from something else"
    )
    group.add_argument("--debug", action="store_true", help="show a traceback with an error")


def _target(args: argparse.Namespace) -> Target:
    copy = getattr(args, "copy", False)
    return Target(args.out, args.test_share, args.val_share, args.random_seed, copy, args.overwrite)


def _prepare_scenes(args: argparse.Namespace) -> Report:
    stride = args.stride or args.tile_size
    if stride > args.tile_size:
        raise OptionError(f"--stride {stride} exceeds --tile-size {args.tile_size} and would leave gaps; lower it")
    if args.scene_labels and not args.masks:
        raise OptionError("--scene-labels dominant counts the classes of masks; give --masks")
    cut = Cut(args.tile_size, stride, args.min_labelled, args.group, args.scene_labels == "dominant")
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


# --- Types ------------------------------------------------------------------------------------------------------------


def _class_values(text: str) -> tuple[list[str], dict[str, list[int]] | None]:
    try:
        return read_classes(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--classes: ")) from error


def _codes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 5 for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers of 0 to 65535, such as 0,7, found '{text}'")
    return sorted({int(part) for part in parts})


def _colours(text: str) -> list[RGB]:
    try:
        return [parse_colour(part.strip()) for part in text.split(",")]
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected a regular expression, found '{text}' ({error})") from error
    return text


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
