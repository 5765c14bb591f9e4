"""The options of tools/train_AL.py."""

import argparse
from pathlib import Path

from model.networks.names import classifier_names
from tools.cli.as_settings import parsed
from tools.cli.options.shared import add_data_options, add_machine_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, ratio, refuse_huge_batch
from tools.settings.learning import SelectionSettings
from utils.compute.number_formats import PRECISIONS
from utils.selection.names import FEATURES, ON_FEATURES, STRATEGY_NAMES


def parse_args(description: str | None, argv: list[str] | None = None) -> SelectionSettings:
    """The settings that the command's options describe."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_selection(parser)
    _add_labels(parser)
    _add_classifier(parser)
    machine = add_machine_options(parser, seed=360)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    _add_results(parser)
    options = parser.parse_args(argv)
    settings = parsed(parser, SelectionSettings, options)
    refuse_huge_batch(parser, "--batch-size", options.batch_size, options.input_size)
    refuse_huge_batch(parser, "--score-batch-size", options.score_batch_size, options.input_size)
    return settings


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = add_data_options(parser, "--dataset-name", "--dataset", default="UCM")
    data.add_argument("--val-list", type=Path, metavar="FILE", help="tiles with scene labels to validate on")
    data.add_argument("--num-classes", type=count(2), metavar="N", help="scene classes; checked, not needed")
    data.add_argument("--random-scale", action="store_true", help="scale training tiles by 0.5 to 1.6")
    data.add_argument("--random-mirror", action="store_true", help="mirror training tiles left-right")
    data.add_argument(
        "--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels a tile is resized to"
    )
    data.add_argument("--skip-bad-images", action="store_true", help="leave out tiles that cannot be read")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("selection").add_argument
    add("--query-strategy", type=strategy, default="margin", metavar="NAME", help=f"one of {', '.join(STRATEGY_NAMES)}")
    add("--labeled-ratio", type=ratio, metavar="R", help="share of the list to choose (default: 0.05)")
    add("--budget", type=count(), metavar="N", help="number of masks to draw, in place of --labeled-ratio")
    add("--alpha", type=ratio, default="0.1", help="initial pool as a share of the target")
    add("--beta", type=ratio, default="0.5", help="tiles of a round as a share of the initial pool")
    add("--include-initial-pool", action="store_true", help="the initial pool counts in the budget and in the result")
    add(
        "--dropout-passes",
        type=count(2, 1000),
        default=20,
        metavar="N",
        help="passes of the strategy bald",
    )
    add(
        "--features",
        type=one_of("kind of features", FEATURES),
        default="classifier",
        help=f"what {', '.join(ON_FEATURES)} look at: features of the classifier as it learns, or of the pretrained "
        "network that it began as",
    )
    add("--stop-at-accuracy", type=number(0, 1), metavar="A", help="end early at this accuracy on --val-list")


def _add_labels(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("scene labels").add_argument
    add(
        "--oracle",
        metavar="WHO",
        help="dataset: its labels; people: what they write into to_label.csv; or a CSV of your own with the columns "
        "name,label; default dataset where it has labels, else people",
    )
    add(
        "--already-labelled",
        metavar="WHICH",
        help="tiles not to ask for, that the classifier learns from where their scene class is known or one class "
        "dominates their mask: none (default), masks (all that have one), or a file of names",
    )
    add(
        "--dominant-share",
        type=number(0, 1, above=True),
        metavar="S",
        help="share of such a mask above which its class is the scene class (default: 0.5)",
    )
    add("--scene-classes", type=class_names, metavar="A,B,…", help="scene classes, where the data set names none")


def _add_classifier(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("classifier").add_argument
    add(
        "--model-name",
        type=one_of("network", classifier_names()),
        default="res50",
        metavar="NAME",
        help="res50, res101, vgg16, tiny or a torchvision classifier",
    )
    add(
        "--classifier-weights",
        default="imagenet",
        metavar="W",
        help="imagenet (torchvision's, downloaded once), none, or a file",
    )
    add("--learning-rate", type=number(0, above=True), default=0.001, help="of SGD")
    add("--momentum", type=number(0, 1), default=0.9, help="of SGD")
    add("--num-epochs", type=count(), default=50, metavar="N", help="epochs of each round")
    add("--batch-size", type=batch_size, default=4, metavar="N", help="tiles of a training batch, over all processes")
    add("--score-batch-size", type=batch_size, default=32, metavar="N", help="tiles of a scoring batch")
    add("--retrain", choices=("continue", "scratch"), default="continue", help="weights at the start of a round")


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--save-dir", type=Path, default=Path("active_learning"), metavar="DIR", help="folder of results")
    add("--resume", action="store_true", help="go on with the run of these options")
    add("--overwrite", action="store_true", help="replace the run of these options; labels that people wrote stay")


def strategy(text: str) -> str:
    """A query strategy in any case, with hyphens or underscores."""
    return str(one_of("query strategy", STRATEGY_NAMES)(text.replace("-", "_")))


def class_names(text: str) -> tuple[str, ...]:
    """Two different names or more, separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or "" in names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected two different names or more, such as forest,river; found '{text}'")
    return names
