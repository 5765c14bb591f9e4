import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from utils.evaluation.calibration.temperature import (
    HIGHEST,
    LOWEST,
    fit_temperature,
    negative_log_likelihood,
    tempered,
)


def drawn(pixels: int, classes: int = 4, seed: int = 0, temperature: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of a network that is too sure by a factor, and labels drawn from what it should have said."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(pixels, classes, generator=generator)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return (temperature * logits).softmax(dim=1), labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_of_a_network_that_is_too_sure_is_found(temperature: float):
    probabilities, labels = drawn(40_000, temperature=temperature)
    fitted = fit_temperature(probabilities, labels, torch.ones(len(labels)))
    assert fitted == pytest.approx(temperature, rel=0.03)


def test_the_fit_is_the_minimum_that_a_search_finds():
    probabilities, labels = drawn(3000, temperature=1.7)
    weights = torch.rand(3000, generator=torch.Generator().manual_seed(1))

    def loss(temperature: float) -> float:
        return negative_log_likelihood(tempered(probabilities.T.double(), temperature).T, labels, weights)

    found = minimize_scalar(loss, bounds=(0.2, 8), method="bounded", options={"xatol": 1e-6}).x
    assert fit_temperature(probabilities, labels, weights) == pytest.approx(found, rel=1e-4)


def test_weights_count_as_repetitions():
    probabilities, labels = drawn(500, temperature=2)
    weights = torch.randint(0, 4, (500,), generator=torch.Generator().manual_seed(0))
    repeated = torch.repeat_interleave(torch.arange(500), weights)
    expected = fit_temperature(probabilities[repeated], labels[repeated], torch.ones(len(repeated)))
    assert fit_temperature(probabilities, labels, weights) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("is_right", "expected"), [(True, LOWEST), (False, HIGHEST)])
def test_without_errors_or_hits_the_temperature_stays_in_bounds(is_right: bool, expected: float):
    probabilities = drawn(100)[0]
    labels = probabilities.argmax(dim=1) if is_right else probabilities.argmin(dim=1)
    assert fit_temperature(probabilities, labels, torch.ones(100)) == pytest.approx(expected, rel=0.01)


def test_equal_probabilities_leave_the_temperature_at_one():
    assert fit_temperature(torch.full((9, 3), 1 / 3), torch.zeros(9, dtype=torch.int64), torch.ones(9)) == 1


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0, 3.0, 20.0])
def test_tempered_probabilities_are_those_of_logits_at_a_temperature(temperature: float):
    logits = 5 * torch.randn(6, 3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (logits / temperature).softmax(dim=0)
    torch.testing.assert_close(tempered(logits.softmax(dim=0), temperature), expected)
    np.testing.assert_allclose(tempered(logits.softmax(dim=0).numpy(), temperature), expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 20.0])
def test_tempered_float32_stays_a_distribution(temperature: float):
    many = torch.full((254, 2), 1 / 254)  # 1/254 to the power of 20 is nothing in float32
    many[:, 1] = torch.nn.functional.one_hot(torch.tensor(3), 254)
    for result in (tempered(many, temperature), torch.from_numpy(tempered(many.numpy(), temperature))):
        assert result.dtype == torch.float32
        torch.testing.assert_close(result.sum(dim=0), torch.ones(2))
        assert int(result[:, 1].argmax()) == 3
