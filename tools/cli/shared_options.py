"""Options that the commands share, and what they stand for: data set, device, loader processes, cache."""

import argparse
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.descriptions import Description
from data.settings import DataSettings
from tools.cli.as_settings import settings_of
from tools.cli.parser import count, dataset_name, one_of
from utils.runs.settings import MachineSettings

if TYPE_CHECKING:
    import torch

    from data.cache import CacheSettings


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


def resolve_device(args: argparse.Namespace) -> "torch.device":
    """The device that the options ask for."""
    from utils.device import choose_device

    return choose_device(settings_of(MachineSettings, args))


def resolve_workers(args: argparse.Namespace, device: "torch.device", loaders: int = 1) -> int:
    """Processes of a loader."""
    from utils.device import loader_workers

    return loader_workers(args.num_workers, device, loaders)


def resolve_cache(args: argparse.Namespace) -> "CacheSettings | None":
    """The cache that the options ask for."""
    return settings_of(DataSettings, args).cache()


def resolve_description(args: argparse.Namespace) -> Description:
    """The data set's description."""
    return settings_of(DataSettings, args).description()


def check_num_classes(given: int | None, expected: int, what: str) -> None:
    """Refuse a class count that contradicts the data set."""
    DataSettings("custom", Path(), Path(), given).check_num_classes(expected, what)


def as_plain(args: argparse.Namespace) -> dict[str, Any]:
    """The options as plain values for JSON: paths and exact decimals become text."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path | Decimal) else value
        for name, value in sorted(vars(args).items())
    }
