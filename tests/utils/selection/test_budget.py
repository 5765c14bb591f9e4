from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.selection.budget import Budget, count_of, exact_product, labelled_count
from utils.selection.settings import QuerySettings
from utils.settings import SettingsError


@pytest.mark.parametrize(
    ("ratio", "total", "count"),
    [
        ("0.07", 100, 7),  # 7.000000000000001 in floats
        ("0.29", 100, 29),  # 28.999999999999996
        ("0.05", 1680, 84),
        ("0.05", 642, 33),  # 32.1
        ("0.02", 1680, 34),  # 33.6
        ("0.125", 8, 1),
        ("0.001", 20, 1),
        ("1", 13, 13),
        ("1e-1", 10, 1),
    ],
)
def test_a_ratio_buys_its_share_rounded_up(ratio: str, total: int, count: int):
    assert labelled_count(ratio, total) == count
    assert labelled_count(Decimal(ratio), total) == count
    assert labelled_count(float(ratio), total) == count


def test_products_are_exact():
    assert exact_product("0.07", 100) == 7
    assert exact_product(0.1, 3) == Decimal("0.3")


@pytest.mark.parametrize(
    ("ratio", "alpha", "beta", "total", "expected"),
    [
        ("0.05", "0.1", "0.5", 1680, Budget(target=84, initial=8, per_query=4)),
        ("0.05", "0.1", "0.5", 642, Budget(target=33, initial=3, per_query=2)),
        ("0.02", "0.1", "0.5", 40, Budget(target=1, initial=1, per_query=1)),  # floor(0.1) = 0 crashed as published
        ("0.1", "0.3", "1", 1000, Budget(target=100, initial=30, per_query=30)),
        ("0.5", "0.07", "0.29", 200, Budget(target=100, initial=7, per_query=3)),
        ("1", "1", "0.01", 10, Budget(target=10, initial=10, per_query=1)),
    ],
)
def test_pool_and_rounds_follow_algorithm_1(ratio: str, alpha: str, beta: str, total: int, expected: Budget):
    assert Budget.of(ratio, alpha, beta, total) == expected


shares = st.decimals("0.001", "1", places=3)


@given(shares, shares, shares, st.integers(1, 3000))
def test_there_is_always_something_to_learn_from_and_to_ask_for(
    ratio: Decimal, alpha: Decimal, beta: Decimal, total: int
):
    budget = Budget.of(ratio, alpha, beta, total)
    assert ratio * total <= budget.target < ratio * total + 1
    assert 1 <= budget.per_query <= budget.initial <= budget.target <= total


def test_a_budget_is_a_number_of_tiles_in_place_of_a_ratio():
    assert Budget.of_count(20, "0.1", "0.5") == Budget(target=20, initial=2, per_query=1)
    assert [count_of("0.05", None, 100), count_of(None, 20, 100), count_of(None, None, 100)] == [5, 20, None]
    with pytest.raises(SettingsError, match="budget 101 exceeds the 100 tiles of data_list; lower it"):
        count_of(None, 101, 100)
    assert [QuerySettings().amount, QuerySettings(labeled_ratio=Decimal("0.10")).amount] == ["0.05", "0.10"]
    assert (QuerySettings(budget=20).amount, QuerySettings(budget=20).labeled_ratio) == ("n20", None)
    with pytest.raises(SettingsError, match=r"budget 20 and labeled_ratio 0\.05 both say how many tiles"):
        QuerySettings(labeled_ratio=Decimal("0.05"), budget=20)
