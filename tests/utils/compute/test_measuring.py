import pytest
import torch

from utils.compute import measuring


def test_the_machine_is_named_with_its_driver(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A GPU")
    monkeypatch.setattr(measuring, "_driver", lambda _: "570.1")
    assert measuring.machine_name(torch.device("cuda")).startswith("A GPU, driver 570.1, CUDA ")


@pytest.mark.parametrize("found", ["570.1\n570.1\n", ""])
def test_the_driver_is_asked_for_and_may_be_unknown(monkeypatch, found):
    answer = type("Answer", (), {"stdout": found})
    monkeypatch.setattr(measuring.subprocess, "run", lambda *_, **__: answer)
    assert measuring._driver(torch.device("cuda")) == (found.split()[0] if found else "unknown")
