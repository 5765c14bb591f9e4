"""Whether weights fit a network, and what network they are of, in words."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from model.weights.reasons import shape_text
from utils.suggest import first_names


def is_generator_checkpoint(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether all names are those of a generator: `backbone.*` and `head.*`."""
    return {name.partition(".")[0] for name in state_dict} == {"backbone", "head"}


def mismatch(own: Mapping[str, Tensor], found: Mapping[str, Tensor], optional: Iterable[str] = ()) -> str:
    """What keeps a file from filling a network, counted and named; empty if nothing does."""
    missing = [name for name in own if name not in found and name not in set(optional)]
    unknown = [name for name in found if name not in own]
    unequal = [
        f"{name} is {_kind(found[name])} for {_kind(own[name])}"
        for name in own
        if name in found and not fits(own[name], found[name])
    ]
    problems = {
        f"of {len(own)} tensors missing": missing,
        "of another shape or type": unequal,
        "unknown here": unknown,
    }
    return ", ".join(f"{len(names)} {what} ({first_names(names)})" for what, names in problems.items() if names)


def fits(own: Tensor, found: Tensor) -> bool:
    """Whether a tensor of a file can take the place of a network's."""
    plain = found.layout is torch.strided and found.device.type == "cpu" and not found.is_quantized
    same_kind = (own.is_floating_point(), own.is_complex()) == (found.is_floating_point(), found.is_complex())
    return plain and same_kind and own.shape == found.shape


def describe(state_dict: Mapping[str, Tensor]) -> str:
    """What network a state dict belongs to, as far as its names tell."""
    if is_generator_checkpoint(state_dict):
        backbone = resnet_of(name.removeprefix("backbone.") for name in state_dict) or "unknown backbone"
        return f"a generator checkpoint ({backbone}, {num_classes(state_dict)} classes)"
    resnet = resnet_of(state_dict)
    if resnet:
        return f"torchvision's ImageNet weights ({resnet})"
    kernels = {tuple(tensor.shape[2:]) for tensor in state_dict.values() if tensor.ndim == 4}
    if kernels == {(4, 4)}:
        return "a discriminator's checkpoint (…_D.pth)"
    return f"a state dict of {len(state_dict)} tensors ({first_names(state_dict)})"


def resnet_of(names: Iterable[str]) -> str | None:
    """The ResNet that names `layer1.0.conv1.weight` … belong to: two layers, and two or three for each block."""
    names = set(names)
    blocks = {match[0] for name in names if (match := re.match(r"layer[1-4]\.\d+\.", name))}
    if "conv1.weight" not in names or not blocks:
        return None
    return f"ResNet-{2 + len(blocks) * (3 if 'layer1.0.conv3.weight' in names else 2)}"


def num_classes(state_dict: Mapping[str, Tensor]) -> int | None:
    """Classes of a generator's checkpoint; None where no bias of its head says so."""
    biases = (tensor for name, tensor in state_dict.items() if name.startswith("head.") and name.endswith("bias"))
    return next((len(bias) for bias in biases if bias.ndim == 1), None)


def _kind(tensor: Tensor) -> str:
    words = [shape_text(tensor.shape), tensor.dtype, *([tensor.layout] if tensor.layout is not torch.strided else [])]
    if tensor.device.type == "meta":
        words.append("without values")
    return " ".join(str(word).removeprefix("torch.") for word in words)
