"""Measuring: seconds that are waited for, bytes at their peak, the arithmetic that this machine can do, its name."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from utils.compute.machine import ask_gpus, forget_peak, peak_resident, usable_cores
from utils.compute.precision import autocast


@dataclass(frozen=True)
class Row:
    """One measured number."""

    what: str
    value: float
    unit: str


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


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` begin anew, as far as the machine can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        forget_peak()


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that the device allocated, or the most that this process had resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident() or 0


def machine_name(device: torch.device) -> str:
    """The device, its driver, and the versions that its speed depends on."""
    versions = [f"torch {torch.__version__}", f"Python {platform.python_version()}", platform.system()]
    cores = f"{usable_cores()} CPU cores ({platform.machine()})"
    if device.type != "cuda":
        return ", ".join([f"{cores}, {torch.get_num_threads()} threads", *versions])
    name = torch.cuda.get_device_name(device)
    cudnn = torch.backends.cudnn.version()
    driver = next(iter(ask_gpus("driver_version")), "unknown")
    return ", ".join([name, f"driver {driver}", f"CUDA {torch.version.cuda}, cuDNN {cudnn}", cores, *versions])
