"""A step of pre-training on a CUDA device that is not there; `tests/fake_cuda.py` says what of it stays a stub."""

import pytest
import torch
from torch import nn

from model.networks.resnet import build_encoder
from model.pretraining.pretrainer import Pretrainer
from model.pretraining.settings import TaskSettings
from tests.fake_cuda import CUDA, fake_cuda, nothing_waits, output_types
from tests.model.pretraining.test_pretrainer import make_batch

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@pytest.fixture(autouse=True)
def device(monkeypatch):
    with fake_cuda(monkeypatch):
        yield


@pytest.mark.parametrize(("task", "precision"), [("self", "bf16"), ("self", "fp16"), ("scenes", "fp32")])
def test_a_step_never_waits_for_the_device(task: str, precision: str):
    encoder, features = build_encoder("tiny")
    pretrainer = Pretrainer(encoder, features, TaskSettings(task), 9, CUDA, precision, classes=2)
    seen = output_types(pretrainer.encoder, nn.Conv2d)
    heads = output_types(pretrainer.head, nn.Linear)
    batch = make_batch(4, 2 if task == "self" else 1)
    pretrainer.train_step(batch, 0)
    with nothing_waits():
        watched = pretrainer.train_step(batch, 1)
    assert seen == {"Conv2d": {DTYPES[precision]}}
    assert heads == {"Linear": {torch.float32}}
    assert {(value.dtype, value.device) for name, value in watched.items() if name != "broken_step"} == {
        (torch.float32, CUDA)
    }
    assert pretrainer.scaler.is_enabled() == (precision == "fp16")
