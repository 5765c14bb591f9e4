"""VICReg's terms against their formulas, written out with loops."""

import math

import numpy as np
import pytest
import torch

from model.pretraining.vicreg import VICRegTerms, vicreg


def plain_terms(views: list[np.ndarray]) -> tuple[float, float, float]:
    """Equations 1 to 5 of the paper, with the halved hinge of its code."""
    (count, width), first, second = views[0].shape, *views
    invariance = sum((first[n, d] - second[n, d]) ** 2 for n in range(count) for d in range(width)) / (count * width)
    variance = covariance = 0.0
    for view in views:
        means = [sum(view[n, d] for n in range(count)) / count for d in range(width)]
        table = np.zeros((width, width))
        for i in range(width):
            for j in range(width):
                products = [(view[n, i] - means[i]) * (view[n, j] - means[j]) for n in range(count)]
                table[i, j] = sum(products) / (count - 1)
        variance += sum(max(0.0, 1 - math.sqrt(table[d, d] + 1e-4)) for d in range(width)) / width / 2
        covariance += sum(table[i, j] ** 2 for i in range(width) for j in range(width) if i != j) / width
    return invariance, variance, covariance


@pytest.mark.parametrize("scale", [0.3, 2.0])  # below and around the hinge
def test_terms_are_those_of_the_formulas(scale: float):
    rng = np.random.default_rng(0)
    views = [scale * rng.standard_normal((7, 5)) + rng.standard_normal(5) for _ in range(2)]
    expected = plain_terms(views)
    terms = vicreg(*(torch.from_numpy(view) for view in views))
    assert [float(term) for term in terms] == pytest.approx(expected, rel=1e-9)
    assert float(terms.loss) == pytest.approx(25 * expected[0] + 25 * expected[1] + expected[2], rel=1e-9)
    assert expected[1] > 0


def test_what_each_term_asks_for():
    views = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double() * 2
    assert vicreg(views, views) == VICRegTerms(0, 0, 0)  # alike, spread out, uncorrelated
    collapsed = torch.ones(4, 2, dtype=torch.float64)
    assert float(vicreg(collapsed, collapsed).variance) == pytest.approx(0.99)  # 1 - sqrt(1e-4)
    same = views[:, :1].repeat(1, 2)
    assert float(vicreg(same, same).covariance) == pytest.approx(2 * (16 / 3) ** 2)


def test_a_collapsed_batch_has_gradients():
    collapsed = torch.zeros(4, 3, requires_grad=True)
    (vicreg(collapsed, collapsed + torch.randn(4, 3) * 1e-3).loss).backward()
    assert collapsed.grad is not None
    assert torch.isfinite(collapsed.grad).all()
    assert collapsed.grad.abs().sum() > 0
