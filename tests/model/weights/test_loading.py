"""Weights go into a network whole or not at all, and what does not fit is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from model.weights.loading import LoadReport, load_backbone, load_network
from model.weights.matching import is_generator_checkpoint
from tests.weight_writers import (
    FORMATS,
    Writer,
    assert_equal,
    refused,
    save_tar,
    save_zip,
    tiny_backbone,
    tiny_weights,
    without_counters,
)

# --- Backbones --------------------------------------------------------------------------------------------------------


def resnet(build: Callable[..., nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = build(weights=None)
    network.fc = nn.Identity()
    return network


@pytest.fixture(scope="module")
def resnet101_weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = torchvision.models.resnet101()
    for name, buffer in network.named_buffers():
        buffer.fill_(5) if name.endswith("tracked") else buffer.uniform_()
    return network.state_dict()


@pytest.fixture(scope="module")
def resnet101_backbone() -> nn.Module:
    return resnet(torchvision.models.resnet101, seed=1)


@pytest.mark.parametrize(("save", "counters"), [(save_zip, True), (save_tar, False)])
def test_every_tensor_of_resnet101_loads(
    tmp_path: Path, resnet101_weights: dict[str, Tensor], resnet101_backbone: nn.Module, save: Writer, counters: bool
):
    path = tmp_path / "resnet101-63fe2227.pth"
    save(resnet101_weights if counters else without_counters(resnet101_weights), path)
    nn.init.zeros_(resnet101_backbone.conv1.weight)
    before = {name: tensor.clone() for name, tensor in resnet101_backbone.state_dict().items()}
    report = load_backbone(resnet101_backbone, path)
    for name, tensor in resnet101_backbone.state_dict().items():
        kept = not counters and name.endswith("tracked")
        assert torch.equal(tensor, before[name] if kept else resnet101_weights[name]), name
    assert report.loaded == report.expected == (624 if counters else 520)
    assert report.skipped == ("fc.weight", "fc.bias")
    expected = f"{path.name}: {report.loaded} of {report.loaded} backbone tensors loaded; not used: fc.weight, fc.bias"
    assert str(report) == expected + ("" if counters else "; 104 num_batches_tracked not in the file, left at zero")
    path.unlink()


@FORMATS
@pytest.mark.parametrize("counters", [True, False], ids=["counters", "no counters"])
def test_every_tensor_of_a_small_resnet_loads(tmp_path: Path, save: Writer, counters: bool):
    path, backbone = tmp_path / "w.pth", resnet(torchvision.models.resnet18, seed=1)
    weights = torchvision.models.resnet18().state_dict()
    save(weights if counters else without_counters(weights), path)
    report = load_backbone(backbone, path)
    assert_equal(backbone.state_dict(), {name: weights[name] for name in backbone.state_dict()})
    assert report == LoadReport(
        loaded=120 if counters else 100,
        expected=120 if counters else 100,
        skipped=("fc.weight", "fc.bias"),
        source="w.pth",
        part="backbone",
        counters_at_zero=0 if counters else 20,
    )
    path.unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("conv1.weight"), ["1 of 7 tensors missing (conv1.weight)"]),
        (lambda w: w.update({"bn1.bias": torch.rand(5)}), ["bn1.bias is 5 float32 for 4 float32"]),
        (lambda w: w.update({"bn1.bias": torch.ones(4).long()}), ["bn1.bias is 4 int64 for 4 float32"]),
        (
            lambda w: w.update({"bn1.bias": torch.ones(4).to_sparse()}),
            ["bn1.bias is 4 float32 sparse_coo for 4 float32"],
        ),
        (lambda w: w.update({"bn1.bias": torch.ones(4, device="meta")}), ["bn1.bias is 4 float32 without values"]),
        (lambda w: w.update({"layer9.weight": torch.rand(5)}), ["1 unknown here (layer9.weight)"]),
    ],
    ids=["missing", "shape", "type", "sparse", "meta", "unknown"],
)
def test_backbone_is_unchanged_when_a_file_does_not_fit(tmp_path: Path, change: Callable, words: list[str]):
    path, backbone, weights = tmp_path / "w.pth", tiny_backbone(), tiny_weights()
    change(weights)
    save_zip(weights, path)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    message = refused(load_backbone, backbone, path)
    assert all(word in message for word in words), message
    assert_equal(backbone.state_dict(), before)


def test_another_resnet_is_named_with_the_file_that_fits(tmp_path: Path, resnet101_backbone: nn.Module):
    path = tmp_path / "resnet18.pth"
    save_zip(torchvision.models.resnet18().state_dict(), path)
    before = resnet101_backbone.conv1.weight.clone()
    message = refused(load_backbone, resnet101_backbone, path)
    for words in ("weights (ResNet-18)", "weights (ResNet-101)", "of 624 tensors missing", "resnet101-63fe2227.pth"):
        assert words in message
    assert torch.equal(resnet101_backbone.conv1.weight, before)


def test_deeper_resnet_does_not_pass_for_its_first_blocks(tmp_path: Path, resnet101_weights: dict[str, Tensor]):
    """Every name of a ResNet-50 occurs in a ResNet-101 too, with the same shape."""
    path = tmp_path / "w.pth"
    save_zip(resnet101_weights, path)
    with torch.device("meta"):
        backbone = torchvision.models.resnet50()
    backbone.fc = nn.Identity()
    message = refused(load_backbone, backbone, path)
    assert "306 unknown here (layer3.6.conv1.weight, " in message
    assert "use resnet50-0676ba61.pth" in message
    path.unlink()


# --- Networks of the project ------------------------------------------------------------------------------------------


def generator(num_classes: int = 3) -> nn.Module:
    return nn.ModuleDict({"backbone": tiny_backbone(), "head": nn.ModuleList([nn.Conv2d(4, num_classes, 3)])})


def discriminator(num_classes: int = 3) -> nn.Module:
    features = nn.Sequential(nn.Conv2d(num_classes + 3, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 4, 4))
    return nn.ModuleDict({"features": features, "classifier": nn.Linear(4, 1)})


@FORMATS
@pytest.mark.parametrize("build", [generator, discriminator])
def test_network_loads_its_checkpoint(tmp_path: Path, save: Writer, build: Callable[[], nn.Module]):
    path, saved, network = tmp_path / "checkpoint100.pth", build(), build()
    save(saved.state_dict(), path)
    report = load_network(network, path)
    assert_equal(network.state_dict(), saved.state_dict())
    total = len(saved.state_dict())
    assert str(report) == f"checkpoint100.pth: {total} of {total} network tensors loaded"


@pytest.mark.parametrize(
    ("found", "network", "words"),
    [
        (generator(6), generator(18), ["unknown backbone, 6 classes", "18 classes", "head.0.bias is 6 float32"]),
        (
            discriminator(),
            generator(),
            ["a discriminator's checkpoint (…_D.pth)", "6 unknown here (features"],
        ),
        (generator(), discriminator(), ["a generator checkpoint", "expected a discriminator's checkpoint"]),
        (torchvision.models.resnet18(), generator(), ["torchvision's ImageNet weights (ResNet-18)", "9 of 9 tensors"]),
        (nn.Linear(2, 2), generator(), ["a state dict of 2 tensors (weight, bias)"]),
    ],
    ids=["classes", "discriminator", "generator", "torchvision", "anything"],
)
def test_network_says_what_the_file_is_instead(tmp_path: Path, found: nn.Module, network: nn.Module, words: list[str]):
    path = tmp_path / "checkpoint100.pth"
    save_zip(found.state_dict(), path)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    message = refused(load_network, network, path)
    assert all(word in message for word in words), message
    assert_equal(network.state_dict(), before)


def test_generator_checkpoint_is_known_by_its_names():
    assert is_generator_checkpoint(generator().state_dict())
    assert not is_generator_checkpoint(discriminator().state_dict())
    assert not is_generator_checkpoint({**generator().state_dict(), "fc.weight": torch.zeros(1)})
    assert not is_generator_checkpoint({})


def test_names_from_a_file_stay_on_one_line(tmp_path: Path):
    path = tmp_path / "w.pth"
    save_zip({"a\nerror: b\x1b[2J": torch.zeros(1), "c" * 5000: torch.zeros(1)}, path)
    message = refused(load_network, generator(), path)
    assert "'a\\nerror: b\\x1b[2J'" in message
    assert len(message) < 1000


# --- Weights of a training that has diverged --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float):
    weights = tiny_weights()
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    weights[name].view(-1)[-1] = value
    backbone = tiny_backbone()
    save_zip({name: weights[name] for name in backbone.state_dict()}, tmp_path / "weights.pth")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    for load in (load_backbone, load_network):
        line = refused(load, backbone, tmp_path / "weights.pth")
        assert f"tensors hold NaN or infinite values ({name}); expected finite weights" in line
    assert_equal(backbone.state_dict(), before)
