import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from utils.selection.strategies import (
    STRATEGIES,
    Choice,
    Pool,
    entropy,
    highest,
    least_confidence,
    margin,
    mutual_information,
)


def random_probabilities(count: int, classes: int = 5, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), count)
    return torch.from_numpy(drawn.astype(np.float32))


def random_features(count: int, features: int = 8, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng((seed, 7)).normal(size=(count, features)).astype(np.float32))


def make_pool(probabilities: Tensor, seed: int = 0, features: Tensor | None = None, labelled: int = 6) -> Pool:
    """A pool that has all that a strategy may look at; what it does not need must not change its choice."""
    count = len(probabilities)
    return Pool(
        np.arange(count) * 3 + 1,
        probabilities,
        np.random.default_rng(seed),
        random_features(count) if features is None else features,
        random_features(labelled, 8 if features is None else features.shape[1], seed=1),
        entropy(probabilities) / 2,
    )


def choose(name: str, pool: Pool, count: int) -> Choice:
    return STRATEGIES[name].choose(pool, count)


INPUTS = {
    "random": random_probabilities(200),
    "tied": torch.tensor([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]]),
    "one-hot": torch.eye(4)[[2, 0, 3, 1, 1]],
    "two classes": random_probabilities(50, classes=2),
}


@pytest.mark.parametrize("name", INPUTS)
def test_entropy_equals_scipys(name):
    probabilities = INPUTS[name]
    expected = scipy.stats.entropy(probabilities.double().numpy(), axis=1)
    np.testing.assert_allclose(entropy(probabilities).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("name", INPUTS)
def test_margin_equals_a_plain_sort(name):
    expected = [(ranked := sorted(row, reverse=True))[1] - ranked[0] for row in INPUTS[name].tolist()]
    np.testing.assert_allclose(margin(INPUTS[name]).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("name", INPUTS)
def test_least_confidence_equals_a_plain_maximum(name):
    expected = [1 - max(row) for row in INPUTS[name].tolist()]
    np.testing.assert_allclose(least_confidence(INPUTS[name]).numpy(), expected, atol=1e-7)


def test_mutual_information_equals_the_mean_divergence_from_the_mean_prediction():
    samples = torch.stack([random_probabilities(40, seed=seed) for seed in range(9)])
    mean = samples.mean(dim=0).double().numpy()
    divergences = [scipy.stats.entropy(sample.double().numpy(), mean, axis=1) for sample in samples]
    np.testing.assert_allclose(mutual_information(samples).numpy(), np.mean(divergences, axis=0), atol=1e-6)


def test_extremes_of_mutual_information():
    sure_but_split = torch.eye(2)[[0, 1]][:, None]  # two passes, each certain of another class
    assert mutual_information(sure_but_split).item() == pytest.approx(math.log(2))
    assert mutual_information(random_probabilities(5).expand(4, 5, 5)).abs().max() < 1e-6


def test_bald_asks_where_passes_disagree_most():
    pool = make_pool(torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]]))
    assert choose("bald", pool, 3).rows.tolist() == [1, 2, 0]


def test_extremes_of_entropy():
    assert entropy(torch.tensor([[0.0, 1.0, 0.0]])).item() == 0
    assert entropy(torch.full((1, 8), 1 / 8)).item() == pytest.approx(math.log(8))


def test_extremes_of_margin():
    assert margin(torch.tensor([[0.0, 1.0, 0.0], [0.4, 0.4, 0.2]])).tolist() == [-1, 0]


def test_published_strategies_ask_for_the_least_certain_tiles():
    # sure; torn between two; vague. Margin prefers the second, entropy the third.
    probabilities = torch.tensor([[0.98, 0.01, 0.01], [0.5, 0.5, 0.0], [0.4, 0.31, 0.29]])
    chosen = {name: choose(name, make_pool(probabilities), 3).rows.tolist() for name in ("margin", "entropy")}
    assert chosen == {"margin": [1, 2, 0], "entropy": [2, 1, 0]}


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_highest_equals_a_plain_sort_with_ties_by_the_random_numbers(count):
    utilities = torch.tensor([0.5, 0.1, 0.9, 0.5, 0.1, 0.5, 0.9, 0.0] * 5)
    ties = np.random.default_rng(3).permutation(len(utilities))
    expected = sorted(range(len(utilities)), key=lambda row: (-utilities[row].item(), ties[row]))[:count]
    choice = highest(utilities, count, np.random.default_rng(3))
    assert choice.rows.tolist() == expected
    assert choice.utilities.tolist() == utilities[expected].tolist()


def test_every_order_of_tied_tiles_occurs():
    uniform = torch.full((3, 4), 0.25)
    orders = {tuple(choose("margin", make_pool(uniform, seed), 3).rows.tolist()) for seed in range(60)}
    assert len(orders) == 6


def test_random_draws_every_tile_equally_often():
    pool = random_probabilities(10)
    drawn = np.concatenate([choose("random", make_pool(pool, seed), 3).rows for seed in range(1000)])
    counts = np.bincount(drawn, minlength=10)  # expected 300, deviation about 14
    assert counts.sum() == 3000
    assert abs(counts - 300).max() < 60


# --- by features ------------------------------------------------------------------------------------------------------


def euclidean(one: Tensor, other: Tensor) -> np.ndarray:
    """All distances at once, N×N, which the code under test never forms."""
    return np.sqrt(((one.double()[:, None] - other.double()[None]) ** 2).sum(dim=2).numpy())


def test_coreset_equals_greedy_k_centre_on_all_distances():
    features, labelled = random_features(60), random_features(5, seed=1)
    pool = Pool(np.arange(60), None, np.random.default_rng(0), features, labelled)
    distances = euclidean(features, torch.cat((labelled, features)))
    centres, rows, radii = list(range(5)), [], []
    for _ in range(20):
        nearest = distances[:, centres].min(axis=1)
        rows.append(int(nearest.argmax()))
        radii.append(nearest.max())
        centres.append(5 + rows[-1])
    choice = choose("coreset", pool, 20)
    assert choice.rows.tolist() == rows
    np.testing.assert_allclose(choice.utilities, radii, rtol=1e-5)


def test_coreset_takes_a_copy_of_a_labelled_tile_last():
    features = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [5.0, 0.1]])
    pool = Pool(np.arange(4), None, np.random.default_rng(0), features, features[:1] + 0)
    choice = choose("coreset", pool, 4)
    assert choice.rows.tolist()[0] == 3
    assert choice.rows.tolist()[-1] == 0
    assert choice.utilities[-1] == 0


def test_coreset_begins_anywhere_where_nothing_is_labelled():
    firsts = {
        int(choose("coreset", Pool(np.arange(3), None, np.random.default_rng(s), torch.eye(3)), 3).rows[0])
        for s in range(30)
    }
    assert firsts == {0, 1, 2}


def test_badge_draws_as_k_means_plus_plus_on_explicit_gradient_embeddings():
    probabilities, features = random_probabilities(50), random_features(50, features=7)
    residuals = probabilities - torch.eye(5)[probabilities.argmax(dim=1)]
    embeddings = (residuals[:, :, None] * features[:, None, :]).flatten(1)
    squared, rng = euclidean(embeddings, embeddings) ** 2, np.random.default_rng(4)
    rows, utilities = [int(embeddings.norm(dim=1).argmax())], [float(embeddings.double().norm(dim=1).max() ** 2)]
    rng.choice(1)  # the tie of the first one
    while len(rows) < 12:
        nearest = squared[:, rows].min(axis=1)
        rows.append(int(rng.choice(50, p=nearest / nearest.sum())))
        utilities.append(nearest[rows[-1]])
    choice = choose("badge", Pool(np.arange(50), probabilities, np.random.default_rng(4), features), 12)
    assert choice.rows.tolist() == rows
    np.testing.assert_allclose(choice.utilities, utilities, rtol=1e-6)


def test_badge_takes_no_two_equal_gradients_while_others_are_left():
    probabilities = torch.tensor([[0.9, 0.1, 0.0]] * 40 + [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    for seed in range(10):
        pool = Pool(np.arange(43), probabilities, np.random.default_rng(seed), torch.ones(43, 4))
        assert {max(39, row) for row in choose("badge", pool, 4).rows.tolist()} == {39, 40, 41, 42}


def clusters(sizes: list[int], seed: int = 0) -> Tensor:
    """Points close around directions far from each other."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(
        np.concatenate(
            [np.eye(len(sizes))[i] + rng.normal(scale=0.02, size=(size, len(sizes))) for i, size in enumerate(sizes)]
        ).astype(np.float32)
    )


def cluster_of(row: int, sizes: list[int]) -> int:
    return int(np.searchsorted(np.cumsum(sizes), row, side="right"))


def test_typiclust_takes_one_tile_of_each_cluster_the_largest_first():
    sizes = [10, 40, 20, 30]
    choice = choose("typiclust", Pool(np.arange(100), None, np.random.default_rng(0), clusters(sizes)), 4)
    assert [cluster_of(row, sizes) for row in choice.rows] == [1, 3, 2, 0]


def test_typiclust_begins_with_clusters_without_a_label():
    sizes = [10, 40, 20, 30]
    points = clusters(sizes)
    labelled = points[[20, 95]]  # of the two largest
    choice = choose("typiclust", Pool(np.arange(100), None, np.random.default_rng(0), points, labelled), 2)
    assert [cluster_of(row, sizes) for row in choice.rows] == [2, 0]


def test_typiclust_takes_the_most_typical_tile():
    points = torch.nn.functional.normalize(random_features(40, features=3) * 0.1 + torch.tensor([1.0, 1, 1]), dim=1)
    distances = euclidean(points, points)
    typicality = 1 / (np.sort(distances, axis=1)[:, 1:21].mean(axis=1) + 1e-5)
    choice = choose("typiclust", Pool(np.arange(40), None, np.random.default_rng(0), points), 1)
    assert choice.rows.tolist() == [int(typicality.argmax())]
    assert choice.utilities[0] == pytest.approx(typicality.max(), rel=1e-4)


def test_typiclust_takes_very_small_clusters_last():
    sizes = [3, 20, 20]
    choice = choose("typiclust", Pool(np.arange(43), None, np.random.default_rng(0), clusters(sizes)), 3)
    assert 0 not in {cluster_of(row, sizes) for row in choice.rows}
    everything = choose("typiclust", Pool(np.arange(43), None, np.random.default_rng(0), clusters(sizes)), 43)
    assert sorted(everything.rows.tolist()) == list(range(43))


# --- what every strategy, present and future, has to keep -------------------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("probabilities", [INPUTS["random"], torch.full((30, 4), 0.25), torch.eye(30)])
@pytest.mark.parametrize("features", ["different", "equal"])
def test_contract_of_a_strategy(name, probabilities, features):
    total = len(probabilities)
    same = torch.ones(total, 8) if features == "equal" else None
    for count in (0, 1, 7, total, total + 5):
        choice = choose(name, make_pool(probabilities, seed=1, features=same), count)
        rows = choice.rows.tolist()
        assert len(rows) == len(set(rows)) == len(choice.utilities) == min(count, total)
        assert set(rows) <= set(range(total))
        assert np.isfinite(choice.utilities).all()
        again = choose(name, make_pool(probabilities.clone(), seed=1, features=same), count)
        assert again.rows.tolist() == rows
        assert again.utilities.tolist() == choice.utilities.tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_needs_what_its_line_says_and_nothing_else(name):
    strategy, whole = STRATEGIES[name], make_pool(INPUTS["random"], seed=2)
    needed = Pool(
        whole.candidates,
        whole.probabilities if strategy.classifier else None,
        np.random.default_rng(2),
        whole.features if strategy.features else None,
        whole.labelled_features if strategy.features else None,
        whole.disagreement if strategy.dropout else None,
    )
    assert strategy.choose(needed, 9).rows.tolist() == strategy.choose(whole, 9).rows.tolist()
    if strategy.classifier or strategy.features:
        with pytest.raises(ValueError, match="this strategy needs"):
            strategy.choose(Pool(whole.candidates, None, np.random.default_rng(0)), 9)


@pytest.mark.parametrize("name", [n for n in STRATEGIES if n != "typiclust"])  # its clusters depend on the count
def test_a_smaller_choice_is_the_beginning_of_a_larger_one(name):
    few, many = (choose(name, make_pool(INPUTS["random"]), count).rows.tolist() for count in (5, 50))
    assert many[:5] == few


@pytest.mark.parametrize("name", ["entropy", "margin", "least_confidence", "bald", "coreset"])
def test_tiles_come_in_order_of_utility(name):
    assert np.all(np.diff(choose(name, make_pool(INPUTS["random"]), 50).utilities) <= 0)


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_array_has_two_sides_as_long_as_the_pool(name, monkeypatch):
    """The largest result of any torch operation on 3,000 tiles stays far below 3,000 × 3,000 numbers."""
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                largest = max(largest, result.numel())
            return result

    monkeypatch.setattr("utils.selection.strategies._BLOCK", 2**16)
    with Watch():
        choose(name, make_pool(random_probabilities(3000)), 3)
    assert 0 < largest < 3000 * 100
