"""A teacher: the exponential moving average of a network in training (Tarvainen and Valpola, NeurIPS 2017)."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from model.networks.deeplabv2 import DeepLabV2


class Teacher:
    """The average of a student's weights and statistics over its steps; it is never trained itself.

    Args:
        student: the network in training, whose copy the teacher begins as.
        decay: share of the average so far in the next one, in [0, 1]; 0: the student itself, 1: the plain mean.

    Attributes:
        network: the average, in evaluation mode.
        updates: steps that it is the average of; the first ones count more, by min(1 - 1 / step, decay).
    """

    def __init__(self, student: DeepLabV2, decay: float) -> None:
        self.network = _copy_of(student).eval()
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, student: DeepLabV2) -> None:
        """Take in the student after a step."""
        self.updates += 1
        decay = min(1 - 1 / self.updates, self.decay)
        averages, values = (_tensors(network) for network in (self.network, student))
        floats = [name for name, average in averages.items() if average.is_floating_point()]
        torch._foreach_lerp_([averages[n] for n in floats], [values[n] for n in floats], 1 - decay)  # in few kernels
        for name in averages.keys() - {*floats}:  # how many batches BatchNorm has seen
            averages[name].copy_(values[name])

    def state_dict(self) -> dict[str, Any]:
        """The average and what it is the average of."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])


def _copy_of(network: DeepLabV2) -> DeepLabV2:
    """The same network, not to be trained; its tensors are cloned, which keeps their device and memory layout."""
    clones: dict[int, Any] = {id(p): nn.Parameter(p.detach().clone(), False) for p in network.parameters()}
    clones |= {id(buffer): buffer.clone() for buffer in network.buffers()}
    return copy.deepcopy(network, clones)


def _tensors(network: DeepLabV2) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
