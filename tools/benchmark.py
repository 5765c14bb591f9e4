"""Measure what a training step, the learner, an evaluation and a checkpoint cost on this machine.

    python tools/benchmark.py --backbone resnet101 --batch-size 2                           synthetic tensors
    python tools/benchmark.py --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt
    python tools/benchmark.py --all                                                         a table for the README
    python tools/benchmark.py --all --quick                                                 it with tiny networks
    python tools/benchmark.py --plain                                                       and the ratio to plain code
    python tools/benchmark.py --parts pool --query-strategy margin --pool-tiles 2000 100000   memory of a large pool

Prints a table and writes it as JSON, with --all as Markdown, to --out. Nothing here is a test: compare numbers of one
run on one machine.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import benchmark_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return benchmark_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch

from tools.benchmarks.clock import Row
from tools.benchmarks.parts import measure_checkpoint, measure_evaluation, measure_large_pools, measure_learner
from tools.benchmarks.training import measure_training
from tools.benchmarks.whole import Sizes, kinds_of_steps, machine_name, measure_whole
from tools.cli.shared_options import resolve_device
from utils.console import say
from utils.precision import resolve_precision
from utils.runs.files import write_json, write_text
from utils.runs.seeds import seed_everything


def benchmark(args: argparse.Namespace) -> None:
    """Measure, print and write."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    if args.all:
        benchmark_whole(args, device, precision)
        return
    machine = machine_name(device)
    print(f"{machine}; {args.backbone}, {args.batch_size} + {args.batch_size} tiles of {args.input_size}, {precision}")
    rows = measure(args, device, precision, plain=False)
    print_table(rows)
    result: dict[str, Any] = {"machine": machine, "precision": precision, "rows": [asdict(row) for row in rows]}
    if args.plain:
        plain = measure(args, device, "fp32", plain=True)
        print("\nplain: fp32, contiguous, no cache, no workers")
        print_table(plain, fast=rows)
        result["plain"] = [asdict(row) for row in plain]
    write_json(args.out, result)
    print(f"\n{args.out}")


def benchmark_whole(args: argparse.Namespace, device: torch.device, precision: str) -> None:
    """Measure everything, and write the table as Markdown."""
    sizes = Sizes(args.backbone, args.model_name, args.batch_size, args.input_size, args.steps, args.map_side)
    seed_everything(args.random_seed)
    kinds = kinds_of_steps(device, precision, args.quick)
    say(f"{machine_name(device)}; a line for each measurement, the whole table in {args.out} at the end")
    table = measure_whole(sizes, device, precision, kinds, args.out.resolve().parent, say)
    write_text(args.out, table)
    say(f"\n{args.out}")


def measure(args: argparse.Namespace, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """All parts that the options name."""
    seed_everything(args.random_seed)
    rows: list[Row] = []
    if "train" in args.parts:
        rows += measure_training(args, device, precision, plain)
    if "learner" in args.parts:
        rows += measure_learner(args.model_name, args.input_size, args.steps, device, precision)
    if "evaluation" in args.parts:
        rows += measure_evaluation(args.backbone, args.batch_size, args.input_size, device, precision)
    if "checkpoint" in args.parts and not plain:
        rows += measure_checkpoint(args.backbone, args.out.resolve().parent, device)
    if "pool" in args.parts and not plain:
        rows += measure_large_pools(args.pool_tiles, args.query_strategy)
    return rows


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
