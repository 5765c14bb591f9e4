"""The generator: DeepLabv2 on a ResNet with output stride 8 (Chen et al., TPAMI 2018)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm  # BatchNorm2d, and SyncBatchNorm, which several processes share
from torchvision.models.resnet import ResNet

from model.networks.bands import with_bands
from model.networks.resnet import build_resnet

RATES = (6, 12, 18, 24)  # dilation of the four summed classifiers (DeepLabv2's ASPP-L)


class DilatedResNet(nn.Module):
    """A ResNet without its classifier that keeps 1/8 of the resolution.

    The children carry torchvision's names, so that its ImageNet files load under their own names. The max-pool rounds
    up (320 -> 81 -> 41), as in the Caffe network that DeepLabv2 was published with.
    """

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = resnet.conv1, resnet.bn1, resnet.relu
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True)
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3 = _dilate(resnet.layer3, 2)
        self.layer4 = _dilate(resnet.layer4, 4)
        self.out_channels = resnet.fc.in_features

    def forward(self, images: Tensor) -> Tensor:
        """(B, bands, H, W) -> (B, out_channels, about H/8, about W/8)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _dilate(stage: nn.Sequential, rate: int) -> nn.Sequential:
    """Take out a stage's stride and dilate every 3×3 of it, the first block's too.

    A bottleneck has one 3×3, a basic block (ResNet-18 and -34), which torchvision does not build dilated, two.
    torchvision's `replace_stride_with_dilation` leaves the first block at the previous stage's rate.
    """
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (rate, rate)
    return stage


class SummedClassifiers(nn.ModuleList):
    """Four parallel 3×3 classifiers at growing dilation, summed to logits."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        classifiers = [nn.Conv2d(in_channels, num_classes, 3, padding=rate, dilation=rate) for rate in RATES]
        for classifier in classifiers:
            nn.init.normal_(classifier.weight, std=0.01)
            assert classifier.bias is not None  # a convolution has one unless it is told not to
            nn.init.zeros_(classifier.bias)
        super().__init__(classifiers)
        self.num_classes = num_classes

    def forward(self, features: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> logits (B, num_classes, h, w)."""
        first, *others = self
        logits = first(features)
        for classifier in others:
            logits = logits + classifier(features)
        return logits


class DeepLabV2(nn.Module):
    """Semantic segmentation: `backbone.*` at output stride 8, `head.*` to logits, one bilinear step to the input size.

    Args:
        num_classes: pixel classes.
        backbone: a name of `model.networks.names.BACKBONES`.
        bands: channels of the images.
    """

    def __init__(self, num_classes: int, backbone: str = "resnet101", bands: int = 3) -> None:
        super().__init__()
        self.backbone = DilatedResNet(with_bands(build_resnet(backbone), bands))
        self.head = SummedClassifiers(self.backbone.out_channels, num_classes)

    @property
    def num_classes(self) -> int:
        """Pixel classes."""
        return self.head.num_classes

    def low_resolution(self, images: Tensor) -> Tensor:
        """Logits before the upsampling: 41×41 for 320×320."""
        return self.head(self.backbone(images))

    def forward(self, images: Tensor) -> Tensor:
        """Logits at input size.

        Args:
            images: normalised, shape (B, bands, H, W), any H and W.

        Returns:
            float32 logits, shape (B, num_classes, H, W).
        """
        return _at_size(self.low_resolution(images), images.shape[-2:])

    def with_perturbed(self, images: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of images, and those of the last of them once more, from features that are changed on the way.

        Args:
            images: as for `forward`, B of them.
            scales: a factor for each feature channel of the last b images, shape (b, out_channels of the backbone).

        Returns:
            float32 logits, shapes (B, num_classes, H, W) and (b, num_classes, H, W).
        """
        features = self.backbone(images)
        perturbed = features[-len(scales) :] * scales.to(features.dtype)[:, :, None, None]
        logits = _at_size(self.head(torch.cat([features, perturbed])), images.shape[-2:])
        return logits[: len(images)], logits[len(images) :]


def _at_size(logits: Tensor, size: torch.Size) -> Tensor:
    with torch.autocast(logits.device.type, enabled=False):
        return F.interpolate(logits.float(), size, mode="bilinear", align_corners=True)


def freeze_batchnorm_affine(network: nn.Module) -> None:
    """Keep BatchNorm's scale and shift as they were loaded; the running statistics go on adapting."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.weight.requires_grad_(False)
            module.bias.requires_grad_(False)


def set_batchnorm_momentum(network: nn.Module, momentum: float) -> None:
    """Share of a new batch in the running statistics (torch's meaning; Caffe's 0.999 is 0.001 here)."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum
