"""What a training step of each method costs, beside that of s4GAN."""

from itertools import repeat
from statistics import median

import torch

from model.methods import METHODS, build_method, method_class
from model.methods.method import Method
from model.methods.settings import Execution, MethodSettings, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from tools.benchmarks.settings import BenchmarkSettings, Sizes
from tools.benchmarks.training import NUM_CLASSES, StepCost, step_cost, synthetic_batch, training_data, with_views
from utils.compute.measuring import Row

ROUNDS = 2  # through all methods, so that what else the machine does meets each of them


def measure_methods(settings: BenchmarkSettings, device: torch.device, precision: str) -> list[Row]:
    """Milliseconds and memory of a step of each method, and how many times as long as one of s4GAN it takes."""
    costs: dict[str, list[StepCost]] = {name: [] for name in METHODS}
    for _ in range(ROUNDS):
        for name, of_method in costs.items():
            num_classes, batches = training_data(settings, device, False, len(method_class(name).views))
            method = method_of(name, num_classes, settings.sizes, device, precision, settings.compile)
            of_method.append(step_cost(method, batches, device, settings.sizes.steps))
    seconds = {name: median(cost.seconds for cost in of_method) for name, of_method in costs.items()}
    rows = []
    for name, of_method in costs.items():
        rows += _rows(name, seconds[name], max(cost.peak_bytes for cost in of_method))
        if name != "s4gan":
            rows.append(Row(f"{name}: times the step of s4gan", seconds[name] / seconds["s4gan"], ""))
    return rows


def measure_method(name: str, sizes: Sizes, device: torch.device, precision: str) -> list[Row]:
    """Milliseconds and memory of a step of a method on made tiles."""
    method, batch = method_of(name, NUM_CLASSES, sizes, device, precision), synthetic_batch(sizes)
    unlabelled = with_views(batch, len(method.views)) if method.views else batch
    cost = step_cost(method, repeat((batch, unlabelled)), device, sizes.steps)
    return _rows(name, cost.seconds, cost.peak_bytes)


def method_of(
    name: str, num_classes: int, sizes: Sizes, device: torch.device, precision: str, compiled: bool = False
) -> Method:
    """A method around networks from random weights; of s4GAN with self-training from the first step."""
    steps = 10**6
    settings: MethodSettings = (
        S4GANSettings(steps, threshold_st=0.5, st_start=0) if name == "s4gan" else METHODS[name].settings(steps)
    )
    return build_method(settings, DeepLabV2(num_classes, sizes.backbone), device, Execution(precision, compiled))


def _rows(name: str, seconds: float, peak_bytes: int) -> list[Row]:
    return [Row(f"{name}: training step", 1000 * seconds, "ms"), Row(f"{name}: peak memory", peak_bytes / 1e9, "GB")]
