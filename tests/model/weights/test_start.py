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
from utils.errors import DataError
from utils.imagery.bands import Bands
from utils.runs.record import RunRecord
from utils.settings import SettingsError

TINY = NetworkSettings("tiny")
NIR = Bands(("red", "nir"), (1, 2), ((0, 255),) * 2, (0.5,) * 2, (0.2,) * 2, (0,))


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


def run_of(
    folder: Path, backbone: str = "tiny", classes: tuple[str, ...] = ("a", "b", "c"), **files: DeepLabV2
) -> Path:
    folder.mkdir()
    for name, network in files.items():
        torch.save(network.state_dict(), folder / f"{name}.pth")
    classes, colours = ("a", "b", "c"), tuple((i, i, i) for i in range(3))
    RunRecord(backbone, classes, colours, imagenet_weights=True).write(folder / "options.json")
    return folder


def test_a_run_goes_on_from_the_best_checkpoint_of_another(tmp_path: Path, capsys):
    networks = [DeepLabV2(3, "tiny") for _ in range(3)]
    run = run_of(tmp_path / "run", checkpoint10=networks[0], checkpoint9=networks[1], best=networks[2])
    generator, settings = DeepLabV2(3, "tiny"), replace(TINY, restore_from=run)
    for expected in (networks[2], networks[0]):  # the best, or else the newest
        assert load_first_weights(generator, settings, classes=("a", "b", "c"))  # as frozen as that run was
        assert all(torch.equal(tensor, expected.state_dict()[name]) for name, tensor in generator.state_dict().items())
        (run / "best.pth").unlink(missing_ok=True)
    assert "has no best.pth, as it was not validated" in capsys.readouterr().out


def test_runs_that_do_not_fit_are_refused(tmp_path: Path):
    generator, network = DeepLabV2(3, "tiny"), DeepLabV2(3, "tiny")
    empty, other = run_of(tmp_path / "empty"), run_of(tmp_path / "other", "resnet18", best=network)
    with pytest.raises(SettingsError, match="empty holds no checkpoint; give the folder of a training run"):
        load_first_weights(generator, replace(TINY, restore_from=empty))
    with pytest.raises(SettingsError, match="is a run with backbone resnet18, and this one has tiny"):
        load_first_weights(generator, replace(TINY, restore_from=other))
    run = run_of(tmp_path / "run", best=network)
    with pytest.raises(DataError, match="is a run with the classes a, b, c, and this data set has a, b, d"):
        load_first_weights(generator, replace(TINY, restore_from=run), classes=("a", "b", "d"))
    with pytest.raises(DataError, match="is a run with the bands red, green, blue, and this data set has red, nir"):
        load_first_weights(generator, replace(TINY, restore_from=run), bands=NIR)
