import pytest
import torch
from torch import nn

from model.networks.deeplabv2 import DeepLabV2
from utils.compute.number_formats import PRECISIONS
from utils.compute.precision import autocast, exact_float32, keep_convolutions_in, resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_precision_that_is_named_is_used(precision):
    assert resolve_precision(precision, CPU) == precision
    assert resolve_precision(precision, torch.device("cuda")) == precision
    assert precision in PRECISIONS


@pytest.mark.parametrize(
    ("avx512", "extension", "onednn", "expected"),
    [
        (True, True, True, "bf16"),
        (True, False, True, "fp32"),  # oneDNN would emulate it there
        (False, False, False, "fp32"),
        (False, False, True, "bf16"),  # ARM
    ],
)
def test_auto_on_the_cpu(monkeypatch, avx512, extension, onednn, expected):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: extension)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    assert resolve_precision("auto", CPU) == expected


def test_auto_without_onednn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert resolve_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_cuda(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    assert resolve_precision("auto", torch.device("cuda")) == expected


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_matrices_are_multiplied_in_the_format(precision, dtype):
    with autocast(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("allowed", [True, False])
def test_exact_products_switch_tf32_off_for_a_while(allowed):
    switch = torch.backends.cuda.matmul
    before, switch.allow_tf32 = switch.allow_tf32, allowed
    try:
        with autocast("bf16", CPU), exact_float32(CPU):
            assert not switch.allow_tf32
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert switch.allow_tf32 == allowed
    finally:
        switch.allow_tf32 = before


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_convolutions_held_in_a_format_compute_what_autocast_does(precision):
    torch.manual_seed(0)
    network = DeepLabV2(3, "tiny").eval()
    images, seen = torch.randn(2, 3, 32, 32), []
    for _ in range(2):
        with torch.inference_mode(), autocast(precision, torch.device("cpu")):
            seen.append(network(images))
        keep_convolutions_in(precision, network)
    assert torch.equal(*seen)
    kinds = {module.weight.dtype for module in network.modules() if isinstance(module, nn.Conv2d)}
    assert kinds == {{"fp32": torch.float32, "bf16": torch.bfloat16}[precision]}
    assert network.backbone.bn1.running_var.dtype == torch.float32
