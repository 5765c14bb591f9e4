"""Fully connected CRF by mean-field inference (Krähenbühl and Koltun, NeurIPS 2011), in numpy and scipy.

Every pair of pixels is joined by a Potts term under two Gaussian kernels, one of position and one of position and
colour. The permutohedral lattice on which the paper sums the second one is coarse where colours are sparse; here it
is summed pair by pair instead, over blocks of pixels that are neighbours in position and colour. Blocks too far apart
to matter are left out, and where a pixel hears a crowd, those of the crowd that lie close together speak as one from
their mean, with the kernel expanded to first order around it; each pixel still hears for itself. Against the sum over
all pairs, no probability of tiles of 128×128 moved by more than 0.02, nor by more than 0.002 on average.

Time grows with the number of pixel pairs of similar colour: filter tiles, not whole scenes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from torch import Tensor

from utils.errors import DataError
from utils.evaluation.crf_settings import CRFSettings
from utils.machine import usable_cores

MIN_PROBABILITY = 1e-5  # a class ruled out by the network can still be brought back by its neighbours

_FAINT = 0.05  # blocks with a kernel value above it are always heard
_NEGLIGIBLE = 32.0  # bound on the normalised kernel mass lost with the blocks left out, if all were as loud as they may
_SPREAD = 0.4  # variance, over all features, of points that may speak as one; the kernel's own is 5
_CROWD = 4800  # kernel mass from which on they may; with less, they have to lie closer in proportion
_SMALLEST = 4  # points that may speak as one
_FEW = 16  # cells of a leaf; with more of them, all its points speak for themselves, which is quicker
_LEAF_SIZE = 64  # points of a block; matrix products this small stay in one BLAS thread each, the threads are ours
_GROUP = 4  # leaves that listen together: with more, blocks are left out less often; with fewer, threads wait in turn
_CHUNK = 64  # blocks heard at once
_FAR = 32  # coordinates from here on are squared in double precision

Filter = Callable[[np.ndarray], np.ndarray]


def refine_batch(probabilities: Tensor, images: Tensor, settings: CRFSettings) -> Tensor:
    """`dense_crf` on each tile of a batch.

    Args:
        probabilities: softmax output on any device, shape (B, C, H, W).
        images: uint8 RGB, shape (B, 3, H, W).
        settings: parameters of the kernels.

    Returns:
        float32 on the CPU, shape (B, C, H, W).
    """
    pixels = np.ascontiguousarray(images.cpu().permute(0, 2, 3, 1).numpy())
    pairs = zip(probabilities.cpu().numpy(), pixels, strict=True)
    return torch.from_numpy(np.stack([dense_crf(one, image, settings) for one, image in pairs]))


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
    ones = np.ones((len(features), 1), np.float32)
    rough_mass = kernel(ones)[:, 0]
    kernel.prepare(_SPREAD * np.minimum(1, rough_mass / _CROWD), rough_mass)
    mass = kernel(ones)
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
        self.leaves = self._in_leaves(points, mode="edge")
        self.prepare(np.full(len(points), _SPREAD), np.ones(len(points)))

    def _in_leaves(self, values: np.ndarray, mode: Literal["edge", "constant"]) -> np.ndarray:
        """Values of all points, (N, ...), by leaf, (L, _LEAF_SIZE, ...); the last leaf is filled up as `mode` says."""
        return _in_blocks(values[self.order], mode)

    def _in_sources(self, values: np.ndarray, mode: Literal["edge", "constant"]) -> np.ndarray:
        """Values of all cells, (M, ...), by block of sources, (B, _LEAF_SIZE, ...); those of crowds come last."""
        return _in_blocks(values[self.crowds_last], mode)

    def prepare(self, spread: np.ndarray, mass: np.ndarray) -> None:
        """Choose which points speak as one, and which blocks of them each group of leaves has to hear.

        A block is not heard if all its kernel values are below _FAINT, and below _NEGLIGIBLE / N once divided by
        sqrt(mass_i mass_j).

        Args:
            spread: largest variance, summed over features, of points that speak as one, at each point, shape (N,).
            mass: a lower bound of the kernel's sum at each point, shape (N,); 1 always holds.
        """
        self.starts = _cell_starts(self.leaves, self._in_leaves(spread, mode="edge"))
        points = self.leaves.reshape(-1, self.leaves.shape[2]).astype(np.float64)
        sizes = np.diff(self.starts, append=len(points))
        self.crowds_last = np.argsort(sizes > 1, kind="stable")
        means = np.add.reduceat(points, self.starts) / sizes[:, None]
        self.offsets = (points - means.repeat(sizes, axis=0)).astype(np.float32)
        variance = np.add.reduceat(np.square(self.offsets).mean(axis=1), self.starts) / sizes
        sources = self._in_sources(means.astype(np.float32), mode="edge")
        self.sources = np.ascontiguousarray(sources.swapaxes(1, 2))  # (B, D, _LEAF_SIZE)
        self.sharpness = self._in_sources((1 / (1 + variance)).astype(np.float32), mode="edge")  # (B, _LEAF_SIZE)
        self.is_crowd: np.ndarray = self._in_sources(sizes, mode="edge")[:, -1] > 1

        mass = self._in_leaves(mass, mode="edge")
        told = self._in_sources(np.minimum.reduceat(mass.ravel(), self.starts), mode="edge").min(axis=1)
        low, high = sources.min(axis=1), sources.max(axis=1)
        self.near = []
        for first in range(0, len(self.leaves), _GROUP):
            group = slice(first, first + _GROUP)
            own_low, own_high = self.leaves[group].min(axis=(0, 1)), self.leaves[group].max(axis=(0, 1))
            gap = np.maximum(low - own_high, own_low - high).clip(min=0)
            loudest = np.exp(-0.5 * np.square(gap).sum(axis=1))
            negligible = _NEGLIGIBLE / len(self.order) * np.sqrt(told * mass[group].min())
            self.near.append(np.flatnonzero(loudest >= np.minimum(_FAINT, negligible)))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Sums, shape (N, C), for values v of shape (N, C), both float32."""
        in_order = self._in_leaves(values, mode="constant").reshape(-1, values.shape[1])
        told = self._in_sources(np.add.reduceat(in_order, self.starts), mode="constant")
        moments = np.add.reduceat(self.offsets[:, :, None] * in_order[:, None], self.starts)
        moments = self._in_sources(moments, mode="constant")
        moments *= self.sharpness[:, :, None, None]
        with ThreadPoolExecutor(usable_cores()) as pool:  # more would push one another out of the caches
            heard = list(pool.map(lambda group: self._hear(group, told, moments), range(len(self.near))))
        sums = np.empty_like(values)
        sums[self.order] = np.concatenate(heard)[: len(values)]
        return sums

    def _hear(self, group: int, told: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Sums at the points of a group of leaves.

        Args:
            group: its number.
            told: sums of the values of each source's points, shape (B, _LEAF_SIZE, C).
            moments: sums of their values times offset from the source times sharpness, (B, _LEAF_SIZE, D, C): where in
                a crowd the values lie, to first order.
        """
        points = self.leaves[group * _GROUP : (group + 1) * _GROUP].reshape(-1, self.leaves.shape[2])
        centre = points.mean(axis=0)  # |t|² - 2ts + |s|² loses digits far from the origin
        t = points - centre
        sums = np.zeros((len(t), told.shape[2]), np.float32)
        buffer = np.empty((_CHUNK, len(t), _LEAF_SIZE), np.float32)
        for is_crowd in (False, True):
            heard = self.near[group]
            heard = heard[self.is_crowd[heard] == is_crowd]
            for start in range(0, len(heard), _CHUNK):
                near = heard[start : start + _CHUNK]
                s = self.sources[near] - centre[:, None]
                kernel = _gaussian(t, s, self.sharpness[near], out=buffer[: len(near)])
                if is_crowd:
                    sums += _expanded(kernel, t, s, told[near], moments[near])
                else:
                    sums += (kernel @ told[near]).sum(axis=0)
        return sums


def _expanded(kernel: np.ndarray, t: np.ndarray, s: np.ndarray, told: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Sum over sources of kernel · (told + (t - s) · moments), the kernel's Taylor expansion; shape (T, C)."""
    at_origin = told - (s.swapaxes(1, 2)[..., None] * moments).sum(axis=2)
    terms = np.concatenate([at_origin[:, :, None], moments], axis=2)  # (B, S, 1 + D, C)
    sums = (kernel @ terms.reshape(*told.shape[:2], -1)).sum(axis=0).reshape(len(t), *terms.shape[2:])
    return sums[:, 0] + (t[..., None] * sums[:, 1:]).sum(axis=1)


def _in_blocks(values: np.ndarray, mode: Literal["edge", "constant"]) -> np.ndarray:
    """(N, ...) -> (B, _LEAF_SIZE, ...); the last block is filled up with zeros, or with copies of the last value."""
    padding = [(0, -len(values) % _LEAF_SIZE)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, padding, mode=mode).reshape(-1, _LEAF_SIZE, *values.shape[1:])


def _cell_starts(leaves: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Where the cells of points that speak as one begin: halves, quarters … of a leaf, or single points in all of it.

    Args:
        leaves: points, shape (L, _LEAF_SIZE, D).
        spread: largest variance of a cell's points, at each of them, shape (L, _LEAF_SIZE).
    """
    is_start = np.ones(spread.shape, bool)
    size = _SMALLEST
    while size <= _LEAF_SIZE:
        variance = leaves.reshape(-1, size, leaves.shape[2]).var(axis=1).sum(axis=1)
        is_close = variance <= spread.reshape(-1, size).min(axis=1)
        is_start.reshape(-1, size)[is_close, 1:] = False
        size *= 2
    is_start[is_start.sum(axis=1) > _FEW] = True
    return np.flatnonzero(is_start)


def _gaussian(targets: np.ndarray, sources: np.ndarray, sharpness: np.ndarray, out: np.ndarray) -> np.ndarray:
    """What targets hear of sources that speak for points around them: the kernel, blurred by the points' variance.

    Args:
        targets: t, shape (T, D), near the origin.
        sources: s, in blocks, shape (B, D, S).
        sharpness: b = 1 / (1 + variance of the points in each feature), shape (B, S); 1 for a single point.
        out: takes the result.

    Returns:
        b^(D/2) exp(-b |t - s|² / 2), shape (B, T, S), float32.
    """
    t, s, b = targets, sources, sharpness[:, None]
    if np.abs(t).max() > _FAR:
        t, s = t.astype(np.float64), s.astype(np.float64)
    t = np.hstack([t, -0.5 * np.square(t).sum(axis=1, keepdims=True), np.ones_like(t[:, :1])])
    constant = 0.5 * (s.shape[1] * np.log(b) - b * np.square(s).sum(axis=1, keepdims=True))
    s = np.hstack([b * s, b.astype(s.dtype), constant])
    exponents = np.matmul(t * t.dtype.type(np.log2(np.e)), s, out=out)
    np.clip(exponents, -100, 0, out=exponents)  # beyond float32's normal range, exp2 is many times slower
    return np.exp2(exponents, out=exponents)


def _leaf_order(points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Order of points (N, D) by the leaves of a k-d tree with _LEAF_SIZE points each, fewer in the last one only.

    Leaves are cut on, in halves, down to _SMALLEST points.
    """
    if len(index) <= _SMALLEST:
        return index
    unit = _LEAF_SIZE if len(index) > _LEAF_SIZE else _SMALLEST
    inside = points[index]
    axis = np.ptp(inside, axis=0).argmax()
    half = -(-len(index) // unit) // 2 * unit
    index = index[np.argpartition(inside[:, axis], half)]
    return np.concatenate([_leaf_order(points, index[:half]), _leaf_order(points, index[half:])])
