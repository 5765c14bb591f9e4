"""The learner on a CUDA device that is not there; `tests/fake_cuda.py` says what of it stays a stub."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from model.learning.learner import Learner
from model.networks.classifier import FEATURES, Classifier
from tests.fake_cuda import CUDA, fake_cuda, nothing_waits, output_types

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class Batch(NamedTuple):
    image: Tensor
    size: Tensor
    label: Tensor


def batch_of(*labels: int) -> Batch:
    count = len(labels)
    sizes = torch.tensor([(32, 28)] * count)
    return Batch(torch.zeros(count, 3, 32, 32, dtype=torch.uint8), sizes, torch.tensor(labels))


BATCHES = [batch_of(0, -1, 1), batch_of(-1, 1, -1), batch_of(-1, -1, -1)]  # -1: without a label
SCORED = batch_of(-1, -1)


@pytest.fixture(autouse=True)
def device(monkeypatch):
    with fake_cuda(monkeypatch):
        yield


def learner_of(precision: str) -> Learner:
    return Learner(Classifier("tiny", 2), CUDA, precision, learning_rate=0.01, momentum=0.9)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_fit_never_waits_for_the_device(precision):
    learner = learner_of(precision)
    seen = output_types(learner.classifier, nn.Conv2d)
    fit = learner.fit_batches(BATCHES)
    with nothing_waits():
        losses = list(fit)
    assert seen == {"Conv2d": {DTYPES[precision]}}
    assert {(loss.dtype, loss.device) for loss in losses} == {(torch.float32, CUDA)}
    assert learner._scaler.is_enabled() == (precision == "fp16")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scores_are_float32_and_the_last_layer_is_not_rounded(precision):
    learner = learner_of(precision)
    seen = output_types(learner.classifier, nn.Conv2d)
    last = output_types(learner.classifier.head, nn.Linear)
    (scores,) = learner.score_batches([SCORED], passes=2, with_features=True)
    assert seen == {"Conv2d": {DTYPES[precision]}}
    assert last == {"Linear": {torch.float32}}
    assert [(tuple(part.shape), part.dtype) for part in scores] == [
        ((2, 2), torch.float32),
        ((2, FEATURES), torch.float32),
        ((2,), torch.float32),
    ]


def test_scoring_waits_for_its_results_alone(monkeypatch):
    learner, waits = learner_of("bf16"), []
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: waits.append(tensor.device) or tensor)
    with nothing_waits():
        list(learner.score_batches([SCORED], passes=2, with_features=True))
    assert waits == [CUDA] * 3  # probabilities, features, disagreement
