"""Training methods: one training step each, behind one interface, found by name.

    from model.methods import METHODS, build_method
    method = build_method(S4GANSettings(200, threshold_st=0.6), DeepLabV2(18, "tiny"), 18, device)
    losses = method.train_step(labelled, unlabelled, step=0)

`METHODS` needs no torch: a method's name, the module below this package that holds it, its class, and its settings,
whose type says which method is meant.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from model.methods.settings import MethodSettings, S4GANSettings
from utils.imagery.pixels import RGB_PIXELS, PixelFormat

if TYPE_CHECKING:  # with torch
    import torch

    from model.methods.method import Method
    from model.methods.settings import Execution
    from model.networks.deeplabv2 import DeepLabV2


@dataclass(frozen=True)
class Entry:
    """Where a method is, and what it is told."""

    module: str
    name: str
    settings: type[MethodSettings]


METHODS = {
    "s4gan": Entry("s4gan", "S4GAN", S4GANSettings),
    "supervised": Entry("supervised", "Supervised", MethodSettings),
}


def method_name(settings: MethodSettings) -> str:
    """The name in `METHODS` of the method that settings are for."""
    return next(name for name, entry in METHODS.items() if entry.settings is type(settings))


def method_class(name: str) -> "type[Method]":
    """The class of the method called `name` in `METHODS`."""
    entry = METHODS[name]
    found: type[Method] = getattr(import_module(f"model.methods.{entry.module}"), entry.name)
    return found


def build_method(
    settings: MethodSettings,
    generator: "DeepLabV2",
    num_classes: int,
    device: "torch.device",
    execution: "Execution | None" = None,
    pixels: PixelFormat = RGB_PIXELS,
) -> "Method":
    """The method that settings are for, around a generator; see `Method.build`."""
    return method_class(method_name(settings)).build(generator, num_classes, settings, device, execution, pixels)
