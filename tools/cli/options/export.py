"""The options of tools/export.py."""

from pathlib import Path

from tools.cli.as_settings import parsed
from tools.cli.options.network import add_network_options
from tools.cli.parser import CommandParser, count, number, one_of
from tools.settings.maps import ExportSettings


def parse_args(description: str | None, argv: list[str] | None = None) -> ExportSettings:
    """From words to settings."""
    parser = CommandParser(description=description)
    add_network_options(parser)
    add = parser.add_argument_group("the file").add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="the file, such as model.onnx")
    add("--overwrite", action="store_true", help="replace --out")
    add("--tile-size", type=count(16, 16384), metavar="S", help="pixels a side of its input; default the run's crops")
    add("--batch", type=one_of("batch", ("dynamic", "1")), default="dynamic", help="tiles at once: dynamic or 1")
    add(
        "--tiles-overlap",
        type=count(0, 90),
        default=25,
        metavar="P",
        help="percent of a tile that the next one covers in QGIS Deepness, which cuts half of it off at each side",
    )
    add(
        "--metres-per-pixel",
        type=number(0, above=True),
        metavar="M",
        help="ground size of a pixel, to which Deepness brings a layer; default as the run says",
    )
    check = parser.add_argument_group("check").add_argument
    check("--check-image", type=Path, metavar="FILE", help="a scene in whose middle the file is checked too")
    check("--debug", action="store_true", help="show a traceback with an error")
    return parsed(parser, ExportSettings, parser.parse_args(argv))
