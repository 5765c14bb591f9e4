"""The options of tools/train_s4gan.py."""

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from data.settings import ALL_MASKS
from model.methods import METHODS
from model.methods.settings import FixMatchSettings, MethodSettings
from model.networks.names import BACKBONES
from tools.cli.as_settings import flag, parsed
from tools.cli.options.shared import add_data_options, add_machine_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, ratio, refuse_huge_batch
from tools.settings.learning import TrainingSettings
from utils.compute.number_formats import PRECISIONS
from utils.imagery.labels import IGNORE_INDEX


def parse_args(description: str | None, argv: list[str] | None = None) -> TrainingSettings:
    """What the options say."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_labels(parser)
    _add_method(parser)
    _add_training(parser)
    _add_machine(parser)
    _add_results(parser)
    options = parser.parse_args(argv)
    refuse_huge_batch(parser, "--batch-size", options.batch_size // options.accumulate, options.input_size)
    refuse_huge_batch(parser, "--val-batch-size", options.val_batch_size or 1, options.input_size)
    name = method_of(parser, options)
    refuse_options_of_others(parser, options, name)
    method = parsed(parser, METHODS[name].settings, options)
    return parsed(parser, TrainingSettings, options, method=method)


def method_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The name in `METHODS` of the method that the options ask for."""
    if not options.supervised_only:
        return options.method or "s4gan"
    if options.method not in (None, "supervised"):
        parser.error(f"--supervised-only means --method supervised, and --method is {options.method}; give one of them")
    return "supervised"


def refuse_options_of_others(parser: argparse.ArgumentParser, options: argparse.Namespace, method: str) -> None:
    """End with exit code 2 where an option was given that other methods alone are told.

    Supervised training takes those of s4GAN and makes nothing of them, so that one more option turns the published
    command into its own baseline.
    """
    taken = {*_told(method), *(_told("s4gan") if method == "supervised" else ())}
    for other in METHODS:
        for field in _told(other):
            default = parser.get_default(field)
            if field not in taken and getattr(options, field, default) != default:
                parser.error(f"{flag(field)} is an option of {other}, and the method is {method}; leave it out")


def _told(method: str) -> Iterator[str]:
    """What a method is told beside what all of them are."""
    shared = {field.name for field in fields(MethodSettings)}
    return (field.name for field in fields(METHODS[method].settings) if field.name not in shared)


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
    labels.add_argument("--supervised-only", action="store_true", help="the same as --method supervised")


def _add_method(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("method").add_argument
    rate, share = number(0, above=True), number(0, 1)
    add("--method", type=one_of("training method", list(METHODS)), help=f"{', '.join(METHODS)}; default s4gan")
    add("--threshold-st", type=share, metavar="T", help="s4gan, which needs it: believe maps that D scores above T")
    add(
        "--st-start",
        type=count(0),
        metavar="N",
        help="s4gan: first self-training step; default min(1000, num-steps/20)",
    )
    add("--lambda-fm", type=number(0), default=0.1, help="s4gan: weight of feature matching")
    add("--lambda-st", type=number(0), default=1.0, help="s4gan: weight of self-training")
    add("--learning-rate-D", type=rate, default=1e-4, help="s4gan: of the discriminator's Adam")
    add(
        "--pseudo-threshold",
        type=share,
        default=argparse.SUPPRESS,
        metavar="T",
        help="fixmatch, unimatch: learn from pixels whose class has a probability of T or more; default "
        f"{FixMatchSettings.pseudo_threshold:g}",
    )
    add(
        "--ema",
        type=share,
        default=argparse.SUPPRESS,
        metavar="DECAY",
        help="evaluate and keep a teacher, the moving average of the network; default for fixmatch "
        f"{FixMatchSettings.ema:g}, for the others none",
    )


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
    add("--learning-rate", type=rate, default=2.5e-4, help="of the generator's SGD")
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
    add("--save-viz", action="store_true", help="write the pseudo-labels that are learned from")
    add("--generator-viz-dir", type=Path, default=Path("visualization"), metavar="DIR", help="folder of them")
    add("--save-after-iter", type=count(0), default=1000, metavar="N", help="write them after this step")
