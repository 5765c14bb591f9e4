"""Training methods: one training step each, behind one interface, found by name.

    from model.methods import METHODS, method_class
    method = method_class("s4gan").build(DeepLabV2(18, "tiny"), 18, S4GANSettings(200, threshold_st=0.6), device)
    losses = method.train_step(labelled, unlabelled, step=0)

`METHODS` needs no torch: a method's name, the module below this package that holds it, and its class and settings.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from model.methods.settings import MethodSettings, S4GANSettings

if TYPE_CHECKING:
    from model.methods.method import Method


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


def method_class(name: str) -> "type[Method]":
    """The class of the method called `name` in `METHODS`."""
    entry = METHODS[name]
    found: type[Method] = getattr(import_module(f"model.methods.{entry.module}"), entry.name)
    return found
