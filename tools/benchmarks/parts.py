"""What the learner, an evaluation, maps in windows and a checkpoint cost."""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from data.batches.samples import ClassificationSample
from model.learning.learner import Learner
from model.networks.classifier import Classifier
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.trained import Trained
from tools.benchmarks.settings import Sizes
from tools.benchmarks.training import NUM_CLASSES, synthetic_batch
from utils.compute.device import place
from utils.compute.measuring import Row, synchronise, timed_seconds
from utils.evaluation.evaluate import evaluate
from utils.evaluation.settings import WindowSettings
from utils.evaluation.windows import LARGEST
from utils.imagery.colours import distinct_colours
from utils.runs.background import BackgroundWriter, Snapshot
from utils.runs.files import save_tensors
from utils.runs.record import RunRecord


def measure_learner(sizes: Sizes, device: torch.device, precision: str) -> list[Row]:
    """Tiles a second that the active learner fits and scores."""
    learner, steps = Learner(Classifier(sizes.model_name, 21), device, precision, 0.001, 0.9), sizes.steps

    def batches(size: int, number: int) -> list[Any]:
        images = torch.randint(0, 256, (size, 3, *sizes.input_size), dtype=torch.uint8)
        inside = torch.tensor([sizes.input_size] * size)
        batch = ClassificationSample(images, torch.randint(0, 21, (size,)), inside, torch.arange(size))  # type: ignore[arg-type]
        return [batch] * number

    learner.fit(batches(4, 1))
    fit = timed_seconds(device, lambda: learner.fit(batches(4, steps)))
    learner.score(batches(32, 1))
    score = timed_seconds(device, lambda: learner.score(batches(32, 2)))
    return [
        Row("learner: fitting, batch 4", 4 * steps / fit, "tiles/s"),
        Row("learner: scoring, batch 32", 64 / score, "tiles/s"),
    ]


def measure_evaluation(sizes: Sizes, device: torch.device, precision: str) -> list[Row]:
    """Tiles a second that evaluation predicts and counts."""
    network = network_for_maps(sizes.backbone, device, precision).network
    batch = synthetic_batch(sizes)
    evaluate(network, [batch], NUM_CLASSES, device, precision)
    seconds = timed_seconds(device, lambda: evaluate(network, [batch] * 3, NUM_CLASSES, device, precision))
    return [Row("evaluation", 3 * sizes.batch_size / seconds, "tiles/s")]


def network_for_maps(backbone: str, device: torch.device, precision: str) -> Trained:
    """A generator as evaluation and prediction use it, with random weights."""
    classes = tuple(f"class {index}" for index in range(NUM_CLASSES))
    return Trained(RunRecord(backbone, classes, distinct_colours(NUM_CLASSES)), device, precision)


def measure_windows(sizes: Sizes, device: torch.device, precision: str) -> list[Row]:
    """Pixels a second of a map that is made in windows, from an image on the CPU to ids on the CPU."""
    side, network = sizes.map_side, network_for_maps(sizes.backbone, device, precision)
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)

    def make_map() -> None:
        network.predict(pixels, WindowSettings((LARGEST, LARGEST)))

    make_map()
    return [Row("maps in windows", side**2 / 1e6 / timed_seconds(device, make_map), "megapixels/s")]


def measure_checkpoint(sizes: Sizes, device: torch.device, folder: Path) -> list[Row]:
    """What a checkpoint holds training up, and how long its writing takes in the background, to this folder's disk."""
    networks: list[nn.Module] = [
        place(DeepLabV2(NUM_CLASSES, sizes.backbone), device),
        place(Discriminator(NUM_CLASSES), device),
    ]
    size = sum(t.numel() * t.element_size() for n in networks for t in n.state_dict().values())
    snapshot, writer = Snapshot(), BackgroundWriter()
    held, written = [], []
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for _ in range(3):
            started = time.perf_counter()
            copies = [snapshot.take(network.state_dict(), str(i)) for i, network in enumerate(networks)]
            synchronise(device)
            held.append(time.perf_counter() - started)
            for i, copied in enumerate(copies):
                path = Path(temporary) / f"{i}.pth"
                writer.submit(lambda path=path, copied=copied: save_tensors(path, copied))  # type: ignore[misc]
            writer.wait()
            written.append(time.perf_counter() - started)
    return [
        Row("checkpoint: size of both networks", size / 1e6, "MB"),
        Row("checkpoint: holds training up", 1000 * median(held), "ms"),
        Row("checkpoint: written in the background", 1000 * median(written), "ms"),
        Row("checkpoint: rate of writing", size / 1e6 / median(written), "MB/s"),
    ]
