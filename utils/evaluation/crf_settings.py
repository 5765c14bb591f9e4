"""Parameters of the dense CRF, for its options too: reading them imports neither torch nor scipy."""

import math
from dataclasses import dataclass

from utils.errors import OptionError

MIN_SIGMA = 0.25  # pixels and levels are whole numbers: at this width the kernel of the next one is e^-8


@dataclass(frozen=True)
class CRFSettings:
    """Parameters of the CRF; the defaults suit DeepLab's outputs.

    Args:
        iterations: mean-field updates, 0 or more.
        gaussian_sigma: width (standard deviation) of the position kernel, in pixels.
        gaussian_weight: weight of the position kernel, 0 or more; 0 drops it.
        bilateral_sigma_xy: width of the bilateral kernel in position, in pixels.
        bilateral_sigma_rgb: width of the bilateral kernel in each colour channel, in levels of 0-255.
        bilateral_weight: weight of the bilateral kernel, 0 or more; 0 drops it.

    Raises:
        OptionError: a negative count or weight, or a width below `MIN_SIGMA`.
    """

    iterations: int = 10
    gaussian_sigma: float = 1.0
    gaussian_weight: float = 3.0
    bilateral_sigma_xy: float = 67.0
    bilateral_sigma_rgb: float = 3.0
    bilateral_weight: float = 4.0

    def __post_init__(self) -> None:
        for name in ("gaussian_sigma", "bilateral_sigma_xy", "bilateral_sigma_rgb"):
            if not MIN_SIGMA <= getattr(self, name) < math.inf:
                raise OptionError(
                    f"{name} is {getattr(self, name)}, expected {MIN_SIGMA} or more (weight 0 drops a kernel)"
                )
        for name in ("iterations", "gaussian_weight", "bilateral_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} is {getattr(self, name)}, expected 0 or more")
