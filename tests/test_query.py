import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from utils.query import STRATEGIES, Pool, entropy, margin, most_useful


def random_probabilities(count: int, classes: int = 5, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), count)
    return torch.from_numpy(drawn.astype(np.float32))


def make_pool(probabilities: Tensor, seed: int = 0) -> Pool:
    return Pool(np.arange(len(probabilities)) * 3 + 1, probabilities, np.random.default_rng(seed))


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


def test_extremes_of_entropy():
    assert entropy(torch.tensor([[0.0, 1.0, 0.0]])).item() == 0
    assert entropy(torch.full((1, 8), 1 / 8)).item() == pytest.approx(math.log(8))


def test_extremes_of_margin():
    assert margin(torch.tensor([[0.0, 1.0, 0.0], [0.4, 0.4, 0.2]])).tolist() == [-1, 0]


def test_published_strategies_ask_for_the_least_certain_tiles():
    # sure; torn between two; vague. Margin prefers the second, entropy the third.
    probabilities = torch.tensor([[0.98, 0.01, 0.01], [0.5, 0.5, 0.0], [0.4, 0.31, 0.29]])
    chosen = {name: STRATEGIES[name](make_pool(probabilities), 3).rows.tolist() for name in ("margin", "entropy")}
    assert chosen == {"margin": [1, 2, 0], "entropy": [2, 1, 0]}


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_most_useful_equals_a_plain_sort_with_ties_by_the_random_numbers(count):
    utilities = torch.tensor([0.5, 0.1, 0.9, 0.5, 0.1, 0.5, 0.9, 0.0] * 5)
    ties = np.random.default_rng(3).permutation(len(utilities))
    expected = sorted(range(len(utilities)), key=lambda row: (-utilities[row].item(), ties[row]))[:count]
    choice = most_useful(lambda probabilities: probabilities[:, 0])(make_pool(utilities[:, None], seed=3), count)
    assert choice.rows.tolist() == expected
    assert choice.utilities.tolist() == utilities[expected].tolist()


def test_every_order_of_tied_tiles_occurs():
    uniform = torch.full((3, 4), 0.25)
    orders = {tuple(STRATEGIES["margin"](make_pool(uniform, seed), 3).rows.tolist()) for seed in range(60)}
    assert len(orders) == 6


def test_random_draws_every_tile_equally_often():
    pool = random_probabilities(10)
    drawn = np.concatenate([STRATEGIES["random"](make_pool(pool, seed), 3).rows for seed in range(1000)])
    counts = np.bincount(drawn, minlength=10)  # expected 300, deviation about 14
    assert counts.sum() == 3000
    assert abs(counts - 300).max() < 60


# What every strategy, present and future, has to keep


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("probabilities", [INPUTS["random"], torch.full((30, 4), 0.25), torch.eye(30)])
def test_contract_of_a_strategy(name, probabilities):
    strategy, total = STRATEGIES[name], len(probabilities)
    for count in (0, 1, 7, total, total + 5):
        choice = strategy(make_pool(probabilities, seed=1), count)
        rows = choice.rows.tolist()
        assert len(rows) == len(set(rows)) == len(choice.utilities) == min(count, total)
        assert set(rows) <= set(range(total))
        assert np.all(np.diff(choice.utilities) <= 0)
        again = strategy(make_pool(probabilities.clone(), seed=1), count)
        assert again.rows.tolist() == rows
        assert again.utilities.tolist() == choice.utilities.tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_smaller_choice_is_the_beginning_of_a_larger_one(name):
    probabilities = INPUTS["random"]
    few, many = (STRATEGIES[name](make_pool(probabilities), count).rows.tolist() for count in (5, 50))
    assert many[:5] == few
