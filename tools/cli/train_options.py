"""The options of tools/train_s4gan.py."""

import argparse
from pathlib import Path

from data.settings import ALL_MASKS
from model.methods import METHODS
from model.networks.names import BACKBONES
from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, ratio, refuse_huge_batch
from tools.cli.shared_options import add_data_options, add_machine_options
from tools.settings import TrainingSettings
from utils.compute.number_formats import PRECISIONS
from utils.imagery.labels import IGNORE_INDEX


def parse_args(description: str | None, argv: list[str] | None = None) -> TrainingSettings:
    """What the options say."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_labels(parser)
    _add_training(parser)
    _add_machine(parser)
    _add_results(parser)
    options = parser.parse_args(argv)
    refuse_huge_batch(parser, "--batch-size", options.batch_size // options.accumulate, options.input_size)
    refuse_huge_batch(parser, "--val-batch-size", options.val_batch_size or 1, options.input_size)
    method = parsed(parser, METHODS[method_of(options)].settings, options)
    return parsed(parser, TrainingSettings, options, method=method)


def method_of(options: argparse.Namespace) -> str:
    """The name in `METHODS` of the method that the options ask for."""
    return "supervised" if options.supervised_only else "s4gan"


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = add_data_options(parser, "--dataset", "--dataset-name", default=None)
    data.add_argument("--val-list", type=Path, metavar="FILE", help="tiles with masks to validate on; none by default")
    data.add_argument(
        "--val-batch-size",
        type=batch_size,
        metavar="N",
        help="of them, or windows of larger ones, in a batch; default: no more pixels than in a training batch",
    )
    data.add_argument("--num-classes", type=count(2), metavar="N", help="pixel classes; checked, not needed")
    data.add_argument(
        "--ignore-label",
        type=count(0, 255),
        default=IGNORE_INDEX,
        metavar="ID",
        help="mask id that is not learned from",
    )
    data.add_argument(
        "--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels of a training crop"
    )
    data.add_argument("--random-scale", action="store_true", help="scale tiles by 0.5 to 1.6")
    data.add_argument("--random-mirror", action="store_true", help="mirror tiles left-right")


def _add_labels(parser: argparse.ArgumentParser) -> None:
    labels = parser.add_argument_group("labelled tiles")
    labels.add_argument(
        "--labeled-ratio", type=ratio, metavar="R", help="share of the list; without names, drawn at random"
    )
    labels.add_argument("--budget", type=count(), metavar="N", help="number of them, in place of --labeled-ratio")
    labels.add_argument(
        "--labelled",
        type=one_of("choice of labelled tiles", [ALL_MASKS]),
        metavar=ALL_MASKS,
        help=f"{ALL_MASKS}: learn from every usable mask of the list, whoever chose it",
    )
    labels.add_argument("--active-learning", action="store_true", help="take the names that tools/train_AL.py chose")
    labels.add_argument(
        "--active-learning-images-array", type=Path, metavar="FILE", help="those names: .npy, or text with one a line"
    )
    labels.add_argument("--supervised-only", action="store_true", help="labelled tiles alone, no discriminator")


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("networks and training").add_argument
    rate, share = number(0, above=True), number(0, 1)
    add("--backbone", type=one_of("backbone", list(BACKBONES)), default="resnet101", help=", ".join(BACKBONES))
    add(
        "--restore-from",
        metavar="WEIGHTS",
        help="an ImageNet file of torchvision, one of our checkpoints, the folder of a run to go on from its best "
        "checkpoint, or none; default the file in pretrained_models/",
    )
    add("--restore-from-D", metavar="WEIGHTS", help="checkpoint<step>_D.pth of the discriminator")
    add(
        "--batch-size",
        type=batch_size,
        default=10,
        metavar="N",
        help="labelled, and again unlabelled, tiles a step, over all processes",
    )
    add(
        "--accumulate",
        type=count(),
        default=1,
        metavar="N",
        help="split the batch in N parts, one after the other, to save memory",
    )
    add("--num-steps", type=count(), default=20000, metavar="N", help="training steps")
    add(
        "--threshold-st",
        type=share,
        metavar="T",
        help="self-training: believe maps that D scores above T; needed, but for --supervised-only",
    )
    add("--st-start", type=count(0), metavar="N", help="first step with self-training; default min(1000, num-steps/20)")
    add("--lambda-fm", type=number(0), default=0.1, help="weight of feature matching")
    add("--lambda-st", type=number(0), default=1.0, help="weight of self-training")
    add("--learning-rate", type=rate, default=2.5e-4, help="of the generator's SGD")
    add("--learning-rate-D", type=rate, default=1e-4, help="of the discriminator's Adam")
    add("--power", type=number(0), default=0.9, help="of the polynomial schedule")
    add("--momentum", type=share, default=0.9, help="of SGD")
    add("--weight-decay", type=number(0), default=5e-4, help="of SGD")
    add("--bn-momentum", type=share, default=0.1, help="share of a batch in BatchNorm's running statistics")
    add("--freeze-bn", action="store_true", help="BatchNorm uses the loaded statistics as they are")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    machine = add_machine_options(parser, seed=5000)
    machine.add_argument("--cuda", action="store_true", help="ask for CUDA")
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the networks")
    machine.add_argument("--sync-bn", action="store_true", help="BatchNorm over the batch of all processes; CUDA only")
    machine.add_argument("--compile", action="store_true", help="compile the networks: slower to start, then faster")
    machine.add_argument("--max-hours", type=number(0, above=True), metavar="H", help="save and end after this time")


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--checkpoint-dir", type=Path, default=Path("checkpoint"), metavar="DIR", help="folder of the run")
    add("--resume", action="store_true", help="go on with the run in --checkpoint-dir")
    add("--overwrite", action="store_true", help="replace the run in --checkpoint-dir")
    add("--save-pred-every", type=count(), default=100, metavar="N", help="steps between checkpoints")
    add("--save-state-every", type=count(), default=500, metavar="N", help="steps between states to resume from")
    add("--keep-last", type=count(), metavar="K", help="keep the newest K checkpoints and the best; default all")
    add("--eval-every", type=count(), default=500, metavar="N", help="steps between validations on --val-list")
    add("--log-every", type=count(), default=10, metavar="N", help="steps between lines of metrics.csv")
    add("--save-viz", action="store_true", help="write the pseudo-labels that the discriminator believes")
    add("--generator-viz-dir", type=Path, default=Path("visualization"), metavar="DIR", help="folder of them")
    add("--save-after-iter", type=count(0), default=1000, metavar="N", help="write them after this step")
