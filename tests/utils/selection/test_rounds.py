import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from utils.selection.budget import Budget
from utils.selection.rounds import Round, Selection
from utils.selection.strategies import STRATEGIES, entropy


def score(pool: np.ndarray, classes: int = 6) -> Tensor:
    """Probabilities that depend on the tile alone, as those of a fixed network would."""
    drawn = np.array([np.random.default_rng(int(tile)).dirichlet(np.ones(classes)) for tile in pool])
    return torch.from_numpy(drawn.astype(np.float32).reshape(-1, classes))


def ask(selection: Selection) -> Round:
    """One query, by a network whose features are its probabilities; strategies take of it what they need."""
    probabilities, labelled = score(selection.pool), score(np.array(selection.labelled))
    return selection.query(probabilities, probabilities, labelled, entropy(probabilities))


def select(
    total: int,
    ratio: str,
    alpha: str,
    beta: str,
    strategy: str = "margin",
    seed: int = 0,
    include_initial: bool = False,
) -> Selection:
    """Run all rounds."""
    selection = Selection(total, Budget.of(ratio, alpha, beta, total), strategy, seed, include_initial)
    while selection.remaining:
        ask(selection)
    return selection


def sizes(selection: Selection) -> list[int]:
    return [len(query.tiles) for query in selection.rounds]


@pytest.mark.parametrize(
    ("total", "ratio", "alpha", "beta", "initial", "rounds"),
    [
        (1680, "0.05", "0.1", "0.5", 8, [4] * 21),  # UCM's training list: 84 tiles
        (100, "0.1", "0.3", "0.5", 3, [2] * 5),
        (100, "0.11", "0.3", "1", 3, [3, 3, 3, 2]),  # the last round is cut to the budget
        (100, "0.05", "0.1", "0.5", 1, [1] * 5),  # alpha · target = 0.5: one all the same
        (101, "0.05", "0.5", "1", 3, [3, 3]),  # target ceil(5.05) = 6
        (10, "0.1", "1", "1", 1, [1]),
    ],
)
def test_sizes_of_the_rounds(total, ratio, alpha, beta, initial, rounds):
    selection = Selection(total, Budget.of(ratio, alpha, beta, total), "margin", seed=0)
    assert len(selection.initial) == initial
    assert selection.num_rounds == len(rounds)
    assert selection.remaining == sum(rounds)
    assert sizes(select(total, ratio, alpha, beta)) == rounds


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("include_initial", [False, True])
def test_contract_of_a_selection(strategy, include_initial):
    selection = select(40, "0.6", "0.2", "0.9", strategy, seed=3, include_initial=include_initial)
    assert len(selection.result) == 24
    assert selection.missing == 0
    assert len(set(selection.labelled)) == len(selection.labelled) == (24 if include_initial else 24 + 4)
    assert set(selection.labelled) <= set(range(40))
    assert sorted([*selection.labelled, *selection.pool]) == list(range(40))
    assert selection.result == (selection.initial if include_initial else []) + selection.queried
    again = select(40, "0.6", "0.2", "0.9", strategy, seed=3, include_initial=include_initial)
    assert again.rounds == selection.rounds
    other = select(40, "0.6", "0.2", "0.9", strategy, seed=4, include_initial=include_initial)
    assert other.initial != selection.initial


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pool_that_runs_dry(strategy):
    selection = select(20, "1", "0.2", "1", strategy)
    assert sizes(selection) == [4, 4, 4, 4]
    assert len(selection.pool) == 0
    assert selection.missing == 4  # the initial pool is labelled, but was not queried
    assert sorted(selection.labelled) == list(range(20))


def test_the_initial_pool_counts_where_it_is_included():
    selection = select(20, "1", "0.2", "1", include_initial=True)
    assert (len(selection.result), selection.missing) == (20, 0)
    assert selection.result[:4] == selection.initial
    smaller = select(100, "0.1", "0.3", "0.5", include_initial=True)
    assert sizes(smaller) == [2, 2, 2, 1]
    assert len(smaller.result) == 10


def test_a_list_of_one_tile_leaves_nothing_to_ask():
    selection = select(1, "1", "0.1", "0.5")
    assert (selection.initial, selection.rounds, selection.missing) == ([0], [], 1)


def test_tiles_refer_to_the_full_list():
    """The most useful tile is asked for by its place in the list, wherever it stands in the pool."""
    selection = Selection(10, Budget(target=3, initial=3, per_query=1), "margin", seed=0)
    for expected in sorted(selection.pool, reverse=True)[:3]:
        pool = selection.pool
        second = torch.from_numpy(pool / 30.0).float()  # later tiles are less certain
        query = selection.query(torch.stack((1 - second, second), dim=1))
        assert query.tiles == [expected]
        assert expected not in selection.pool
    assert selection.queried == sorted(selection.queried, reverse=True)


def test_a_round_records_what_the_classifier_thought():
    selection = Selection(3, Budget(target=2, initial=1, per_query=2), "margin", seed=0)
    probabilities = torch.tensor([[0.0, 0.125, 0.875], [0.25, 0.5, 0.25]])
    pool = selection.pool.tolist()
    query = selection.query(probabilities)
    assert query.tiles == [pool[1], pool[0]]
    assert query.predicted == [1, 2]
    assert query.probabilities == [0.5, 0.875]
    assert query.utilities == [-0.25, -0.75]
    assert selection.rounds == [query]


def test_the_last_round_is_cut_by_utility():
    whole = Selection(50, Budget(target=9, initial=3, per_query=9), "entropy", seed=0)
    cut = Selection(50, Budget(target=4, initial=3, per_query=9), "entropy", seed=0)
    probabilities = score(whole.pool)
    assert cut.query(probabilities).tiles == whole.query(probabilities).tiles[:4]


def test_initial_pool_is_random_and_drawn_without_replacement():
    pools = [Selection(50, Budget(5, 5, 1), "margin", seed).initial for seed in range(200)]
    assert all(len(set(pool)) == 5 for pool in pools)
    assert {tile for pool in pools for tile in pool} == set(range(50))


def test_random_rounds_differ_from_each_other():
    def places(query: int) -> list[int]:
        selection = Selection(100, Budget(10, 1, 5), "random", seed=0)
        pools = []
        for _ in range(query + 1):
            pools.append(selection.pool.tolist())
            chosen = ask(selection).tiles
        return [pools[-1].index(tile) for tile in chosen]

    assert places(0) != places(1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_restored_selection_goes_on_identically(strategy):
    whole = select(60, "0.3", "0.2", "1", strategy, seed=5)
    budget = Budget.of("0.3", "0.2", "1", 60)
    first = Selection(60, budget, strategy, seed=5)
    for _ in range(2):
        ask(first)
    restored = Selection(60, budget, strategy, seed=5)
    restored.load_state_dict(json.loads(json.dumps(first.state_dict())))  # plain values
    assert restored.rounds == first.rounds
    while restored.remaining:
        ask(restored)
    assert [asdict(query) for query in restored.rounds] == [asdict(query) for query in whole.rounds]
    assert len(whole.rounds) > 3


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_before_there_is_a_classifier_tiles_are_chosen_without_one(strategy):
    selection = Selection(30, Budget(4, 3, 4), strategy, seed=0)
    features = score(selection.pool)
    query = selection.query(None, features, features[:0])
    assert len(set(query.tiles)) == 4
    assert query.predicted == [-1] * 4
    assert np.isnan(query.probabilities).all()


def test_tiles_that_cannot_be_read_are_left_out_and_replaced():
    selection = Selection(20, Budget(target=6, initial=4, per_query=3), "margin", seed=0)
    ask(selection)
    lost = [selection.initial[1], selection.queried[0], int(selection.pool[2])]
    selection.skipped.update(lost)
    assert (len(selection.initial), len(selection.queried), selection.remaining) == (3, 2, 4)
    while selection.remaining:
        ask(selection)
    assert len(selection.result) == 6
    assert not set(lost) & {*selection.labelled, *selection.pool}
    assert len({*selection.labelled, *selection.pool, *lost}) == 20


def test_a_pool_that_cannot_be_read_runs_dry():
    selection = Selection(6, Budget(target=4, initial=1, per_query=2), "margin", seed=0)
    selection.skipped.update(selection.pool[:3].tolist())
    while selection.remaining:
        ask(selection)
    assert (len(selection.result), selection.missing) == (2, 2)


def test_the_tiles_left_out_are_part_of_the_state():
    selection = Selection(20, Budget(6, 4, 3), "margin", seed=0, skipped={3, 5})
    restored = Selection(20, Budget(6, 4, 3), "margin", seed=0)
    restored.load_state_dict(json.loads(json.dumps(selection.state_dict())))
    assert restored.labelled == selection.labelled
    assert restored.pool.tolist() == selection.pool.tolist()


def test_tiles_labelled_before_are_learned_from_and_never_asked_for():
    plain = Selection(50, Budget.of_count(10, "0.4", "1"), "margin", seed=0)
    already = frozenset([*plain.initial[:2], 7])
    selection = Selection(50, plain.budget, "margin", seed=0, already=already, taught=sorted(already)[:2])
    assert len(selection.initial) == 2  # of 4: two are taught already
    assert selection.examples == [*selection.taught, *selection.initial]
    while selection.remaining:
        ask(selection)
    assert not already & set(selection.labelled)
    assert len(selection.result) == 10
    assert not already & set(selection.pool.tolist())
    none = Selection(50, plain.budget, "margin", seed=0, already=frozenset(), taught=[])
    assert none.initial == plain.initial
