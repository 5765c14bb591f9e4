"""Networks made for RGB that see other bands: their first convolution, and how ImageNet's weights become its own."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

RGB = ("red", "green", "blue")  # the channels of ImageNet weights, in their order

Network = TypeVar("Network", bound=nn.Module)


def with_bands(network: Network, bands: int) -> Network:
    """The network with a fresh first convolution for images of so many channels; for three it is left as it is."""
    if bands == len(RGB):
        return network
    name, first = first_convolution(network)
    parent, _, child = name.rpartition(".")
    widened = nn.Conv2d(
        bands,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type] # two numbers, as in the convolution that it replaces
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    nn.init.kaiming_normal_(widened.weight, mode="fan_out", nonlinearity="relu")
    if widened.bias is not None:
        nn.init.zeros_(widened.bias)
    setattr(network.get_submodule(parent), child, widened)
    return network


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Name and module of the convolution that sees the image."""
    return next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))


def weights_for_bands(weight: Tensor, bands: Sequence[str]) -> Tensor:
    """ImageNet's weights of a first convolution for other bands.

    Red, green and blue keep theirs, other bands take the mean of the three; all are scaled by 3 / bands, so that
    activations keep their size.

    Args:
        weight: for red, green and blue, shape (out, 3, h, w).
        bands: names of the bands, in any case, in the order that the network sees them.

    Returns:
        Shape (out, len(bands), h, w).
    """
    mean = weight.mean(dim=1)
    names = [name.strip().lower() for name in bands]
    columns = [weight[:, RGB.index(name)] if name in RGB else mean for name in names]
    return torch.stack(columns, dim=1) * (len(RGB) / len(names))
