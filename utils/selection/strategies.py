"""Query strategies: which of the unlabelled tiles to ask for next.

A strategy is one function on a `Pool` and one line in `STRATEGIES`. Distances are computed a block of rows at a time;
no array here has more than one side as long as the pool.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 2**22  # numbers of a block of distances: 16 MB
_MAX_CLUSTERS, _SMALL_CLUSTER, _NEIGHBOURS = 500, 5, 20  # TypiClust, as in the code of Hacohen et al.
_FEW_CLUSTERS = 50  # up to here exact k-means, above it in mini-batches, as there


@dataclass(frozen=True)
class Pool:
    """What a strategy looks at; what it did not say it needs may be None.

    Attributes:
        candidates: positions of the M unlabelled tiles in the full list.
        probabilities: class probabilities of the candidates, float32, shape (M, C); None before there is a classifier.
        rng: this round's random numbers, for ties and for strategies that draw.
        features: input of the classifier's last layer, float32, shape (M, F).
        labelled_features: the same of the L labelled tiles, shape (L, F).
        disagreement: mutual information between prediction and dropout mask in nats, float32, shape (M,).
    """

    candidates: np.ndarray
    probabilities: Tensor | None
    rng: np.random.Generator
    features: Tensor | None = None
    labelled_features: Tensor | None = None
    disagreement: Tensor | None = None


@dataclass(frozen=True)
class Choice:
    """What a strategy chose: rows of the pool in order of choice, and the utility for which each was chosen."""

    rows: np.ndarray
    utilities: np.ndarray


@dataclass(frozen=True)
class Strategy:
    """How to choose, and what has to be computed for it.

    Attributes:
        choose: from a pool, the given number of its rows, or all of them where it has fewer.
        classifier: it needs a classifier that has seen labels.
        features: it looks at features, of labelled tiles too.
        dropout: it looks at the disagreement of dropout passes.
    """

    choose: Callable[[Pool, int], Choice]
    classifier: bool = True
    features: bool = False
    dropout: bool = False


# --- by a utility for each tile ---------------------------------------------------------------------------------------


def margin(probabilities: Tensor) -> Tensor:
    """Utility of a tile: the closer its two likeliest classes, the higher (Scheffer et al., 2001).

    Args:
        probabilities: softmax output, shape (N, C), C >= 2.

    Returns:
        Utilities p2 - p1 in [-1, 0], shape (N,).
    """
    first, second = probabilities.topk(2, dim=1).values.unbind(dim=1)
    return second - first


def entropy(probabilities: Tensor) -> Tensor:
    """Utility of a tile: the entropy of its class probabilities in nats (Shannon, 1948).

    Args:
        probabilities: softmax output, shape (N, C).

    Returns:
        Utilities in [0, ln C], shape (N,); 0 · log 0 is 0.
    """
    return -torch.xlogy(probabilities, probabilities).sum(dim=1)


def least_confidence(probabilities: Tensor) -> Tensor:
    """Utility of a tile: one minus the probability of its likeliest class (Lewis and Gale, 1994), in [0, 1 - 1/C]."""
    return 1 - probabilities.amax(dim=1)


def mutual_information(samples: Tensor) -> Tensor:
    """What BALD calls disagreement: the entropy of the mean prediction minus the mean entropy (Houlsby et al., 2011).

    Args:
        samples: class probabilities of T dropout passes, shape (T, N, C).

    Returns:
        Nats in [0, ln C], shape (N,).
    """
    mean_entropy = torch.stack([entropy(sample) for sample in samples]).mean(dim=0)
    return (entropy(samples.mean(dim=0)) - mean_entropy).clamp(min=0)


def highest(utilities: Tensor, count: int, rng: np.random.Generator) -> Choice:
    """The rows of highest utility, highest first; ties fall by `rng`."""
    values = utilities.numpy()
    rows = np.lexsort((rng.permutation(len(values)), -values))[:count]
    return Choice(rows, values[rows])


def most_useful(utility: Callable[[Tensor], Tensor]) -> Callable[[Pool, int], Choice]:
    """The strategy that takes the tiles whose probabilities have the highest utility."""

    def choose(pool: Pool, count: int) -> Choice:
        return highest(utility(_given(pool.probabilities, "probabilities")), count, pool.rng)

    return choose


def bald(pool: Pool, count: int) -> Choice:
    """Tiles on which dropout passes disagree most (Houlsby et al., 2011; with dropout: Gal et al., 2017)."""
    return highest(_given(pool.disagreement, "disagreement"), count, pool.rng)


def random(pool: Pool, count: int) -> Choice:
    """The baseline: tiles drawn without replacement; every utility is 0."""
    rows = pool.rng.permutation(len(pool.candidates))[:count]
    return Choice(rows, np.zeros(len(rows), dtype=np.float32))


# --- by features: a batch whose tiles differ from one another ---------------------------------------------------------


def coreset(pool: Pool, count: int) -> Choice:
    """k-centre greedy: again and again the tile farthest from all labelled and chosen ones (Sener and Savarese, 2018).

    The utility is that distance when it was chosen; infinite for a first tile without any labelled one.
    """
    features = _given(pool.features, "features")
    nearest = np.full(len(features), np.inf, dtype=np.float32)
    labelled = features[:0] if pool.labelled_features is None else pool.labelled_features
    for start in range(0, len(labelled), 16):
        centres = labelled[start : start + 16]
        np.minimum(nearest, _distances(features, centres).amin(dim=1).numpy(), out=nearest)
    rows, utilities = [], []
    for _ in range(min(count, len(features))):
        row = _largest(nearest, pool.rng)
        rows.append(row)
        utilities.append(nearest[row])
        np.minimum(nearest, _distances(features, features[row : row + 1])[:, 0].numpy(), out=nearest)
        nearest[row] = -np.inf
    return Choice(np.array(rows, dtype=np.int64), np.array(utilities))


def badge(pool: Pool, count: int) -> Choice:
    """k-means++ on the gradients that the likeliest labels would give the last layer (Ash et al., 2020).

    A tile's gradient embedding is g = (p - onehot(argmax p)) ⊗ h. It is never formed: <g, g'> is the product of the
    factors' own products. As in the paper's code the first tile is the one of largest norm, each further one is drawn
    with probability proportional to its squared distance to the nearest chosen one. The utility is that squared
    distance, for the first tile its squared norm.
    """
    probabilities, features = _given(pool.probabilities, "probabilities"), _given(pool.features, "features")
    residuals = probabilities - F.one_hot(probabilities.argmax(dim=1), probabilities.shape[1])
    norms = _products(residuals) * _products(features)
    nearest = np.full(len(features), np.inf)
    rows: list[int] = []
    utilities: list[float] = []
    for _ in range(min(count, len(features))):
        if not rows:
            row, utility = _largest(norms, pool.rng), norms.max()
        elif nearest.any():
            row = int(pool.rng.choice(len(nearest), p=nearest / nearest.sum()))
            utility = nearest[row]
        else:  # all that are left equal a chosen one
            row, utility = int(pool.rng.choice(np.setdiff1d(np.arange(len(nearest)), rows))), 0.0
        rows.append(row)
        utilities.append(float(utility))
        products = _products(residuals, residuals[row]) * _products(features, features[row])
        np.minimum(nearest, np.maximum(norms + norms[row] - 2 * products, 0), out=nearest)
        nearest[row] = 0
    return Choice(np.array(rows, dtype=np.int64), np.array(utilities))


def typiclust(pool: Pool, count: int) -> Choice:
    """The most typical tiles of the largest clusters without a label (Hacohen et al., 2022), for very small budgets.

    k-means on the normalised features of labelled and unlabelled tiles, one cluster for each tile labelled so far or
    asked for now. The next tile comes from the cluster with fewest labels, of those from the largest; clusters under 5
    tiles come last. The utility is the typicality: the inverse mean distance to the 20 nearest tiles of its cluster.
    """
    features = _given(pool.features, "features")
    labelled = features[:0] if pool.labelled_features is None else pool.labelled_features
    count = min(count, len(features))
    points = F.normalize(torch.cat((features, labelled)), dim=1)
    clusters = min(len(labelled) + count, _MAX_CLUSTERS, len(points))
    cluster_of = _k_means(points.numpy(), clusters, seed=int(pool.rng.integers(2**31)))
    sizes = np.bincount(cluster_of, minlength=clusters)
    labels = np.bincount(cluster_of[len(features) :], minlength=clusters)
    left = np.bincount(cluster_of[: len(features)], minlength=clusters)
    ties = pool.rng.permutation(clusters)
    ranked: dict[int, Choice] = {}
    rows, utilities = [], []
    for _ in range(count):
        open_clusters = np.flatnonzero(left).tolist()
        cluster = min(open_clusters, key=lambda c: (sizes[c] < _SMALL_CLUSTER, labels[c], -sizes[c], ties[c]))
        if cluster not in ranked:
            members = np.flatnonzero(cluster_of[: len(features)] == cluster)
            by_typicality = highest(_typicality(points[members]), len(members), pool.rng)
            ranked[cluster] = Choice(members[by_typicality.rows], by_typicality.utilities)
        place = len(ranked[cluster].rows) - left[cluster]
        rows.append(ranked[cluster].rows[place])
        utilities.append(ranked[cluster].utilities[place])
        left[cluster] -= 1
        labels[cluster] += 1
    return Choice(np.array(rows, dtype=np.int64), np.array(utilities))


STRATEGIES: dict[str, Strategy] = {
    "entropy": Strategy(most_useful(entropy)),
    "margin": Strategy(most_useful(margin)),
    "least_confidence": Strategy(most_useful(least_confidence)),
    "random": Strategy(random, classifier=False),
    "bald": Strategy(bald, dropout=True),
    "coreset": Strategy(coreset, classifier=False, features=True),
    "badge": Strategy(badge, features=True),
    "typiclust": Strategy(typiclust, classifier=False, features=True),
}


# --- parts ------------------------------------------------------------------------------------------------------------


def _given(value: Tensor | None, what: str) -> Tensor:
    if value is None:
        raise ValueError(f"this strategy needs {what}; give `{what}`")
    return value


def _largest(values: np.ndarray, rng: np.random.Generator) -> int:
    """The position of the largest value; ties fall by `rng`."""
    return int(rng.choice(np.flatnonzero(values == values.max())))


def _distances(features: Tensor, centres: Tensor) -> Tensor:
    """Euclidean distances (N, K) from differences: a tile is at 0 from its copy, which matrix products do not give."""
    return torch.cdist(features, centres, compute_mode="donot_use_mm_for_euclid_dist")


def _products(matrix: Tensor, vector: Tensor | None = None) -> np.ndarray:
    """Inner product of each row with a vector, or with itself; float64, since differences of them are taken."""
    blocks = (block.double() for block in matrix.split(4096))
    products = [(b * b).sum(dim=1) if vector is None else b @ vector.double() for b in blocks]
    return torch.cat(products).numpy()


def _typicality(points: Tensor) -> Tensor:
    """Inverse mean distance of each point to its 20 nearest, or to all where there are fewer; 0 for a lone point."""
    neighbours = min(_NEIGHBOURS, len(points) - 1)
    if neighbours == 0:
        return torch.zeros(1)
    nearest = [
        _distances(block, points).topk(neighbours + 1, dim=1, largest=False).values.sum(dim=1)  # itself is at 0
        for block in points.split(max(1, _BLOCK // len(points)))
    ]
    return 1 / (torch.cat(nearest) / neighbours + 1e-5)


def _k_means(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Cluster of each point; in one thread, since several add up their sums in any order."""
    from sklearn.cluster import KMeans, MiniBatchKMeans  # slow to import
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # scikit-learn's own

    if clusters <= _FEW_CLUSTERS:
        means = KMeans(clusters, n_init=1, random_state=seed)
    else:
        means = MiniBatchKMeans(clusters, n_init=1, random_state=seed, batch_size=4096)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than clusters: some stay empty
        return np.asarray(means.fit_predict(points), dtype=np.int64)
