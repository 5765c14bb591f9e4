"""ResNet backbones: torchvision's own, and a tiny one of the same make for tests and the demo."""

from typing import Any

from torch import nn
from torchvision import models
from torchvision.models.resnet import Bottleneck, ResNet

from model.networks.bands import with_bands


class TinyResNet(ResNet):
    """A ResNet with one bottleneck block a stage and a quarter of the width: stage outputs 64, 128, 256, 512."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__(Bottleneck, [1, 1, 1, 1])
        self.fc = nn.Linear(512, num_classes)

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        return super()._make_layer(block, planes // 4, *args, **kwargs)


def build_resnet(name: str) -> ResNet:
    """A ResNet with fresh weights, by a name of `model.networks.names.BACKBONES`."""
    return TinyResNet() if name == "tiny" else models.get_model(name, weights=None)


def build_encoder(name: str, bands: int = 3) -> tuple[ResNet, int]:
    """A ResNet without its classifier: images (B, bands, H, W) -> features (B, F); and F."""
    resnet = with_bands(build_resnet(name), bands)
    features = resnet.fc.in_features
    resnet.fc = nn.Identity()
    return resnet, features
