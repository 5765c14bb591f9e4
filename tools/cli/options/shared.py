"""Options that the commands share: data set, cache, loader, device, seed."""

import argparse
from pathlib import Path
from typing import Any

from tools.cli.parser import count, dataset_name, file_size, one_of


def add_data_options(
    parser: argparse.ArgumentParser, *names: str, default: str | None = None, required: bool = True
) -> Any:
    """`--dataset`, `--data-dir`, `--data-list`, the cache and the loader; returns the group for more."""
    group = parser.add_argument_group("data")
    group.add_argument(
        *names,
        dest="dataset",
        type=dataset_name,
        default=default,
        required=required and default is None,
        metavar="NAME",
        help="ucm, deepglobe or custom, in any case",
    )
    group.add_argument("--data-dir", type=Path, required=required, metavar="DIR", help="the data set's folder")
    group.add_argument("--data-list", type=Path, required=required, metavar="FILE", help="tile names, one a line")
    group.add_argument(
        "--cache-dir", type=Path, metavar="DIR", help="folder for decoded tiles; default <data-dir>/.cache"
    )
    group.add_argument(
        "--cache-limit",
        type=file_size,
        metavar="SIZE",
        help="what that folder may take, such as 500MB; default the smaller of 20 GB and a fifth of what would be free "
        "without it",
    )
    group.add_argument("--no-cache", action="store_true", help="decode tiles at every use")
    group.add_argument(
        "--num-workers",
        type=count(0, 128),
        metavar="N",
        help="processes of a loader; default 0 on a CPU, beside a GPU up to 8 by the cores there are",
    )
    return group


def add_machine_options(parser: argparse.ArgumentParser, seed: int) -> Any:
    """`--device`, `--precision`, `--random-seed`, `--debug`; returns the group for more."""
    group = parser.add_argument_group("machine and reproducibility")
    group.add_argument(
        "--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto"
    )
    group.add_argument("--random-seed", type=count(0), default=seed, metavar="S", help="seed of everything random")
    group.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return group
