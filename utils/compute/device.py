"""The device that networks run on: the switches of CUDA's libraries and the layout of memory, here for all commands."""

from typing import Any, TypeVar

import torch
from torch import nn

from utils.compute.distributed import local_rank, local_world_size, world_size
from utils.compute.machine import usable_cores
from utils.runs.settings import MachineSettings
from utils.settings import SettingsError

MEMORY_FORMAT = torch.channels_last  # of images and weights; what convolutions are fastest on

MOST_WORKERS = 8  # of a loader, where nothing else was asked for

Network = TypeVar("Network", bound=nn.Module)


def choose_device(machine: MachineSettings) -> torch.device:
    """The device that the settings ask for, made ready; `device` wins over `cuda` and `gpu`.

    Several processes have a GPU each: `gpu`, by default 0, is the first one's, the others take those after it.

    Raises:
        SettingsError: CUDA was asked for and is absent, or has too few devices.
    """
    asked = machine.device or ("cuda" if machine.cuda or machine.gpu is not None else "auto")
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SettingsError("CUDA was asked for, but torch sees no CUDA device; use {device} cpu, or check the driver")
    first, processes, there = machine.gpu or 0, local_world_size(), torch.cuda.device_count()
    if first + processes > there:
        needed, advice = f"GPU {first} is asked for", "give a lower {gpu}"
        if processes > 1:
            needed = f"{processes} processes need GPUs {first} to {first + processes - 1}"
            advice = "start fewer processes, or give a lower {gpu}"
        raise SettingsError(f"{needed}, but torch sees {there} CUDA devices, counted from 0; {advice}")
    device = torch.device("cuda", first + local_rank())
    prepare_device(device)
    return device


def loader_workers(asked: int | None, device: torch.device, loaders: int = 1) -> int:
    """Processes of a loader: as asked, else none beside a CPU and up to 8 beside a GPU.

    Args:
        asked: how many; None: as the machine suggests.
        device: where batches go.
        loaders: at work at the same time in each process; they share the cores that the process has for itself.
    """
    if asked is not None:
        return asked
    if device.type != "cuda":
        return 0
    spare = usable_cores() // local_world_size() - 1  # one is the process's own
    return min(MOST_WORKERS, max(1, spare // loaders))


def prepare_device(device: torch.device) -> None:
    """Make a CUDA device this process's own, let cuDNN choose its convolutions by trying, and allow TF32.

    TF32 multiplies float32 with 10 bits of mantissa; `exact_float32` keeps it out where these would be missed.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def uses_tf32(device: torch.device) -> bool:
    """Whether float32 is multiplied in TF32 there: it is allowed, and the device has it."""
    allowed = device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32
    return allowed and torch.cuda.get_device_capability(device) >= (8, 0)


def machine_record(device: torch.device, precision: str) -> dict[str, Any]:
    """What a record says of where networks run: number format, TF32, processes, and torch's version."""
    return {
        "precision": precision,
        "tf32": uses_tf32(device),
        "processes": world_size(),
        "torch": str(torch.__version__),
    }


def machine_in_words(device: torch.device, precision: str) -> str:
    """Where networks run: `fp32, float32 in TF32 on cuda:0 in 2 processes`."""
    tf32 = ", float32 in TF32" if uses_tf32(device) else ""
    return f"{precision}{tf32} on {device}" + (f" in {world_size()} processes" if world_size() > 1 else "")


def place(network: Network, device: torch.device, memory_format: torch.memory_format = MEMORY_FORMAT) -> Network:
    """Move a network to the device, its convolutions' weights in the layout of the images."""
    return network.to(device).to(memory_format=memory_format)
