"""The options of tools/export.py."""

from pathlib import Path

from model.networks.names import BACKBONES
from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser, count, number, one_of
from tools.settings import ExportSettings


def parse_args(description: str | None, argv: list[str] | None = None) -> ExportSettings:
    """From words to settings."""
    parser = CommandParser(description=description)
    network = parser.add_argument_group("network")
    checkpoint = network.add_mutually_exclusive_group()
    checkpoint.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint<step>.pth or best.pth")
    checkpoint.add_argument(
        "--checkpoint-dir",
        type=Path,
        default=Path("checkpoint"),
        metavar="DIR",
        help="folder of a run: its best.pth, or else its newest checkpoint",
    )
    network.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), help="of the generator; default as options.json says"
    )
    add = parser.add_argument_group("the file").add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="the file, such as model.onnx")
    add("--overwrite", action="store_true", help="replace --out")
    add("--tile-size", type=count(16, 16384), metavar="S", help="pixels a side of its input; default the run's tiles")
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
