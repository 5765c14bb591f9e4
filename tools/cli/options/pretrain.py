"""The options of tools/pretrain.py."""

import argparse
from pathlib import Path

from model.networks.names import BACKBONES
from model.pretraining.settings import TASKS
from tools.cli.as_settings import parsed
from tools.cli.options.select import class_names
from tools.cli.options.shared import add_data_options, add_machine_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, refuse_huge_batch
from tools.settings.learning import PretrainingSettings
from utils.compute.number_formats import PRECISIONS


def parse_args(description: str | None, argv: list[str] | None = None) -> PretrainingSettings:
    """The settings that the command's options describe."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_learning(parser)
    machine = add_machine_options(parser, seed=0)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the backbone")
    machine.add_argument("--max-hours", type=number(0, above=True), metavar="H", help="save and end after this time")
    _add_results(parser)
    options = parser.parse_args(argv)
    refuse_huge_batch(parser, "--batch-size", 2 * options.batch_size, options.input_size)
    return parsed(parser, PretrainingSettings, options)


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = add_data_options(parser, "--dataset", "--dataset-name")
    data.add_argument(
        "--val-list",
        type=Path,
        metavar="FILE",
        help="tiles with scene labels to measure features on; default a fifth of the labelled tiles of --data-list",
    )
    data.add_argument(
        "--scene-labels",
        type=Path,
        metavar="FILE",
        help="a CSV of your own with the columns name,label; default the labels of the data set",
    )
    data.add_argument(
        "--scene-classes", type=class_names, metavar="A,B,…", help="scene classes, where the data set names none"
    )
    data.add_argument("--skip-bad-images", action="store_true", help="leave out tiles that cannot be read")
    data.add_argument("--input-size", type=image_size, default=(112, 112), metavar="H,W", help="pixels of a view")
    data.add_argument(
        "--smallest-crop",
        type=number(0, 1, above=True),
        default=0.2,
        metavar="S",
        help="least share of a tile that a view shows",
    )
    data.add_argument(
        "--jitter", type=number(0, 2), default=1.0, metavar="J", help="strength of changed colours; 0: none, no blur"
    )


def _add_learning(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("learning").add_argument
    add(
        "--task",
        type=one_of("task", TASKS),
        default="self",
        help="self: on views of tiles, without any label (VICReg); scenes: on scene labels",
    )
    add("--backbone", type=one_of("backbone", list(BACKBONES)), default="resnet50", help=", ".join(BACKBONES))
    add(
        "--restore-from",
        default="none",
        metavar="WEIGHTS",
        help="weights to begin with: an ImageNet file of torchvision, those of an earlier pre-training, or none",
    )
    add("--num-epochs", type=count(), metavar="N", help="draws of each tile; default 100 without labels, 20 with")
    add("--batch-size", type=batch_size, default=64, metavar="N", help="tiles of a step, over all processes")
    add("--learning-rate", type=number(0, above=True), default=1e-3, help="of AdamW at its highest")
    add("--weight-decay", type=number(0), default=1e-4, help="of AdamW")


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--save-dir", type=Path, default=Path("pretrained"), metavar="DIR", help="folder of results")
    add("--resume", action="store_true", help="go on with the pre-training in --save-dir")
    add("--overwrite", action="store_true", help="replace the pre-training in --save-dir")
    add(
        "--save-state-every",
        type=count(),
        default=500,
        metavar="N",
        help="steps between weights and states to resume from",
    )
    add("--log-every", type=count(), default=10, metavar="N", help="steps between lines of metrics.csv")
