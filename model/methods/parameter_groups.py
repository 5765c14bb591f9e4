"""At which rate which part of a generator learns."""

from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm

from model.methods.settings import MethodSettings
from model.networks.deeplabv2 import DeepLabV2


def generator_groups(generator: DeepLabV2, settings: MethodSettings) -> list[dict[str, Any]]:
    """Parameter groups of the generator: every trainable parameter in exactly one.

    Backbone convolutions at 1×; BatchNorm's scale and shift (unless frozen) at 1× without decay; head weights at 10×;
    head biases at 20× without decay.
    """
    norms = {id(p) for m in generator.backbone.modules() if isinstance(m, _BatchNorm) for p in m.parameters()}
    backbone = [p for p in generator.backbone.parameters() if p.requires_grad]
    head = dict(generator.head.named_parameters())
    plan = [
        (1, settings.weight_decay, [p for p in backbone if id(p) not in norms]),
        (1, 0.0, [p for p in backbone if id(p) in norms]),
        (10, settings.weight_decay, [p for name, p in head.items() if name.endswith("weight")]),
        (20, 0.0, [p for name, p in head.items() if name.endswith("bias")]),
    ]
    return [
        {"params": p, "lr": k * settings.learning_rate, "base_lr": k * settings.learning_rate, "weight_decay": decay}
        for k, decay, p in plan
        if p
    ]
