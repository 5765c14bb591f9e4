"""Bilateral messages of a mean field: a Gaussian kernel of position and colour, normalised symmetrically.

Krähenbühl and Koltun (NeurIPS 2011) sum this kernel on a permutohedral lattice, which is coarse where colours are
sparse. Here it is summed over pixels and clusters of pixels, `utils.evaluation.crf.gaussian_sum`.
"""

import numpy as np

from utils.evaluation.crf.clusters import leaf_order
from utils.evaluation.crf.gaussian_sum import GaussianSum

# A message is a mean over the clusters near a pixel, whose errors partly cancel: the more, the wider each may be.
_MAX_VARIANCE = 0.4  # of a cluster, summed over the five features, in each of which the kernel's own is 1
_FULL_MASS = 4800  # kernel sum D, in pixels, from which on clusters may have it; below, they get narrower in proportion

_SETTLED = 0.001  # a pixel is summed anew once one of its probabilities has moved by more than this


class BilateralFilter:
    """Messages m_i = sum_j D_i^-1/2 k(i, j) D_j^-1/2 Q_j of successive mean fields Q of one image.

    The kernel is k(i, j) = exp(-|p_i - p_j|² / (2 sigma_xy²) - |c_i - c_j|² / (2 sigma_rgb²)) for positions p and
    colours c, with k(i, i) = 1, and D_i is the sum of k(i, j) over j. Messages are linear in Q, and most pixels settle
    after a few updates. An update therefore adds the messages of the change of Q, and only of the pixels whose
    probabilities have changed by more than 0.001 since they were last summed. The changes left out move no message by
    more than 0.001 times the row sum of the normalised kernel, 0.3 to 1.3 on the images measured.

    Args:
        image: RGB, shape (H, W, 3), uint8.
        sigma_xy: width of the kernel in position, in pixels.
        sigma_rgb: width of the kernel in each colour channel, in levels of 0-255.
        num_classes: C.
    """

    def __init__(self, image: np.ndarray, sigma_xy: float, sigma_rgb: float, num_classes: int) -> None:
        y, x = np.indices(image.shape[:2]) / sigma_xy
        features = np.dstack([x, y, image / sigma_rgb]).reshape(-1, 5).astype(np.float32)
        self.order = leaf_order(features)
        features = features[self.order]
        ones = np.ones((len(features), 1), np.float32)
        widest = np.full(len(features), _MAX_VARIANCE)
        rough_mass = GaussianSum(features, widest, mass=np.ones(len(features)))(ones)[:, 0]
        max_variance = _MAX_VARIANCE * np.minimum(1, rough_mass / _FULL_MASS)
        self.kernel = GaussianSum(features, max_variance, rough_mass)
        self.scale = self.kernel(ones) ** -0.5
        self.summed = np.zeros((len(features), num_classes), np.float32)  # the part of Q that is in the sums
        self.sums = np.zeros_like(self.summed)

    def update(self, mean_field: np.ndarray) -> np.ndarray:
        """Messages, shape (C, H, W), of probabilities Q of shape (C, H, W), both float32."""
        values = mean_field.reshape(len(mean_field), -1).T[self.order]
        change = values - self.summed
        change[np.abs(change).max(axis=1) <= _SETTLED] = 0
        self.summed += change
        if change.any():
            self.sums += self.kernel(self.scale * change)
        messages = np.empty_like(values)
        messages[self.order] = self.scale * self.sums
        return messages.T.reshape(mean_field.shape)
