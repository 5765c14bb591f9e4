"""The weights that a run starts from: the backbone's own ImageNet file, a named one, or none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from model.networks.deeplabv2 import DeepLabV2
from model.networks.names import BACKBONES
from model.settings import NetworkSettings
from model.weights import defaults
from model.weights.start import load_first_weights
from utils.settings import SettingsError

TINY = NetworkSettings("tiny")


def test_the_imagenet_file_of_a_backbone_fills_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(defaults, "_FOLDER", tmp_path)
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18()
    torch.save(resnet.state_dict(), tmp_path / "resnet18-f37072fd.pth")
    generator = DeepLabV2(3, "resnet18")
    assert load_first_weights(generator, NetworkSettings("resnet18"))
    assert "resnet18-f37072fd.pth: 120 of 120 backbone tensors loaded; not used: fc.weight" in capsys.readouterr().out
    for name, tensor in generator.backbone.state_dict().items():
        assert torch.equal(tensor, resnet.state_dict()[name]), name


@pytest.mark.parametrize("backbone", [name for name, file in BACKBONES.items() if file])
def test_a_missing_imagenet_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str):
    monkeypatch.setattr(defaults, "_FOLDER", tmp_path)
    with pytest.raises(SettingsError) as refusal:
        load_first_weights(DeepLabV2(3, "tiny"), NetworkSettings(backbone))
    expected = f"{tmp_path / str(BACKBONES[backbone])}, the ImageNet weights of {backbone}, is not there; fetch it"
    assert str(refusal.value).startswith(expected)
    assert "given" not in str(refusal.value)


def test_a_generators_checkpoint_fills_the_whole_network_and_is_not_imagenets(tmp_path: Path):
    torch.manual_seed(0)
    saved, generator = DeepLabV2(3, "tiny"), DeepLabV2(3, "tiny")
    torch.save(saved.state_dict(), tmp_path / "checkpoint1.pth")
    assert not load_first_weights(generator, replace(TINY, restore_from=str(tmp_path / "checkpoint1.pth")))
    assert all(torch.equal(tensor, saved.state_dict()[name]) for name, tensor in generator.state_dict().items())


@pytest.mark.parametrize("source", [None, "none", "None"])
def test_random_weights_are_said_to_be_so(source: str | None, capsys):
    assert not load_first_weights(DeepLabV2(3, "tiny"), replace(TINY, restore_from=source))
    assert capsys.readouterr().out == "tiny starts from random weights\n"
