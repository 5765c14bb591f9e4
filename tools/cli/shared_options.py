"""Options that the commands share, and what they stand for: data set, device, loader processes, cache."""

import argparse
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.dataset_json import load_description
from data.descriptions import Description
from tools.cli.parser import count, dataset_name, one_of
from utils.errors import OptionError
from utils.machine import usable_cores

if TYPE_CHECKING:
    import torch

    from data.cache import CacheSettings

MOST_WORKERS = 8  # of a loader, where nothing else was asked for


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
    """The device that the options ask for, made ready; `--device` wins over `--cuda` and `--gpu`.

    Several processes have a GPU each: `--gpu N`, by default 0, is the first one's, the others take those after it.

    Raises:
        OptionError: CUDA was asked for and is absent, or has too few devices.
    """
    import torch  # seconds

    from utils.device import prepare_device
    from utils.distributed import local_rank, local_world_size

    gpu = getattr(args, "gpu", None)
    asked = args.device or ("cuda" if getattr(args, "cuda", False) or gpu is not None else "auto")
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise OptionError("CUDA was asked for, but torch sees no CUDA device; use --device cpu, or check the driver")
    first, processes, there = gpu or 0, local_world_size(), torch.cuda.device_count()
    if first + processes > there:
        needed, advice = f"GPU {first} is asked for", "give a lower --gpu"
        if processes > 1:
            needed = f"{processes} processes need GPUs {first} to {first + processes - 1}"
            advice = "start fewer processes, or give a lower --gpu"
        raise OptionError(f"{needed}, but torch sees {there} CUDA devices, counted from 0; {advice}")
    device = torch.device("cuda", first + local_rank())
    prepare_device(device)
    return device


def resolve_workers(args: argparse.Namespace, device: "torch.device", loaders: int = 1) -> int:
    """Processes of a loader: as asked, else none beside CPU training and up to 8 beside a GPU.

    Args:
        args: the command's options.
        device: where batches go.
        loaders: at work at the same time in each process; they share the cores that the process has for itself.
    """
    from utils.distributed import local_world_size  # with torch

    if args.num_workers is not None:
        return int(args.num_workers)
    if device.type != "cuda":
        return 0
    spare = usable_cores() // local_world_size() - 1  # one is the process's own
    return min(MOST_WORKERS, max(1, spare // loaders))


def resolve_cache(args: argparse.Namespace) -> "CacheSettings | None":
    """The cache that the options ask for."""
    from data.cache import CacheSettings  # with torch

    return None if args.no_cache else CacheSettings(args.data_dir, args.cache_dir)


def resolve_description(args: argparse.Namespace) -> Description:
    """The data set's description, after a check that its folder exists.

    Raises:
        OptionError: no such folder, unknown data set, or a custom one without its `dataset.json`.
    """
    if not args.data_dir.is_dir():
        raise OptionError(f"--data-dir {args.data_dir} is not a folder; give the data set's folder")
    return load_description(args.dataset, args.data_dir)


def check_num_classes(given: int | None, expected: int, what: str) -> None:
    """Refuse a class count that contradicts the data set.

    Raises:
        OptionError: `--num-classes` was given and differs.
    """
    if given is not None and given != expected:
        raise OptionError(f"--num-classes {given} contradicts the data set, which has {expected} {what}; leave it out")


def as_plain(args: argparse.Namespace) -> dict[str, Any]:
    """The options as plain values for JSON: paths and exact decimals become text."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path | Decimal) else value
        for name, value in sorted(vars(args).items())
    }
