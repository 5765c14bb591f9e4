"""The options of tools/benchmark.py."""

import argparse
from pathlib import Path

from model.networks.names import BACKBONES, classifier_names
from tools.cli.parser import CommandParser, batch_size, count, image_size, one_of
from tools.cli.shared_options import add_data_options, add_machine_options
from utils.number_formats import PRECISIONS
from utils.selection.names import STRATEGY_NAMES

PARTS = ("train", "learner", "evaluation", "checkpoint", "pool")


def parse_args(description: str | None, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command's options."""
    parser = CommandParser(description=description)
    add_data_options(parser, "--dataset", required=False)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS[:4]), help="what to measure")
    parser.add_argument("--plain", action="store_true", help="also measure fp32, contiguous, no cache, no workers")
    parser.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), default="resnet101", help="of the generator"
    )
    parser.add_argument(
        "--model-name", type=one_of("network", classifier_names()), default="res50", help="of the learner"
    )
    parser.add_argument(
        "--batch-size", type=batch_size, default=10, metavar="N", help="labelled, and again unlabelled, tiles"
    )
    parser.add_argument("--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels of a crop")
    parser.add_argument("--steps", type=count(2), default=10, metavar="N", help="measured steps, after one to warm up")
    parser.add_argument(
        "--query-strategy",
        choices=STRATEGY_NAMES,
        default="margin",
        help="of the part pool, whose tiles are made",
    )
    parser.add_argument(
        "--pool-tiles", nargs="+", type=count(200), default=[2000, 100000], metavar="N", help="sizes of its pools"
    )
    parser.add_argument("--compile", action="store_true", help="compile the networks")
    parser.add_argument("--out", type=Path, default=Path("benchmark.json"), metavar="FILE", help="the table as JSON")
    machine = add_machine_options(parser, seed=0)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format")
    args = parser.parse_args(argv)
    if args.dataset is not None and (args.data_dir is None or args.data_list is None):
        parser.error("--dataset needs --data-dir and --data-list; without --dataset synthetic tensors are used")
    return args
