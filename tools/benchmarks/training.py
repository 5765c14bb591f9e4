"""What a training step costs, and where that of s4GAN spends its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import repeat
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from data.batches.loaders import training_batches, viewed_batches
from data.batches.samples import SegmentationSample
from data.batches.strong_views import PartnerTile, ViewedSample, draw_views
from data.lists.splits import read_names
from data.settings import SampleSettings
from data.tiles import open_tiles
from model.methods.method import Method
from model.methods.s4gan import S4GAN
from model.methods.settings import Execution, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tools.benchmarks.settings import BenchmarkSettings, Sizes
from utils.batches import MaskedBatch
from utils.compute.device import loader_workers
from utils.compute.measuring import Row, forget_peak_memory, matmul_peak, peak_memory, synchronise

Pairs = Iterator[tuple[MaskedBatch, MaskedBatch]]  # of a labelled and an unlabelled batch

NUM_CLASSES = 18  # of synthetic data: as many as UCM has


def measure_training(settings: BenchmarkSettings, device: torch.device, precision: str, plain: bool) -> list[Row]:
    """Milliseconds of a step and where they go."""
    sizes, compiled = settings.sizes, settings.compile and not plain
    num_classes, batches = training_data(settings, device, plain)
    s4gan = build(num_classes, sizes.backbone, device, precision, compiled, channels_last=not plain)
    cost = step_cost(s4gan, batches, device, sizes.steps)
    return [
        Row("training step", 1000 * cost.seconds, "ms"),
        Row("  waiting for data", 1000 * cost.waiting, "ms"),
        *split_of_a_step(s4gan, batches, device, max(2, sizes.steps // 3)),
        Row("images", 2 * sizes.batch_size / cost.seconds, "1/s"),
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


def step_cost(method: Method, batches: Pairs, device: torch.device, steps: int) -> StepCost:
    """What steps cost after some to warm up: one in which arithmetic is counted, and those that compile."""
    counter = FlopCounterMode(display=False)
    with nullcontext() if method.execution.compile else counter:
        for step in range(2 if method.execution.compile else 1):
            method.train_step(*next(batches), step)
    forget_peak_memory(device)
    times, waits = [], []
    for step in range(steps):
        synchronise(device)
        started = time.perf_counter()
        pair = next(batches)
        waits.append(time.perf_counter() - started)
        method.train_step(*pair, step)
        synchronise(device)
        times.append(time.perf_counter() - started)
    return StepCost(median(times), median(waits), peak_memory(device), counter.get_total_flops())


def split_of_a_step(s4gan: S4GAN, batches: Pairs, device: torch.device, steps: int) -> list[Row]:
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
        s4gan.train_step(*next(batches), step)
    for method in parts.values():
        delattr(s4gan, method)
    return [Row(title, 1000 * median(seconds), "ms") for title, seconds in spent.items()]


def training_data(settings: BenchmarkSettings, device: torch.device, plain: bool, views: int = 0) -> tuple[int, Pairs]:
    """Number of classes, and pairs of labelled and unlabelled batches; with so many strong views of the latter."""
    data, sizes, machine = settings.data, settings.sizes, settings.machine
    if data is None:
        batch = synthetic_batch(sizes)
        return NUM_CLASSES, repeat((batch, with_views(batch, views) if views else batch))
    description = data.description()
    names = read_names(data.data_list, description)
    tiles = open_tiles(description, data.data_dir, names, names, None if plain else data.cache())
    samples = SampleSettings(sizes.input_size, sizes.batch_size, random_scale=True, random_mirror=True)
    workers, pin = 0 if plain else loader_workers(machine.num_workers, device, loaders=2), device.type == "cuda"
    rest = {"workers": workers, "pin_memory": pin}
    stream = (tiles, range(len(tiles)), samples, machine.random_seed)
    labelled = training_batches(*stream, "labelled", **rest)  # type: ignore[arg-type]
    if views:
        viewed = viewed_batches(*stream, "unlabelled", **rest, views=views)  # type: ignore[arg-type]
        return description.num_classes, zip(labelled, viewed, strict=True)
    unlabelled = training_batches(*stream, "unlabelled", **rest)  # type: ignore[arg-type]
    return description.num_classes, zip(labelled, unlabelled, strict=True)


def synthetic_batch(sizes: Sizes) -> SegmentationSample:
    """A batch of noise."""
    count, size = sizes.batch_size, sizes.input_size
    return SegmentationSample(
        torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8),
        torch.randint(0, NUM_CLASSES, (count, *size), dtype=torch.uint8),
        torch.tensor([size] * count),
        torch.arange(count),  # type: ignore[arg-type]
    )


def with_views(batch: SegmentationSample, views: int) -> ViewedSample:
    """The same tiles with one another as partners, and so many strong views of each."""
    count, (height, width) = len(batch.image), batch.image.shape[-2:]
    drawn = default_collate([draw_views(np.random.default_rng(n), (height, width), views) for n in range(count)])
    partner = PartnerTile(batch.image.flip(0), batch.size.flip(0))
    return ViewedSample(*batch, partner, drawn, torch.arange(count))  # type: ignore[arg-type]
