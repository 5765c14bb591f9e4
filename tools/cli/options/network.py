"""The options that name a trained network: a run's folder, or a checkpoint in it."""

import argparse
from pathlib import Path

from model.networks.names import BACKBONES
from tools.cli.parser import one_of


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add `--checkpoint`, `--checkpoint-dir` and `--backbone`."""
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
