"""The options of tools/benchmark.py."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.networks.names import BACKBONES, classifier_names
from tools.cli.parser import CommandParser, batch_size, count, image_size, one_of
from tools.cli.shared_options import add_data_options, add_machine_options
from utils.number_formats import PRECISIONS
from utils.selection.names import STRATEGY_NAMES

USUAL: dict[str, Any] = {
    "backbone": "resnet101", "model_name": "res50", "batch_size": 10, "input_size": (320, 320), "steps": 10,
    "map_side": 2048,
}  # fmt: skip
QUICK: dict[str, Any] = {
    "backbone": "tiny", "model_name": "tiny", "batch_size": 2, "input_size": (64, 64), "steps": 2, "map_side": 256,
}  # fmt: skip
PARTS = ("train", "learner", "evaluation", "checkpoint", "pool")


def parse_args(description: str | None, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command's options."""
    parser = CommandParser(description=description)
    add_data_options(parser, "--dataset", required=False)
    parser.add_argument(
        "--all", action="store_true", help="everything but pools, on made tiles: each precision, compiled or not"
    )
    parser.add_argument("--quick", action="store_true", help="small settings, where no others are given")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS[:4]), help="what to measure")
    parser.add_argument("--plain", action="store_true", help="also measure fp32, contiguous, no cache, no workers")
    _add_sizes(parser)
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
    parser.add_argument("--out", type=Path, metavar="FILE", help="the table; default benchmark.json, or benchmark.md")
    machine = add_machine_options(parser, seed=0)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format")
    args = parser.parse_args(argv)
    if args.all and (args.dataset is not None or args.plain or args.compile):
        parser.error("--all measures made tiles, compiled and not; leave out --dataset, --plain and --compile")
    if args.dataset is not None and (args.data_dir is None or args.data_list is None):
        parser.error("--dataset needs --data-dir and --data-list; without --dataset synthetic tensors are used")
    usual = QUICK if args.quick else USUAL
    for name, value in usual.items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)
    args.out = args.out or Path("benchmark.md" if args.all else "benchmark.json")
    return args


def _add_sizes(parser: CommandParser) -> None:
    def add(name: str, kind: Callable[[str], object], metavar: str | None, text: str) -> None:
        few, many = (
            f"{u[0]},{u[1]}" if isinstance(u, tuple) else u for u in (s[name.replace("-", "_")] for s in (QUICK, USUAL))
        )
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=f"{text}; default {many}, quick {few}")

    add("backbone", one_of("backbone", list(BACKBONES)), None, "of the generator")
    add("model-name", one_of("network", classifier_names()), None, "of the learner")
    add("batch-size", batch_size, "N", "labelled, and again unlabelled, tiles")
    add("input-size", image_size, "H,W", "pixels of a crop")
    add("steps", count(2), "N", "measured steps, after some to warm up")
    add("map-side", count(), "N", "pixels of a side of the image that a map is made of with --all")
