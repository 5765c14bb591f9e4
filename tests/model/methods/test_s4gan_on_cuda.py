"""s4GAN's step on a CUDA device that is not there; `tests/fake_cuda.py` says what of it stays a stub."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from model.methods.s4gan import S4GAN
from model.methods.settings import Execution
from model.methods.supervised import Supervised
from tests.fake_cuda import CUDA, fake_cuda, nothing_waits, output_types
from tests.plain_s4gan import LABELLED, SETTINGS, UNLABELLED_PAIR, networks

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
LOSSES = {"loss_ce", "loss_S"}
OF_THE_DISCRIMINATOR = {"loss_fm", "loss_st", "loss_D", "D_real", "D_fake", "believed"}


@pytest.fixture(autouse=True)
def device(monkeypatch):
    with fake_cuda(monkeypatch):
        yield


@pytest.mark.parametrize(("precision", "accumulate"), [("fp32", 1), ("bf16", 2), ("fp16", 1)])
def test_a_step_never_waits_for_the_device(precision, accumulate):
    settings = replace(SETTINGS, accumulate=accumulate, ignore_label=1)
    s4gan = S4GAN(*networks(), settings, CUDA, Execution(precision))
    generated = output_types(s4gan.generator, nn.Conv2d)
    judged = output_types(s4gan.discriminator, nn.Conv2d, nn.Linear)
    with nothing_waits():
        losses = s4gan.train_step(LABELLED, UNLABELLED_PAIR, 0)
    assert generated == {"Conv2d": {DTYPES[precision]}}
    assert judged == {"Conv2d": {DTYPES[precision]}, "Linear": {torch.float32}}
    assert {losses[name].dtype for name in LOSSES | OF_THE_DISCRIMINATOR} == {torch.float32}
    assert {value.device for value in losses.values()} == {CUDA}
    assert s4gan.generator_scaler.is_enabled() == s4gan.discriminator_scaler.is_enabled() == (precision == "fp16")


@pytest.mark.parametrize(("precision", "accumulate"), [("fp16", 2), ("bf16", 1)])
def test_neither_does_one_on_labelled_tiles_alone(precision, accumulate):
    settings = replace(SETTINGS, accumulate=accumulate, freeze_bn=True)
    s4gan = Supervised(networks()[0], settings, CUDA, Execution(precision, freeze_affine=True))
    generated = output_types(s4gan.generator, nn.Conv2d)
    with nothing_waits():
        losses = s4gan.train_step(LABELLED, None, 0)
    assert generated == {"Conv2d": {DTYPES[precision]}}
    assert {losses[name].dtype for name in LOSSES} == {torch.float32}
    momenta = [state["momentum_buffer"] for state in s4gan.generator_optimiser.state.values()]
    weights = [p for p in s4gan.generator.parameters() if p.requires_grad]
    assert {(m.shape, m.stride()) for m in momenta} == {(p.shape, p.stride()) for p in weights}
