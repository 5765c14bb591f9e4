"""The options of tools/prepare_data.py and its sub-commands."""

import argparse
from pathlib import Path
from typing import Any

from data.preparing.settings import DeepGlobeSettings, DemoSettings, PreparationSettings, ScenesSettings, UCMSettings
from tools.cli.as_settings import parsed
from tools.cli.options.doctor import add_doctor_options
from tools.cli.options.scenes import add_scenes
from tools.cli.parser import CommandParser, SubcommandParser, count, number
from tools.settings.upkeep import CacheReportSettings, CheckSettings

Settings = PreparationSettings | CheckSettings | CacheReportSettings
SETTINGS: dict[str, type[Settings]] = {
    "demo": DemoSettings,
    "ucm": UCMSettings,
    "deepglobe": DeepGlobeSettings,
    "scenes": ScenesSettings,
    "check": CheckSettings,
    "cache": CacheReportSettings,
}


def parse_args(description: str | None, argv: list[str] | None = None) -> Settings:
    """The settings that the options of a sub-command describe."""
    parser = CommandParser(description=description)
    sources = parser.add_subparsers(metavar="SOURCE", dest="source_name", required=True, parser_class=SubcommandParser)
    _add_demo(sources)
    _add_ucm(sources)
    _add_deepglobe(sources)
    about = "Cut scenes, with or without masks, into the tiles of a custom data set."
    scenes = sources.add_parser("scenes", help="own scenes, cut into tiles", description=about)
    add_scenes(scenes)
    _add_shared_options(scenes)
    about = "Check a data folder, its lists, weights and this machine: one line for each point, exit code 1 on FAIL."
    add_doctor_options(sources.add_parser("check", help="find mistakes before a run", description=about))
    _add_cache(sources)
    options = parser.parse_args(argv)
    return parsed(parser, SETTINGS[options.source_name], options)


# --- Sources ----------------------------------------------------------------------------------------------------------


def _add_demo(sources: Any) -> None:
    parser = sources.add_parser("demo", help="draw the demo set", description="Draw the demo set, in UCM's layout.")
    parser.add_argument(
        "--tiles-per-class", type=count(1, 100), default=8, metavar="N", help="tiles of each of 21 scene classes"
    )
    _add_shared_options(parser)


def _add_ucm(sources: Any) -> None:
    about = "Prepare UC Merced Land Use, with the masks of DLRSD where they are given."
    parser = sources.add_parser("ucm", help="UC Merced Land Use and DLRSD", description=about)
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
    parser.add_argument(
        "--source", type=Path, required=True, metavar="PATH", help="folder or zip of <id>_sat.jpg and <id>_mask.png"
    )
    parser.add_argument(
        "--class-map", type=Path, metavar="FILE", help="JSON {id: scene class}; default: each mask's dominant class"
    )
    _add_copy_option(parser)
    _add_shared_options(parser)


def _add_cache(sources: Any) -> None:
    about = "Show what is kept of a data set's decoded tiles, or remove it."
    parser = sources.add_parser("cache", help="decoded tiles: show, clear", description=about)
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="the data set's folder")
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="folder of decoded tiles; default <data-dir>/.cache, and the user's cache folder, which stands in where "
        "that cannot be written, and may hold tiles of other sets",
    )
    parser.add_argument("--clear", action="store_true", help="remove all that no running process uses")
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")


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
    group.add_argument(
        "--new-lists", action="store_true", help="with --overwrite: draw lists anew instead of keeping those of before"
    )
    group.add_argument("--debug", action="store_true", help="show a traceback with an error")
