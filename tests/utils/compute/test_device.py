from collections.abc import Iterator

import pytest
import torch

from model.networks.deeplabv2 import DeepLabV2
from utils.compute.device import MEMORY_FORMAT, place, prepare_device, uses_tf32

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 1)
SWITCHES = {
    "matmul": (torch.backends.cuda.matmul, "allow_tf32"),
    "convolutions": (torch.backends.cudnn, "allow_tf32"),
    "choice": (torch.backends.cudnn, "benchmark"),
}


def switches() -> dict[str, bool]:
    return {name: getattr(where, switch) for name, (where, switch) in SWITCHES.items()}


@pytest.fixture
def switched_off() -> Iterator[None]:
    before = switches()
    for where, switch in SWITCHES.values():
        setattr(where, switch, False)
    yield
    for name, (where, switch) in SWITCHES.items():
        setattr(where, switch, before[name])


def test_a_cuda_device_becomes_the_processs_own_with_fast_convolutions(monkeypatch, switched_off):
    own = []
    monkeypatch.setattr(torch.cuda, "set_device", own.append)
    prepare_device(CPU)
    assert not any(switches().values())
    assert not own
    prepare_device(CUDA)
    assert all(switches().values())
    assert own == [CUDA]


@pytest.mark.parametrize(("capability", "expected"), [((7, 0), False), ((8, 0), True), ((9, 0), True)])
def test_tf32_is_stated_where_it_is_allowed_and_the_device_has_it(monkeypatch, switched_off, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert not uses_tf32(CUDA)
    torch.backends.cuda.matmul.allow_tf32 = True
    assert uses_tf32(CUDA) is expected
    assert not uses_tf32(CPU)


def test_networks_lie_as_convolutions_are_fastest_on():
    network = place(DeepLabV2(3, "tiny"), CPU)
    weight = network.backbone.layer2[0].conv2.weight
    assert weight.is_contiguous(memory_format=MEMORY_FORMAT)
    assert not weight.is_contiguous()
