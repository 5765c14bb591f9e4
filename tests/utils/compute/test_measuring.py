import pytest
import torch

from utils.compute import measuring


@pytest.mark.parametrize(("found", "expected"), [(["570.1", "570.1"], "570.1"), ([], "unknown")])
def test_the_machine_is_named_with_its_driver(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A GPU")
    monkeypatch.setattr(measuring, "ask_gpus", lambda _: found)
    assert measuring.machine_name(torch.device("cuda")).startswith(f"A GPU, driver {expected}, CUDA ")
