"""Accuracy of the nearest neighbours, on features whose neighbours are known."""

import math

import pytest
import torch
from torch import Tensor

from model.pretraining.neighbours import neighbour_accuracy


def at(*degrees: float) -> Tensor:
    """Points on a circle, of different lengths, which cosine does not see."""
    radians = [math.radians(angle) for angle in degrees]
    return torch.tensor([[(1 + n) * math.cos(r), (1 + n) * math.sin(r)] for n, r in enumerate(radians)])


def test_the_majority_of_five_decides():
    known, classes = at(0, 1, 2, 3, 4, 90, 91), torch.tensor([0, 1, 1, 1, 1, 2, 2])
    assert neighbour_accuracy(at(1.9), torch.tensor([1]), known, classes) == 1
    assert neighbour_accuracy(at(1.9, 89), torch.tensor([1, 2]), known, classes) == 0.5  # three of five are 1
    assert neighbour_accuracy(at(1.9, 89), torch.tensor([1, 2]), known, classes, 2) == 1


def test_of_equally_many_the_nearer_ones_decide():
    known, classes = at(0, 10, 20, 30), torch.tensor([3, 3, 0, 0])
    assert neighbour_accuracy(at(1), torch.tensor([3]), known, classes) == 1
    assert neighbour_accuracy(at(29), torch.tensor([0]), known, classes) == 1


def test_without_tiles_nothing_is_measured():
    assert math.isnan(neighbour_accuracy(torch.empty(0, 2), torch.empty(0).long(), at(0), torch.tensor([0])))


def test_blocks_count_as_one(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    arrays = (torch.randn(30, 4), torch.arange(30) % 3, torch.randn(40, 4), torch.arange(40) % 3)
    whole = neighbour_accuracy(*arrays)
    monkeypatch.setattr("model.pretraining.neighbours._BLOCK", 7)
    assert neighbour_accuracy(*arrays) == whole
    assert 0 < whole < 1
