"""What `tests/fake_cuda.py` is there to find is found."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from tests.fake_cuda import CUDA, HostWaitsError, fake_cuda, nothing_waits
from utils.compute.device import place


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda x: x.sum().item(), DataDependentOutputException),
        (lambda x: bool((x > 0).any()), DataDependentOutputException),
        (lambda x: x.tolist(), DataDependentOutputException),
        (lambda x: x.nonzero(), DynamicOutputShapeException),
        (lambda x: x[x > 0], DynamicOutputShapeException),
        (lambda x: torch.bincount(x), DynamicOutputShapeException),
        (lambda x: x.cpu(), HostWaitsError),
        (lambda x: x.new_tensor([1, 2]), HostWaitsError),
        (lambda x: x.masked_fill(x > 0, 1).__setitem__(x > 0, 255), HostWaitsError),
        (lambda x: x.__setitem__(0, 255), HostWaitsError),
        (lambda x: x + torch.ones(3, dtype=torch.int64).to(CUDA), HostWaitsError),
        (lambda x: x[torch.tensor([0, 1])], HostWaitsError),
        (lambda x: x[[0, 1]], HostWaitsError),
        (lambda x: torch.zeros(3).copy_(x), HostWaitsError),
    ],
)
def test_what_waits_for_the_device_is_an_error(monkeypatch, work, error):
    with fake_cuda(monkeypatch):
        values = torch.zeros(3, dtype=torch.int64, device=CUDA)
        with nothing_waits(), pytest.raises(error):
            work(values)


def test_what_does_not_wait_is_none(monkeypatch):
    batch = torch.zeros(3, dtype=torch.int64)
    with fake_cuda(monkeypatch), nothing_waits():
        values = batch.to(CUDA, non_blocking=True) + torch.arange(3, device=CUDA)
        values = torch.where(values > 0, values, 255).masked_fill(values == 3, 1) * 2.0 + values.new_full((), 3)
    assert values.device == CUDA


def test_moments_in_another_layout_are_an_error(monkeypatch):
    with fake_cuda(monkeypatch):
        layer = place(nn.Conv2d(4, 4, 3), CUDA)
        optimiser = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9, fused=True)
        for _ in range(2):
            layer(torch.zeros(1, 4, 8, 8, device=CUDA)).sum().backward()
            optimiser.step()
        optimiser.state[layer.weight]["momentum_buffer"] = torch.zeros(4, 4, 3, 3, device=CUDA)
        with pytest.raises(AssertionError):
            optimiser.step()
