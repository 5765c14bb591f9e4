"""The options of `tools/prepare_data.py scenes` and their types."""

import argparse
import re
from pathlib import Path

from data.preparing.classes import read_classes
from tools.cli.parser import count, number, one_of
from utils.errors import DataError, OptionError
from utils.imagery.colours import RGB, parse_colour


def add_scenes(parser: argparse.ArgumentParser) -> None:
    """The options of `scenes`, but for those of every source."""
    _add_files(parser)
    _add_bands(parser)
    _add_polygons(parser)
    _add_tiles(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
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


def _add_tiles(parser: argparse.ArgumentParser) -> None:
    cut = parser.add_argument_group("tiles")
    cut.add_argument("--tile-size", type=count(16, 16384), default=320, metavar="PX", help="height and width in pixels")
    cut.add_argument(
        "--stride", type=count(1, 16384), metavar="PX", help="pixels from tile to tile; default: the tile size"
    )
    cut.add_argument(
        "--metres-per-pixel",
        type=number(0, above=True),
        metavar="METRES",
        help="bring all scenes and their labels to this scale before they are cut; default: as they are, where they "
        "differ by less than 20 %%",
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
