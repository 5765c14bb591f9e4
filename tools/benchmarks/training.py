"""What a training step of s4GAN costs, and where its time goes."""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from data.samplers import EndlessBatches, build_loader
from data.splits import read_names
from data.tiles import SegmentationSample, SegmentationTiles, open_tiles
from data.transforms import segmentation_training
from model.methods.s4gan import S4GAN, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tools.benchmarks.clock import Row, matmul_peak, peak_memory, synchronise
from tools.cli.shared_options import resolve_cache, resolve_description, resolve_workers

NUM_CLASSES = 18  # of synthetic data: as many as UCM has


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
