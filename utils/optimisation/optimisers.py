"""Optimisers as training here needs them: states in the memory layout of the parameters, no reading on the host."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def load_optimiser(optimiser: Optimizer, state: dict[str, Any]) -> None:
    """Restore a state, whatever layout its tensors were saved in.

    torch takes over their strides, and fused optimisers then walk through parameter, gradient and moments in the order
    of memory: where strides differ, they combine numbers that do not belong together, or refuse.

    Args:
        optimiser: of the parameters that the state belongs to.
        state: of `state_dict`.

    Raises:
        ValueError: it is that of other parameters.
    """
    optimiser.load_state_dict(state)
    for parameter, values in optimiser.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def begin_momentum(optimiser: torch.optim.SGD) -> None:
    """Let every momentum begin at 0, with which the first step is the same as without one.

    A gradient scaler skips steps whose gradients are not finite. Where that happens to the first step, torch's fused
    SGD leaves the momentum as the allocator found it; and the optimisers that are not fused read on the host, at every
    step, whether to skip it.
    """
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if group["momentum"] and parameter.requires_grad:
                optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
