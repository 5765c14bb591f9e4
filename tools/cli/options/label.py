"""The options of tools/label.py and its sub-commands."""

import argparse
from pathlib import Path
from typing import Any

from data.labelling.settings import TARGET_NAMES
from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser, SubcommandParser, dataset_name, number, one_of
from tools.settings.labelling import LabelExportSettings, LabelImportSettings, LabelStatusSettings
from utils.compute.number_formats import PRECISIONS

Settings = LabelExportSettings | LabelImportSettings | LabelStatusSettings
SETTINGS: dict[str, type[Settings]] = {
    "export": LabelExportSettings,
    "import": LabelImportSettings,
    "status": LabelStatusSettings,
}


def parse_args(description: str | None, argv: list[str] | None = None) -> Settings:
    """The settings that the options of a sub-command describe."""
    parser = CommandParser(description=description)
    jobs = parser.add_subparsers(metavar="JOB", dest="job", required=True, parser_class=SubcommandParser)
    _add_export(jobs)
    _add_import(jobs)
    _add_status(jobs)
    options = parser.parse_args(argv)
    return parsed(parser, SETTINGS[options.job], options)


def _add_export(jobs: Any) -> None:
    about = "Write tiles in a form that a labelling tool opens, with classes, colours and instructions."
    parser = jobs.add_parser("export", help="tiles for a labelling tool", description=about)
    _add_data(parser)
    add = parser.add_argument_group("tiles").add_argument
    add("--names", type=Path, required=True, metavar="FILE", help=".npy of train_AL.py, or text with one name a line")
    add("--to", type=one_of("tool", TARGET_NAMES), required=True, metavar="TOOL", help=", ".join(TARGET_NAMES))
    add("--out", type=Path, required=True, metavar="DIR", help="folder that is made for the tool")
    add = parser.add_argument_group("first draft").add_argument
    add(
        "--checkpoint-dir",
        type=Path,
        metavar="DIR",
        help="a run, or a checkpoint in it, whose maps people begin with; default: they begin with nothing",
    )
    add(
        "--draft-scored",
        action="store_true",
        help="also give drafts for tiles of test.txt and val.txt, whose scores then favour the model that drew them",
    )
    add("--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto")
    add("--precision", choices=PRECISIONS, default="auto", help="number format of the network")


def _add_import(jobs: Any) -> None:
    about = "Put what was drawn in a labelling tool where the data set's masks lie: all of it, or nothing."
    parser = jobs.add_parser("import", help="masks from a labelling tool", description=about)
    _add_data(parser)
    add = parser.add_argument_group("masks").add_argument
    add(
        "--from",
        dest="from_",
        type=Path,
        required=True,
        metavar="SOURCE",
        help="zip of CVAT (Segmentation mask 1.1), COCO, Label Studio or LabelMe JSON, GeoPackage, GeoJSON, Shapefile, "
        "or a folder of masks by id, code or colour; recognised by its content",
    )
    add("--replace", action="store_true", help="replace masks that are there; default: they are kept")
    add(
        "--ignore-classes",
        type=_names,
        default=(),
        metavar="LIST",
        help="A,B: classes of the tool that mean no class",
    )
    add("--label-field", metavar="FIELD", help="field of polygons with their class; default class, or the only one")
    add("--label-layer", metavar="LAYER", help="layer of polygons; default labels, or the only one")
    add(
        "--minutes",
        type=number(0),
        metavar="M",
        help="that all of these masks took, where the tool does not tell it, for ledger.csv",
    )


def _add_status(jobs: Any) -> None:
    about = "Chosen tiles with and without masks, shares of classes, minutes spent, and a forecast for the rest."
    parser = jobs.add_parser("status", help="what is there, what is missing, what it cost", description=about)
    group = _add_data(parser)
    group.add_argument(
        "--names", type=Path, metavar="FILE", help="chosen tiles, beside those that were exported: .npy or text"
    )


def _add_data(parser: argparse.ArgumentParser) -> Any:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        "--dataset-name",
        dest="dataset",
        type=dataset_name,
        default="custom",
        metavar="NAME",
        help="ucm, deepglobe or custom, in any case",
    )
    group.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="the data set's folder")
    group.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return group


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
