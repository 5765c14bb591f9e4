"""Finding tensors with NaN or infinite values, such as the weights of a network whose training has diverged."""

from collections.abc import Mapping

import torch
from torch import Tensor


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the floating-point tensors with a value that is NaN or infinite; the device is read once."""
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point()]
    if not names:
        return []
    finite = torch.stack([torch.isfinite(tensors[name]).all() for name in names]).tolist()
    return [name for name, is_finite in zip(names, finite, strict=True) if not is_finite]
