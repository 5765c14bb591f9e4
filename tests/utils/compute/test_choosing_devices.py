"""Devices and loader processes as settings ask for them, on machines that are not there."""

import pytest
import torch

from utils.compute.device import choose_device, loader_workers
from utils.errors import OptionError
from utils.runs.settings import MachineSettings

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def prepared(monkeypatch):
    """Devices that were made ready, on a machine with four GPUs."""
    devices = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr("utils.compute.device.prepare_device", devices.append)
    return devices


def processes(monkeypatch, rank, count):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(count))


@pytest.mark.parametrize(
    ("rank", "count", "options", "expected"),
    [
        (0, 1, {}, 0),
        (0, 1, {"gpu": 3}, 3),
        (0, 1, {"cuda": True}, 0),
        (2, 4, {}, 2),
        (2, 4, {"gpu": 0}, 2),
        (1, 2, {"gpu": 2}, 3),
        (1, 2, {"gpu": 2, "device": "cuda"}, 3),
    ],
)
def test_processes_take_the_gpus_from_the_one_asked_for(monkeypatch, prepared, rank, count, options, expected):
    processes(monkeypatch, rank, count)
    assert choose_device(MachineSettings(**options)) == torch.device("cuda", expected)
    assert prepared == [torch.device("cuda", expected)]


@pytest.mark.parametrize(
    ("count", "gpu", "found"),
    [
        (1, 4, "GPU 4 is asked for, but torch sees 4"),
        (3, 2, "3 processes need GPUs 2 to 4"),
        (5, None, "5 processes need GPUs 0 to 4"),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_every_process_refuses_where_one_would_have_no_gpu(monkeypatch, prepared, rank, count, gpu, found):
    processes(monkeypatch, min(rank, count - 1), count)
    with pytest.raises(OptionError, match=found):
        choose_device(MachineSettings(gpu=gpu, device="cuda"))
    assert not prepared


def test_the_cpu_needs_no_preparing(prepared):
    assert choose_device(MachineSettings(device="cpu", gpu=1)) == CPU
    assert not prepared


@pytest.mark.parametrize(
    ("cores", "count", "loaders", "expected"),
    [(16, 1, 1, 8), (16, 1, 2, 7), (8, 1, 2, 3), (16, 4, 1, 3), (16, 4, 2, 1), (2, 1, 2, 1), (1, 8, 2, 1)],
)
def test_loaders_and_processes_share_the_cores(monkeypatch, cores, count, loaders, expected):
    processes(monkeypatch, 0, count)
    monkeypatch.setattr("utils.compute.device.usable_cores", lambda: cores)
    assert loader_workers(None, CUDA, loaders) == expected
    assert loader_workers(None, CPU, loaders) == 0
    assert loader_workers(5, CUDA, loaders) == 5
