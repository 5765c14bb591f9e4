"""Measure what a training step, the learner, an evaluation and a checkpoint cost on this machine.

    python tools/benchmark.py --backbone resnet101 --batch-size 2                           synthetic tensors
    python tools/benchmark.py --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt
    python tools/benchmark.py --plain                                                       and the ratio to plain code
    python tools/benchmark.py --parts pool --query-strategy margin --pool-tiles 2000 100000   memory of a large pool

Prints a table and writes it as JSON to --out. Nothing here is a test: compare numbers of one run on one machine.
"""

import argparse
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from data.samplers import EndlessBatches, build_loader
from data.splits import read_names
from data.tiles import ClassificationSample, SegmentationSample, SegmentationTiles, open_tiles
from data.transforms import segmentation_training
from model.backbones import BACKBONES
from model.classifier import Classifier, classifier_names
from model.deeplabv2 import DeepLabV2
from model.discriminator import Discriminator
from model.learner import Learner
from model.s4gan import S4GAN, S4GANSettings
from tools.arguments import (
    add_data_options,
    add_machine_options,
    resolve_cache,
    resolve_description,
    resolve_device,
    resolve_workers,
)
from tools.benchmark_pool import measure_pools
from tools.command import run
from tools.option_parser import CommandParser, count, image_size, one_of
from utils.background import BackgroundWriter, Snapshot
from utils.checkpoint import save_tensors, write_json
from utils.evaluate import evaluate
from utils.precision import PRECISIONS, autocast, resolve_precision
from utils.query import STRATEGIES
from utils.seed import seed_everything

NUM_CLASSES = 18  # of synthetic data: as many as UCM has
PARTS = ("train", "learner", "evaluation", "checkpoint", "pool")


@dataclass(frozen=True)
class Row:
    """One measured number."""

    what: str
    value: float
    unit: str


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
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
        "--batch-size", type=count(), default=10, metavar="N", help="labelled, and again unlabelled, tiles"
    )
    parser.add_argument("--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels of a crop")
    parser.add_argument("--steps", type=count(2), default=10, metavar="N", help="measured steps, after one to warm up")
    parser.add_argument(
        "--query-strategy",
        choices=list(STRATEGIES),
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


def benchmark(args: argparse.Namespace) -> None:
    """Measure, print and write."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    machine = f"{name}, {platform.machine()}, torch {torch.__version__}"
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


def measure(args: argparse.Namespace, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """All parts that the options name."""
    seed_everything(args.random_seed)
    rows: list[Row] = []
    if "train" in args.parts:
        rows += measure_training(args, device, precision, plain)
    if "learner" in args.parts:
        rows += measure_learner(args, device, precision)
    if "evaluation" in args.parts:
        rows += measure_evaluation(args, device, precision)
    if "checkpoint" in args.parts and not plain:
        rows += measure_checkpoint(args, device)
    if "pool" in args.parts and not plain:
        rows += measure_large_pools(args)
    return rows


def measure_training(args: argparse.Namespace, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """Milliseconds of a step and where they go."""
    num_classes, batches = training_data(args, device, plain)
    settings = S4GANSettings(
        10**6, 0.5, st_start=0, precision=precision, compile=args.compile and not plain, channels_last=not plain
    )
    s4gan = S4GAN(DeepLabV2(num_classes, args.backbone), Discriminator(num_classes), settings, device)
    labelled, unlabelled = next(batches)
    with FlopCounterMode(display=False) as counter:
        s4gan.train_step(labelled, unlabelled, step=0)
    if settings.compile:
        s4gan.train_step(labelled, unlabelled, step=0)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    steps, waits = [], []
    for step in range(args.steps):
        started = time.perf_counter()
        labelled, unlabelled = next(batches)
        waits.append(time.perf_counter() - started)
        s4gan.train_step(labelled, unlabelled, step)
        synchronise(device)
        steps.append(time.perf_counter() - started)
    seconds = median(steps)
    flop = counter.get_total_flops()
    return [
        Row("training step", 1000 * seconds, "ms"),
        Row("  waiting for data", 1000 * median(waits), "ms"),
        *split_of_a_step(s4gan, batches, device, max(2, args.steps // 3)),
        Row("images", 2 * args.batch_size / seconds, "1/s"),
        Row("peak memory", peak_memory(device) / 1e9, "GB"),
        Row("arithmetic of a step", flop / 1e12, "TFLOP"),
        Row("share of the matmul peak", 100 * flop / seconds / matmul_peak(device, precision), "%"),
    ]


def split_of_a_step(s4gan: S4GAN, batches: Iterator[Any], device: torch.device, steps: int) -> list[Row]:
    """Milliseconds in the parts of a step, each waited for, so that together they are a little more than a step."""
    parts = {
        "  generator, labelled": "_learn_from_labelled",
        "  generator, unlabelled": "_learn_from_unlabelled",
        "  optimiser of the generator": "_step_generator",
        "  discriminator and its optimiser": "_teach_discriminator",
    }
    spent: dict[str, list[float]] = {title: [] for title in parts}

    def timed(title: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            synchronise(device)
            started = time.perf_counter()
            result = method(*arguments)
            synchronise(device)
            spent[title].append(time.perf_counter() - started)
            return result

        return call

    for title, method in parts.items():
        setattr(s4gan, method, timed(title, getattr(s4gan, method)))
    for step in range(steps):
        labelled, unlabelled = next(batches)
        s4gan.train_step(labelled, unlabelled, step)
    for method in parts.values():
        delattr(s4gan, method)
    return [Row(title, 1000 * median(seconds), "ms") for title, seconds in spent.items()]


def training_data(args: argparse.Namespace, device: torch.device, plain: bool) -> tuple[int, Iterator[Any]]:
    """Number of classes, and pairs of labelled and unlabelled batches."""
    if args.dataset is None:
        batch = synthetic_batch(args)
        return NUM_CLASSES, iter(lambda: (batch, batch), None)
    description = resolve_description(args)
    names = read_names(args.data_list, description)
    tiles = open_tiles(description, args.data_dir, names, names, None if plain else resolve_cache(args))
    transform = segmentation_training(args.input_size, random_scale=True, random_mirror=True)
    workers = 0 if plain else resolve_workers(args, device)

    def stream(name: str) -> Iterator[Any]:
        order = EndlessBatches(range(len(tiles)), args.batch_size, args.random_seed, name)
        dataset = SegmentationTiles(tiles, transform, args.random_seed, name)
        return iter(build_loader(dataset, order, workers, pin_memory=device.type == "cuda"))

    return description.num_classes, zip(stream("labelled"), stream("unlabelled"), strict=True)


def synthetic_batch(args: argparse.Namespace) -> SegmentationSample:
    """A batch of noise."""
    size = (args.batch_size, *args.input_size)
    return SegmentationSample(
        torch.randint(0, 256, (size[0], 3, *args.input_size), dtype=torch.uint8),
        torch.randint(0, NUM_CLASSES, size, dtype=torch.uint8),
        torch.tensor([args.input_size] * args.batch_size),
        torch.arange(args.batch_size),  # type: ignore[arg-type]
    )


def measure_learner(args: argparse.Namespace, device: torch.device, precision: str) -> list[Row]:
    """Tiles a second that the active learner fits and scores."""
    learner = Learner(Classifier(args.model_name, 21), device, precision, 0.001, 0.9)

    def batches(size: int, number: int) -> list[Any]:
        images = torch.randint(0, 256, (size, 3, *args.input_size), dtype=torch.uint8)
        sizes = torch.tensor([args.input_size] * size)
        batch = ClassificationSample(images, torch.randint(0, 21, (size,)), sizes, torch.arange(size))  # type: ignore[arg-type]
        return [batch] * number

    learner.fit(batches(4, 1))
    fit = timed_seconds(device, lambda: learner.fit(batches(4, args.steps)))
    learner.score(batches(32, 1))
    score = timed_seconds(device, lambda: learner.score(batches(32, 2)))
    return [
        Row("learner: fitting, batch 4", 4 * args.steps / fit, "tiles/s"),
        Row("learner: scoring, batch 32", 64 / score, "tiles/s"),
    ]


def measure_evaluation(args: argparse.Namespace, device: torch.device, precision: str) -> list[Row]:
    """Tiles a second that evaluation predicts and counts."""
    network = DeepLabV2(NUM_CLASSES, args.backbone).to(device).to(memory_format=torch.channels_last).eval()
    batch = synthetic_batch(args)
    evaluate(network, [batch], NUM_CLASSES, device, precision)
    seconds = timed_seconds(device, lambda: evaluate(network, [batch] * 3, NUM_CLASSES, device, precision))
    return [Row("evaluation", 3 * args.batch_size / seconds, "tiles/s")]


def measure_checkpoint(args: argparse.Namespace, device: torch.device) -> list[Row]:
    """What a checkpoint holds training up, and how long its writing takes in the background."""
    networks: list[nn.Module] = [
        DeepLabV2(NUM_CLASSES, args.backbone).to(device),
        Discriminator(NUM_CLASSES).to(device),
    ]
    size = sum(t.numel() * t.element_size() for n in networks for t in n.state_dict().values())
    snapshot, writer = Snapshot(), BackgroundWriter()
    held, written = [], []
    with tempfile.TemporaryDirectory(dir=args.out.resolve().parent) as folder:
        for _ in range(3):
            started = time.perf_counter()
            copies = [snapshot.take(network.state_dict(), str(i)) for i, network in enumerate(networks)]
            synchronise(device)
            held.append(time.perf_counter() - started)
            for i, copied in enumerate(copies):
                path = Path(folder) / f"{i}.pth"
                writer.submit(lambda path=path, copied=copied: save_tensors(path, copied))  # type: ignore[misc]
            writer.wait()
            written.append(time.perf_counter() - started)
    return [
        Row("checkpoint: size of both networks", size / 1e6, "MB"),
        Row("checkpoint: holds training up", 1000 * median(held), "ms"),
        Row("checkpoint: written in the background", 1000 * median(written), "ms"),
        Row("checkpoint: rate of writing", size / 1e6 / median(written), "MB/s"),
    ]


def measure_large_pools(args: argparse.Namespace) -> list[Row]:
    """Memory and time of one round over pools of several sizes: tiny network, tiles made on the fly, on the CPU."""
    rows = []
    for tiles, cost in zip(args.pool_tiles, measure_pools(args.pool_tiles, args.query_strategy), strict=True):
        title = f"{args.query_strategy}, pool of {tiles}: "
        rows += [
            Row(title + "peak memory", cost.peak_bytes / 1e6, "MB"),
            Row(title + "scoring", tiles / cost.score_seconds, "tiles/s"),
            Row(title + "choosing", cost.choose_seconds, "s"),
        ]
    return rows


def matmul_peak(device: torch.device, precision: str) -> float:
    """FLOP a second of a large matrix product at this precision: what the machine can do at best."""
    size = 8192 if device.type == "cuda" else 2048
    left, right = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    with autocast(precision, device):
        product = partial(torch.matmul, left, right)
        product()
        seconds = min(timed_seconds(device, product) for _ in range(5))
    return 2 * size**3 / seconds


def timed_seconds(device: torch.device, work: Callable[[], Any]) -> float:
    """Seconds of a piece of work, waited for."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that the device allocated, or the most that this process had resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
