import numpy as np
import pytest
import torch

from utils.errors import OptionError
from utils.selection import STRATEGIES, choose

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.6, 0.4, 0.0]])


def test_margin_and_entropy_rank_rows_as_by_hand():
    assert choose(PROBABILITIES, 2, "margin").tolist() == [1, 2]  # margins 0.8, 0, 0.1, 0.2
    assert choose(PROBABILITIES, 2, "entropy").tolist() == [2, 1]


def test_numpy_and_torch_give_the_same_rows_and_more_than_there_are_gives_all():
    assert choose(torch.from_numpy(PROBABILITIES), 9).tolist() == choose(PROBABILITIES, 9).tolist()
    assert sorted(choose(PROBABILITIES, 9).tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_chooses_from_arrays(strategy: str):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 12)
    features, disagreement = rng.normal(size=(12, 4)), rng.random(12)
    rows = choose(probabilities, 5, strategy, 1, features, features[:2] + 1, disagreement)
    assert len(set(rows.tolist())) == 5
    again = choose(probabilities, 5, strategy, 1, features, features[:2] + 1, disagreement)
    assert rows.tolist() == again.tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounded_probabilities_are_taken(dtype: torch.dtype):
    logits = torch.randn(50, 21, generator=torch.Generator().manual_seed(0))
    assert len(choose(logits.softmax(dim=1).to(dtype), 5)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "margn"}, "did you mean margin"),
        ({"strategy": "coreset"}, "coreset: this strategy needs features"),
        ({"count": 0}, "count is 0, expected a whole number, 1 or more"),
        ({"probabilities": PROBABILITIES[0]}, r"probabilities has shape \(3,\), expected 2 dimensions"),
        ({"probabilities": PROBABILITIES * np.nan}, "not finite"),
        ({"features": np.zeros((3, 2))}, "one row for each tile, found probabilities 4, features 3"),
        ({"probabilities": None, "strategy": "random"}, "found none"),
        ({"strategy": "coreset"}, "give `features`"),
        ({"count": 5.0}, r"count is 5\.0, expected a whole number"),
        ({"seed": -1}, "seed is -1, expected a whole number, 0 or more"),
        ({"probabilities": np.ones((4, 1))}, "probabilities have 1 classes, expected 2 or more"),
        ({"probabilities": 10 * PROBABILITIES}, "do not sum to 1; of logits, pass the softmax"),
        ({"probabilities": np.array([[1.5, -0.5]])}, "are negative"),
        ({"probabilities": ["a", "b"]}, "probabilities of type list cannot be read"),
        (
            {"strategy": "coreset", "features": np.zeros((4, 3)), "labelled_features": np.zeros((1, 2))},
            "labelled_features has 2 columns and features 3",
        ),
    ],
)
def test_what_cannot_be_chosen_from_is_said(arguments: dict, message: str):
    with pytest.raises(OptionError, match=message):
        choose(**({"probabilities": PROBABILITIES, "count": 2} | arguments))
