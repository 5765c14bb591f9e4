"""Measure what a training step, the learner, an evaluation and a checkpoint cost on this machine.

    python tools/benchmark.py --backbone resnet101 --batch-size 2                           synthetic tensors
    python tools/benchmark.py --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt
    python tools/benchmark.py --all                                                         a table for the README
    python tools/benchmark.py --all --quick                                                 it with tiny networks
    python tools/benchmark.py --plain                                                       and the ratio to plain code
    python tools/benchmark.py --parts pool --query-strategy margin --pool-tiles 2000 100000   memory of a large pool
    python tools/benchmark.py --parts methods --batch-size 2                                each method beside s4GAN

Prints a table and writes it as JSON, with --all as Markdown, to --out. Nothing here is a test: compare numbers of one
run on one machine.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.benchmarks.settings import BenchmarkSettings
from tools.cli.options import benchmark as benchmark_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> BenchmarkSettings:
    """What the command's options say."""
    return benchmark_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch

from tools.benchmarks.methods import measure_methods
from tools.benchmarks.parts import measure_checkpoint, measure_evaluation, measure_learner
from tools.benchmarks.pool import measure_large_pools
from tools.benchmarks.training import measure_training
from tools.benchmarks.whole import kinds_of_steps, measure_whole
from utils.compute.device import choose_device
from utils.compute.measuring import Row, machine_name
from utils.compute.precision import resolve_precision
from utils.console import say
from utils.runs.files import write_json, write_text
from utils.runs.seeds import seed_everything


def benchmark(settings: BenchmarkSettings) -> None:
    """Measure, print and write."""
    device = choose_device(settings.machine)
    precision = resolve_precision(settings.machine.precision, device)
    machine, sizes, out = machine_name(device), settings.sizes, settings.out
    if settings.all:
        seed_everything(settings.machine.random_seed)
        kinds = kinds_of_steps(device, precision, settings.quick)
        say(f"{machine}; a line for each measurement, the whole table in {out} at the end")
        write_text(out, measure_whole(sizes, device, precision, kinds, out.resolve().parent, say))
        say(f"\n{out}")
        return
    batch = f"{sizes.batch_size} + {sizes.batch_size} tiles of {sizes.input_size}"
    print(f"{machine}; {sizes.backbone}, {batch}, {precision}")
    rows = measure(settings, device, precision, plain=False)
    print_table(rows)
    result: dict[str, Any] = {"machine": machine, "precision": precision, "rows": [asdict(row) for row in rows]}
    if settings.plain:
        plain = measure(settings, device, "fp32", plain=True)
        print("\nplain: fp32, contiguous, no cache, no workers")
        print_table(plain, fast=rows)
        result["plain"] = [asdict(row) for row in plain]
    write_json(out, result)
    print(f"\n{out}")


def measure(settings: BenchmarkSettings, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """All parts that the settings name; a checkpoint and a pool are the same for plain code, which is s4GAN's alone."""
    seed_everything(settings.machine.random_seed)
    sizes, parts = settings.sizes, set(settings.parts) - ({"checkpoint", "pool", "methods"} if plain else set())
    work = {
        "train": lambda: measure_training(settings, device, precision, plain),
        "methods": lambda: measure_methods(settings, device, precision),
        "learner": lambda: measure_learner(sizes, device, precision),
        "evaluation": lambda: measure_evaluation(sizes, device, precision),
        "checkpoint": lambda: measure_checkpoint(sizes, device, settings.out.resolve().parent),
        "pool": lambda: measure_large_pools(settings.pool_tiles, settings.query_strategy),
    }
    return [row for part, rows_of in work.items() if part in parts for row in rows_of()]


def print_table(rows: list[Row], fast: list[Row] | None = None) -> None:
    """Print numbers, and with `fast` how many times as much they are."""
    reference = {row.what: row.value for row in fast or []}
    for row in rows:
        ratio = f"  ×{row.value / reference[row.what]:.2f}" if reference.get(row.what) else ""
        print(f"{row.what:<40}{row.value:>12.2f} {row.unit}{ratio}")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
