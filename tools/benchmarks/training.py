"""What a training step of s4GAN costs, and where its time goes."""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from data.samplers import EndlessBatches, build_loader
from data.samples import SegmentationSample, SegmentationTiles
from data.splits import read_names
from data.tiles import open_tiles
from data.transforms import segmentation_training
from model.methods.s4gan import S4GAN
from model.methods.settings import Execution, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tools.benchmarks.clock import Row, forget_peak_memory, matmul_peak, peak_memory, synchronise
from tools.cli.shared_options import resolve_cache, resolve_description, resolve_workers

NUM_CLASSES = 18  # of synthetic data: as many as UCM has


def measure_training(args: argparse.Namespace, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """Milliseconds of a step and where they go."""
    num_classes, batches = training_data(args, device, plain)
    s4gan = build(num_classes, args.backbone, device, precision, args.compile and not plain, channels_last=not plain)
    cost = step_cost(s4gan, batches, device, args.steps)
    return [
        Row("training step", 1000 * cost.seconds, "ms"),
        Row("  waiting for data", 1000 * cost.waiting, "ms"),
        *split_of_a_step(s4gan, batches, device, max(2, args.steps // 3)),
        Row("images", 2 * args.batch_size / cost.seconds, "1/s"),
        Row("peak memory", cost.peak_bytes / 1e9, "GB"),
        Row("arithmetic of a step", cost.flop / 1e12, "TFLOP"),
        Row("share of the matmul peak", 100 * cost.flop / cost.seconds / matmul_peak(device, precision), "%"),
    ]


class StepCost(NamedTuple):
    """Medians over steps: seconds of one, and of it waiting for data; the most bytes; FLOP of one, 0 if compiled."""

    seconds: float
    waiting: float
    peak_bytes: int
    flop: int


def build(
    num_classes: int, backbone: str, device: torch.device, precision: str, compiled: bool, channels_last: bool = True
) -> S4GAN:
    """Both networks from random weights, with self-training from the first step."""
    settings = S4GANSettings(10**6, threshold_st=0.5, st_start=0)
    execution = Execution(precision, compiled, channels_last)
    return S4GAN(DeepLabV2(num_classes, backbone), Discriminator(num_classes), settings, device, execution)


def step_cost(s4gan: S4GAN, batches: Iterator[Any], device: torch.device, steps: int) -> StepCost:
    """What steps cost after some to warm up: one in which arithmetic is counted, and those that compile."""
    flop = 0
    if s4gan.execution.compile:
        for step in range(2):
            labelled, unlabelled = next(batches)
            s4gan.train_step(labelled, unlabelled, step)
    else:
        labelled, unlabelled = next(batches)
        with FlopCounterMode(display=False) as counter:
            s4gan.train_step(labelled, unlabelled, step=0)
        flop = counter.get_total_flops()
    forget_peak_memory(device)
    times, waits = [], []
    for step in range(steps):
        synchronise(device)
        started = time.perf_counter()
        labelled, unlabelled = next(batches)
        waits.append(time.perf_counter() - started)
        s4gan.train_step(labelled, unlabelled, step)
        synchronise(device)
        times.append(time.perf_counter() - started)
    return StepCost(median(times), median(waits), peak_memory(device), flop)


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
        batch = synthetic_batch(args.batch_size, args.input_size)
        return NUM_CLASSES, iter(lambda: (batch, batch), None)
    description = resolve_description(args)
    names = read_names(args.data_list, description)
    tiles = open_tiles(description, args.data_dir, names, names, None if plain else resolve_cache(args))
    transform = segmentation_training(args.input_size, random_scale=True, random_mirror=True)
    workers = 0 if plain else resolve_workers(args, device, loaders=2)

    def stream(name: str) -> Iterator[Any]:
        order = EndlessBatches(range(len(tiles)), args.batch_size, args.random_seed, name)
        dataset = SegmentationTiles(tiles, transform, args.random_seed, name)
        return iter(build_loader(dataset, order, workers, pin_memory=device.type == "cuda"))

    return description.num_classes, zip(stream("labelled"), stream("unlabelled"), strict=True)


def synthetic_batch(batch_size: int, input_size: tuple[int, int]) -> SegmentationSample:
    """A batch of noise."""
    return SegmentationSample(
        torch.randint(0, 256, (batch_size, 3, *input_size), dtype=torch.uint8),
        torch.randint(0, NUM_CLASSES, (batch_size, *input_size), dtype=torch.uint8),
        torch.tensor([input_size] * batch_size),
        torch.arange(batch_size),  # type: ignore[arg-type]
    )
