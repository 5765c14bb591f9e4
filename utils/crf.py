"""Fully connected CRF by mean-field inference (Krähenbühl and Koltun, NeurIPS 2011), in numpy and scipy.

Every pair of pixels is joined by a Potts term under two Gaussian kernels, one of position and one of position and
colour. The permutohedral lattice on which the paper sums the second one is coarse where colours are sparse; here it
is summed pair by pair instead, over blocks of pixels that are neighbours in position and colour, and blocks too far
apart to matter are left out. The result is that of the sum over all pairs, to about 1e-4.

Time grows with the number of pixel pairs of similar colour, at most N² / 2, and is longest for images of one colour:
filter tiles, not whole scenes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from utils.errors import DataError, OptionError

MIN_PROBABILITY = 1e-5  # a class ruled out by the network can still be brought back by its neighbours
MIN_SIGMA = 0.25  # pixels and levels are whole numbers: the next one is out of reach here (e^-8)

_NEGLIGIBLE = 1e-2  # bound on the normalised kernel mass that a pixel loses with the blocks left out
_LEAF_SIZE = 64  # points of a block; matrix products this small stay in one BLAS thread each, the threads are ours
_GROUP = 2  # leaves that meet others together
_CHUNK = 32  # leaves met at once: the kernel values, 1 MiB, stay in a core's cache
_PARTS = 8  # of the sum, one thread each; a fixed number gives the same rounding on any number of cores
_FAR = 32  # coordinates from here on are squared in double precision

Filter = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CRFSettings:
    """Parameters of the CRF; the defaults suit DeepLab's outputs.

    Args:
        iterations: mean-field updates, 0 or more.
        gaussian_sigma: reach of the position kernel, in pixels.
        gaussian_weight: strength of the position kernel, 0 or more.
        bilateral_sigma_xy: reach of the bilateral kernel in position, in pixels.
        bilateral_sigma_rgb: reach of the bilateral kernel in each colour channel, in levels of 0-255.
        bilateral_weight: strength of the bilateral kernel, 0 or more.

    Raises:
        OptionError: a negative count or weight, or a reach below `MIN_SIGMA`.
    """

    iterations: int = 10
    gaussian_sigma: float = 1.0
    gaussian_weight: float = 3.0
    bilateral_sigma_xy: float = 67.0
    bilateral_sigma_rgb: float = 3.0
    bilateral_weight: float = 4.0

    def __post_init__(self) -> None:
        for name in ("gaussian_sigma", "bilateral_sigma_xy", "bilateral_sigma_rgb"):
            if not MIN_SIGMA <= getattr(self, name) < np.inf:
                raise OptionError(
                    f"{name} is {getattr(self, name)}, expected {MIN_SIGMA} or more (weight 0 drops a kernel)"
                )
        for name in ("iterations", "gaussian_weight", "bilateral_weight"):
            if not 0 <= getattr(self, name) < np.inf:
                raise OptionError(f"{name} is {getattr(self, name)}, expected 0 or more")


def dense_crf(probabilities: np.ndarray, image: np.ndarray, settings: CRFSettings | None = None) -> np.ndarray:
    """Sharpen class probabilities along the colour edges of their image.

    One update of the mean field Q, which starts at the given probabilities p, is

        Q_i <- softmax(log p_i + sum_m w_m sum_j D_i^-1/2 k_m(i, j) D_j^-1/2 Q_j),    D_i = sum_j k_m(i, j),

    the Potts model with kernels normalised symmetrically. The sums include j = i, where k_m = 1: a pixel's own message
    is kept, as in the authors' code and in pydensecrf (NORMALIZE_SYMMETRIC, DIAG_KERNEL). A pixel whose colour is
    unique, as in colour noise much wider than bilateral_sigma_rgb, therefore hears only itself through the
    bilateral kernel, and its likeliest class grows.

    Args:
        probabilities: softmax output, shape (C, H, W), 0 or more; values below 1e-5 count as 1e-5.
        image: RGB image, shape (H, W, 3), uint8.
        settings: parameters of the kernels, by default `CRFSettings()`.

    Returns:
        Probabilities, shape (C, H, W), float32, summing to 1 over classes.

    Raises:
        DataError: shapes or types do not fit, or probabilities are negative or not finite.
    """
    settings = settings or CRFSettings()
    _check(probabilities, image)
    unary = np.log(np.maximum(probabilities, MIN_PROBABILITY, dtype=np.float32))
    messages: list[tuple[float, Filter]] = []
    if settings.gaussian_weight > 0:
        messages.append((settings.gaussian_weight, _gaussian_filter(image, settings)))
    if settings.bilateral_weight > 0 and settings.iterations > 0:
        messages.append((settings.bilateral_weight, _bilateral_filter(image, settings)))
    mean_field = softmax(unary, axis=0)
    for _ in range(settings.iterations):
        mean_field = softmax(unary + sum(weight * message(mean_field) for weight, message in messages), axis=0)
    return mean_field


def _check(probabilities: np.ndarray, image: np.ndarray) -> None:
    if probabilities.ndim != 3 or not np.issubdtype(probabilities.dtype, np.floating) or not probabilities.size:
        raise DataError(
            f"probabilities are {probabilities.dtype} of shape {probabilities.shape}, "
            "expected floats of shape (C, H, W)"
        )
    if image.dtype != np.uint8 or image.shape != (*probabilities.shape[1:], 3):
        raise DataError(
            f"the image is {image.dtype} of shape {image.shape}, expected uint8 of shape "
            f"{(*probabilities.shape[1:], 3)} to fit the probabilities; bring both to one size"
        )
    if not np.isfinite(probabilities).all() or probabilities.min() < 0:
        raise DataError("probabilities are negative or not finite, expected a softmax output; pass no logits")


def _gaussian_filter(image: np.ndarray, settings: CRFSettings) -> Filter:
    """Normalised kernel of position for arrays of shape (C, H, W), cut off at 6 sigma (e^-18)."""

    def blur(values: np.ndarray) -> np.ndarray:
        sigma = settings.gaussian_sigma
        return gaussian_filter(values, (0, sigma, sigma), mode="constant", truncate=6)  # nothing beyond the border

    scale = blur(np.ones((1, *image.shape[:2]), np.float32)) ** -0.5
    return lambda values: scale * blur(scale * values)


def _bilateral_filter(image: np.ndarray, settings: CRFSettings) -> Filter:
    """Normalised kernel of position and colour for arrays of shape (C, H, W)."""
    y, x = np.indices(image.shape[:2]) / settings.bilateral_sigma_xy
    features = np.dstack([x, y, image / settings.bilateral_sigma_rgb]).reshape(-1, 5).astype(np.float32)
    kernel = _GaussianSum(features)
    mass = kernel(np.ones((len(features), 1), np.float32))
    kernel.pair_leaves(mass[:, 0])
    scale = mass**-0.5

    def message(values: np.ndarray) -> np.ndarray:
        pixels = values.reshape(len(values), -1).T
        return (scale * kernel(scale * pixels)).T.reshape(values.shape)

    return message


class _GaussianSum:
    """Sum over all points j of exp(-|x_i - x_j|² / 2) v_j, at each point i, up to negligible terms.

    Args:
        points: x, shape (N, D), float32.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.order = _leaf_order(points, np.arange(len(points)))
        filled = np.pad(points[self.order], ((0, -len(points) % _LEAF_SIZE), (0, 0)), mode="edge")
        leaves = filled.reshape(-1, _LEAF_SIZE, points.shape[1])
        self.leaves = np.ascontiguousarray(leaves.swapaxes(1, 2))  # (L, D, _LEAF_SIZE)
        self.pair_leaves(np.ones(len(points), np.float32))

    def pair_leaves(self, mass: np.ndarray) -> None:
        """List the later leaves that each group of leaves has to meet; the kernel is symmetric.

        A pair is left out if all its terms are below _NEGLIGIBLE / N once divided by sqrt(mass_i mass_j).

        Args:
            mass: a lower bound of the kernel's sum at each point, shape (N,); 1 always holds.
        """
        mass = np.minimum.reduceat(mass[self.order], np.arange(0, len(mass), _LEAF_SIZE))
        low, high = self.leaves.min(axis=2), self.leaves.max(axis=2)
        self.near = []
        for first in range(0, len(self.leaves), _GROUP):
            group, later = slice(first, first + _GROUP), slice(first, None)
            gap = np.maximum(low[later] - high[group].max(axis=0), low[group].min(axis=0) - high[later]).clip(min=0)
            bound = np.exp(-0.5 * np.square(gap).sum(axis=1)) / np.sqrt(mass[later] * mass[group].min())
            self.near.append(first + np.flatnonzero(bound >= _NEGLIGIBLE / len(self.order)))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Sums, shape (N, C), for values v of shape (N, C), both float32."""
        padding = -len(values) % _LEAF_SIZE
        sources = np.pad(values[self.order], ((0, padding), (0, 0))).reshape(-1, _LEAF_SIZE, values.shape[1])
        in_order = np.zeros_like(sources)
        with ThreadPoolExecutor() as pool:
            for part in pool.map(lambda part: self._sum_groups(sources, first=part), range(_PARTS)):
                in_order += part
        sums = np.empty_like(values)
        sums[self.order] = in_order.reshape(-1, values.shape[1])[: len(values)]
        return sums

    def _sum_groups(self, sources: np.ndarray, first: int) -> np.ndarray:
        """Share of every _PARTS-th group of leaves in the sums, shape (L, _LEAF_SIZE, C) like the sources."""
        sums = np.zeros_like(sources)
        buffer = np.empty((_CHUNK, _GROUP * _LEAF_SIZE, _LEAF_SIZE), np.float32)
        for group in range(first, len(self.near), _PARTS):
            own = slice(group * _GROUP, (group + 1) * _GROUP)
            points = self.leaves[own].swapaxes(1, 2).reshape(-1, self.leaves.shape[1])
            told = sources[own].reshape(len(points), -1)
            for start in range(0, len(self.near[group]), _CHUNK):
                near = self.near[group][start : start + _CHUNK]
                kernel = _gaussian(points, self.leaves[near], out=buffer[: len(near), : len(points)])
                sums[own] += (kernel @ sources[near]).sum(axis=0).reshape(-1, *sums.shape[1:])
                later = np.searchsorted(near, own.stop)  # before, the group's own leaves: they have met
                sums[near[later:]] += kernel[later:].swapaxes(1, 2) @ told
        return sums


def _gaussian(targets: np.ndarray, leaves: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Kernel exp(-|t - s|² / 2) of targets t, (T, D), and points s in leaves, (B, D, S): shape (B, T, S), float32."""
    centre = targets.mean(axis=0)  # |t|² - 2ts + |s|² loses digits far from the origin
    t, s = targets - centre, leaves - centre[:, None]
    if np.abs(t).max() > _FAR:
        t, s = t.astype(np.float64), s.astype(np.float64)
    t = np.hstack([t, -0.5 * np.square(t).sum(axis=1, keepdims=True), np.ones_like(t[:, :1])])
    s = np.hstack([s, np.ones_like(s[:, :1]), -0.5 * np.square(s).sum(axis=1, keepdims=True)])
    exponents = np.matmul(t * t.dtype.type(np.log2(np.e)), s, out=out)
    np.clip(exponents, -100, 0, out=exponents)  # beyond float32's normal range, exp2 is many times slower
    return np.exp2(exponents, out=exponents)


def _leaf_order(points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Order of points (N, D) by the leaves of a k-d tree with _LEAF_SIZE points each, fewer in the last one only."""
    if len(index) <= _LEAF_SIZE:
        return index
    inside = points[index]
    axis = np.ptp(inside, axis=0).argmax()
    half = -(-len(index) // _LEAF_SIZE) // 2 * _LEAF_SIZE
    index = index[np.argpartition(inside[:, axis], half)]
    return np.concatenate([_leaf_order(points, index[:half]), _leaf_order(points, index[half:])])
