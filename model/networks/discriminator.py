"""The discriminator of s4GAN (Mittal et al., TPAMI 2021): did a human or the network draw this map of this image?"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 16  # pixels that four strides of two leave one of


class Discriminator(nn.Module):
    """Four strided convolutions, a global average (the features of feature matching), one logit.

    Args:
        num_classes: channels of the class map.
        dropout: probability of dropping a channel after each of the first three convolutions.
        bands: channels of the images.
    """

    def __init__(self, num_classes: int, dropout: float = 0.5, bands: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = num_classes + bands
        for out_channels in (64, 128, 256, 512):
            layers += [nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
            if out_channels < 512:
                layers.append(nn.Dropout2d(dropout))
            in_channels = out_channels
        self.convolutions = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, 1)

    def forward(self, class_map: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Judge class maps together with their images.

        Args:
            class_map: one-hot or softmax, shape (B, num_classes, H, W), 0 in the padding.
            images: in [0, 1], shape (B, bands, H, W), 0 in the padding; below 16 pixels more padding is added.

        Returns:
            float32 logits, shape (B,), high for "a human's"; and features, shape (B, 512).
        """
        height, width = images.shape[2:]
        missing = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        pairs = F.pad(torch.cat((class_map, images), dim=1), missing)
        features = self.convolutions(pairs).float().mean(dim=(2, 3))
        with torch.autocast(features.device.type, enabled=False):
            return self.classifier(features).squeeze(1), features
