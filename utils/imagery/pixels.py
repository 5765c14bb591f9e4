"""How the pixels of a data set are stored, and how networks see them; without torch, for whoever only says so."""

from dataclasses import dataclass

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of torchvision's ImageNet weights
IMAGENET_STD = (0.229, 0.224, 0.225)
VALID = 255  # in a channel of validity; resizing leaves less than this where a pixel without data comes in


@dataclass(frozen=True)
class PixelFormat:
    """How a data set's images are stored, as uint8 (B, C, H, W), and how networks see them.

    Pixels without data are padding: 0 for every network, never learned from, never judged.

    Attributes:
        mean, std: of each band's values in [0, 1], by which networks see them normalised.
        has_validity: whether one more channel follows the bands: 255 where data are valid.
        rgb: positions of red, green and blue among the bands; None where they are not all there.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    has_validity: bool = False
    rgb: tuple[int, int, int] | None = None

    @property
    def bands(self) -> int:
        """Channels that networks see."""
        return len(self.mean)

    @property
    def channels(self) -> int:
        """Channels that are stored."""
        return self.bands + self.has_validity


RGB_PIXELS = PixelFormat(rgb=(0, 1, 2))
