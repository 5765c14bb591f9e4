import pytest
import torch

from utils.finite import not_finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_tensors_that_are_not_finite_are_named(value):
    tensors = {name: torch.zeros(2, 3) for name in ("a", "b", "c")} | {
        "steps": torch.tensor(7),
        "empty": torch.zeros(0),
    }
    assert not_finite(tensors) == []
    tensors["b"][1, 2] = value
    tensors["half"] = torch.tensor([value], dtype=torch.bfloat16)
    assert not_finite(tensors) == ["b", "half"]


def test_nothing_is_finite():
    assert not_finite({}) == not_finite({"steps": torch.tensor(7)}) == []
