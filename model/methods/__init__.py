"""Training methods: one training step each, behind one interface, found by name.

    from model.methods import METHODS, build_method
    method = build_method(S4GANSettings(200, threshold_st=0.6), DeepLabV2(18, "tiny"), device)
    losses = method.train_step(labelled, unlabelled, step=0)

`METHODS` needs no torch: a method's name, the module below this package that holds it, its class, and its settings,
which say by `name` which method is meant.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from model.methods.settings import (
    FixMatchSettings,
    MethodSettings,
    S4GANSettings,
    SupervisedSettings,
    UniMatchSettings,
)
from utils.imagery.pixels import RGB_PIXELS, PixelFormat
from utils.settings import SettingsError
from utils.suggest import unknown

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
    "supervised": Entry("supervised", "Supervised", SupervisedSettings),
    "fixmatch": Entry("fixmatch", "FixMatch", FixMatchSettings),
    "unimatch": Entry("unimatch", "UniMatch", UniMatchSettings),
}


def method_name(settings: MethodSettings) -> str:
    """The name in `METHODS` of the method that settings are for.

    Raises:
        SettingsError: there is no such method.
    """
    return _known(settings.name or type(settings).__name__)


def method_class(name: str) -> "type[Method]":
    """The class of the method called `name` in `METHODS`.

    Raises:
        SettingsError: there is no such method.
    """
    entry = METHODS[_known(name)]
    found: type[Method] = getattr(import_module(f"model.methods.{entry.module}"), entry.name)
    return found


def build_method(
    settings: MethodSettings,
    generator: "DeepLabV2",
    device: "torch.device | str",
    execution: "Execution | None" = None,
    pixels: PixelFormat = RGB_PIXELS,
) -> "Method":
    """The method that settings are for, around a generator; see `Method.build`."""
    return method_class(method_name(settings)).build(generator, settings, device, execution, pixels)


def _known(name: str) -> str:
    if name not in METHODS:
        raise SettingsError(unknown("training method", name, METHODS))
    return name
