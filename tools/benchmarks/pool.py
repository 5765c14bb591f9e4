"""What a pool costs the active learner: peak memory and seconds of one round, over tiles made on the fly."""

import multiprocessing
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from data.batches.samplers import Draw, OrderedBatches, build_loader
from data.batches.samples import ClassificationSample
from model.learning.learner import Learner
from model.networks.classifier import Classifier
from utils.compute.machine import peak_resident
from utils.compute.measuring import Row
from utils.selection.budget import Budget
from utils.selection.rounds import Selection
from utils.selection.strategies import STRATEGIES

TILE, NUM_CLASSES, BATCH, PASSES = 32, 21, 64, 5  # pixels of a side, scene classes, tiles of a batch, dropout passes
INITIAL, PER_QUERY = 20, 100


class PoolCost(NamedTuple):
    """The most bytes that a process had resident, and the seconds that scoring and choosing took."""

    peak_bytes: int
    score_seconds: float
    choose_seconds: float


class MadeTiles(Dataset[ClassificationSample]):
    """Tiles of noise, each made when it is asked for."""

    def __getitem__(self, draw: Draw) -> ClassificationSample:
        pixels = np.random.default_rng(draw.tile).integers(0, 256, (3, TILE, TILE), np.uint8)
        return ClassificationSample(torch.from_numpy(pixels), -1, torch.tensor((TILE, TILE)), draw.tile)


def measure_large_pools(sizes: Sequence[int], strategy: str) -> list[Row]:
    """Memory and time of one round over pools of several sizes: tiny network, tiles made on the fly, on the CPU."""
    rows = []
    for tiles, cost in zip(sizes, measure_pools(sizes, strategy), strict=True):
        title = f"{strategy}, pool of {tiles}: "
        rows += [
            Row(title + "peak memory", cost.peak_bytes / 1e6, "MB"),
            Row(title + "scoring", tiles / cost.score_seconds, "tiles/s"),
            Row(title + "choosing", cost.choose_seconds, "s"),
        ]
    return rows


def measure_pools(sizes: Sequence[int], strategy: str) -> list[PoolCost]:
    """One round over pools of these sizes, each in a process of its own, whose peak is that pool's."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        return [processes.apply(_one_round, (size, strategy)) for size in sizes]


def _one_round(size: int, strategy: str) -> PoolCost:
    torch.manual_seed(0)
    learner = Learner(Classifier("tiny", NUM_CLASSES), torch.device("cpu"), "fp32", 0.001, 0.9)
    selection = Selection(size, Budget(PER_QUERY, INITIAL, PER_QUERY), strategy, seed=0)
    wants = STRATEGIES[strategy]

    started = time.perf_counter()
    pool = OrderedBatches(selection.pool, BATCH)  # type: ignore[arg-type]
    loader = build_loader(MadeTiles(), pool, workers=0, pin_memory=False)
    scores = learner.score(loader, PASSES if wants.dropout else 0, wants.features)
    labelled = build_loader(MadeTiles(), OrderedBatches(selection.labelled, BATCH), workers=0, pin_memory=False)
    labelled_features = learner.score(labelled, 0, True).features if wants.features else None
    scored = time.perf_counter()
    selection.query(scores.probabilities, scores.features, labelled_features, scores.disagreement)
    peak = peak_resident() or 0
    return PoolCost(peak, scored - started, time.perf_counter() - scored)
