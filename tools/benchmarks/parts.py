"""What the learner, an evaluation, a checkpoint and a large pool cost."""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from data.tiles import ClassificationSample
from model.learner import Learner
from model.networks.classifier import Classifier
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tools.benchmarks.clock import Row, synchronise, timed_seconds
from tools.benchmarks.pool import measure_pools
from tools.benchmarks.training import NUM_CLASSES, synthetic_batch
from utils.evaluation.evaluate import evaluate
from utils.runs.background import BackgroundWriter, Snapshot
from utils.runs.files import save_tensors


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
