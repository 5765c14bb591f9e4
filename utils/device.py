"""The device that networks run on: the switches of CUDA's libraries and the layout of memory, here for all commands."""

from typing import TypeVar

import torch
from torch import nn

MEMORY_FORMAT = torch.channels_last  # of images and weights; what convolutions are fastest on

Network = TypeVar("Network", bound=nn.Module)


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


def place(network: Network, device: torch.device, memory_format: torch.memory_format = MEMORY_FORMAT) -> Network:
    """Move a network to the device, its convolutions' weights in the layout of the images."""
    return network.to(device).to(memory_format=memory_format)
