import pytest
import torch

from tests.utils.evaluation.calibration.test_temperature import drawn
from utils.evaluation.calibration.reliability import BINS, Reliability
from utils.evaluation.calibration.temperature import tempered


def plain_error(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """The definition, bin by bin."""
    confidence, predicted = probabilities.max(dim=1)
    error = 0.0
    for number in range(1, BINS + 1):
        inside = (confidence > (number - 1) / BINS) & (confidence <= number / BINS)
        if inside.any():
            gap = (predicted == labels)[inside].double().mean() - confidence[inside].double().mean()
            error += float(inside.double().mean() * gap.abs())
    return error


def test_the_error_is_that_of_the_definition():
    probabilities, labels = drawn(4000, temperature=2)
    found = Reliability.of(probabilities, labels, torch.ones(4000))
    assert found.error == pytest.approx(plain_error(probabilities, labels), rel=1e-6)
    assert sum(found.share) == pytest.approx(1)
    right = (probabilities.argmax(dim=1) == labels).double().mean()
    assert found.overall_accuracy == pytest.approx(float(right))
    assert found.mean_confidence == pytest.approx(float(probabilities.amax(dim=1).mean()), rel=1e-5)


def test_an_error_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    found = Reliability.of(probabilities, torch.tensor([0, 1, 1, 1]), torch.tensor([1.0, 1.0, 1.0, 2.0]))
    assert found.error == pytest.approx((2 * 0.4 + 1 * 0.4 + 2 * 0) / 5)
    assert found.accuracy[-1] == 1
    assert found.accuracy[8] == 1  # 0.6 is the end of the ninth of fifteen bins
    assert found.accuracy[13] == pytest.approx(0.5)
    assert found.confidence[0] is None


def test_the_right_temperature_takes_the_error_away():
    probabilities, labels = drawn(40_000, temperature=3)
    weights = torch.ones(len(labels))
    before = Reliability.of(probabilities, labels, weights)
    after = Reliability.of(tempered(probabilities.T, 3.0).T, labels, weights)
    assert before.error > 0.1
    assert after.error < 0.01
    assert before.overall_accuracy == after.overall_accuracy
