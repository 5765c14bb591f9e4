"""The options of tools/prepare_data.py and its sub-commands."""

import argparse
import re
from pathlib import Path
from typing import Any

from data.preparing.classes import read_classes
from data.preparing.settings import DeepGlobeSettings, DemoSettings, PreparationSettings, ScenesSettings, UCMSettings
from tools.cli.as_settings import parsed
from tools.cli.doctor_options import add_doctor_options
from tools.cli.parser import CommandParser, count, number, one_of
from tools.settings import CacheReportSettings, CheckSettings
from utils.errors import DataError, OptionError
from utils.imagery.colours import RGB, parse_colour
from utils.suggest import unknown

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
    sources = parser.add_subparsers(metavar="SOURCE", dest="source_name", required=True, parser_class=_SourceParser)
    _add_demo(sources)
    _add_ucm(sources)
    _add_deepglobe(sources)
    _add_scenes(sources)
    about = "Check a data folder, its lists, weights and this machine: one line for each point, exit code 1 on FAIL."
    add_doctor_options(sources.add_parser("check", help="find mistakes before a run", description=about))
    _add_cache(sources)
    options = parser.parse_args(argv)
    return parsed(parser, SETTINGS[options.source_name], options)


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


def _add_scenes(sources: Any) -> None:
    about = "Cut scenes, with or without masks, into the tiles of a custom data set."
    parser = sources.add_parser("scenes", help="own scenes, cut into tiles", description=about)
    files = parser.add_argument_group("scenes")
    files.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="folder or files: GeoTIFF, JPEG2000, WebP, PNG, JPEG, BMP or VRT",
    )
    files.add_argument(
        "--masks",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="folder or files of masks named as their images, or a file of polygons (GeoPackage, GeoJSON, Shapefile); "
        "scenes without one are unlabelled",
    )
    files.add_argument(
        "--match", metavar="IMAGE=MASK", help=r"for masks of other names: 'patchN_(\d+)=mask_\1', a regular expression"
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
    files.add_argument(
        "--exif",
        type=one_of("way", ["apply", "ignore"]),
        default="apply",
        metavar="apply|ignore",
        help="turn images and masks as their EXIF orientation says, or not",
    )
    _add_bands(parser)
    _add_polygons(parser)
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
        "--min-valid",
        type=number(0, 1),
        default=0.5,
        metavar="SHARE",
        help="leave out tiles with data in a smaller share of their pixels",
    )
    cut.add_argument(
        "--block-size",
        type=number(0, above=True),
        metavar="METRES",
        help="tiles of one block of this side stay on one side of a split (pixels without a place); default: "
        "scenes stay whole",
    )
    cut.add_argument(
        "--gap",
        type=number(0),
        default=0.0,
        metavar="METRES",
        help="drop training tiles nearer than this to a tile of another list",
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


def _add_bands(parser: argparse.ArgumentParser) -> None:
    bands = parser.add_argument_group("bands and values")
    bands.add_argument(
        "--bands",
        metavar="LIST",
        help="4,1,2 or nir,red,green: bands by number, description or colour, in the order that networks see them; "
        "default red, green, blue where the files say so, else all where there are one or three",
    )
    bands.add_argument(
        "--value-range",
        type=str,
        nargs="+",
        metavar="LOW,HIGH",
        help="values that become 0 and 255, once for all bands or once for each",
    )
    bands.add_argument(
        "--stretch",
        metavar="LOW,HIGH",
        help="percentiles of each band over the training list that become 0 and 255; default 2,98 above 8 bits, "
        "the full range for 8",
    )
    bands.add_argument(
        "--display-bands", metavar="LIST", help="one or three of the used bands, by number or name, for pictures"
    )


def _add_polygons(parser: argparse.ArgumentParser) -> None:
    polygons = parser.add_argument_group("masks of polygons")
    polygons.add_argument("--label-field", metavar="NAME", help="field with class names or codes")
    polygons.add_argument("--label-layer", metavar="NAME", help="layer, where the file has several")
    polygons.add_argument(
        "--label-order",
        type=_names,
        metavar="A,B,C",
        help="classes where polygons overlap, the later above the earlier; default: as in the file",
    )
    polygons.add_argument(
        "--background", metavar="CLASS", help="class of what no polygon covers; default: it is unlabelled"
    )


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


# --- Types ------------------------------------------------------------------------------------------------------------


def _class_values(text: str) -> tuple[list[str], dict[str, list[int]] | None]:
    try:
        return read_classes(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--classes: ")) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


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
