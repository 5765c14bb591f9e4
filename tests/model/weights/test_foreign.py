"""Backbones of other programs: prefixes, what lies beside an encoder, other bands, no last layer."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.networks.classifier import Classifier
from model.networks.deeplabv2 import DeepLabV2
from model.networks.resnet import build_encoder
from model.weights.loading import LoadReport, load_backbone
from tests.weight_writers import assert_equal, refused

TEN = tuple(f"band {number}" for number in range(10))


def encoder_weights(bands: int = 3, seed: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build_encoder("tiny", bands)[0].state_dict()


def prefixed(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


def moco(weights: dict[str, Tensor], version: int = 2) -> dict[str, object]:
    """A checkpoint as MoCo's published code saves it, of the query's and the key's encoder and the queue."""
    heads = {1: {"fc.weight": torch.rand(128, 512), "fc.bias": torch.rand(128)}}
    heads[2] = {
        f"fc.{n}.{name}": torch.rand(4, *rest) for n in (0, 2) for name, rest in (("weight", (4,)), ("bias", ()))
    }
    query, key = weights | heads[version], encoder_weights(seed=4) | heads[version]
    state = prefixed("module.encoder_q.", query) | prefixed("module.encoder_k.", key)
    state |= {"module.queue": torch.rand(128, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": {"param_groups": [{"lr": 0.1}]}}


def loaded(path: Path, content: object, bands: tuple[str, ...] | None = None) -> tuple[dict[str, Tensor], LoadReport]:
    torch.save(content, path)
    backbone = DeepLabV2(2, "tiny", bands=len(bands or "rgb")).backbone
    report = load_backbone(backbone, path, bands) if bands else load_backbone(backbone, path)
    return backbone.state_dict(), report


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: prefixed("module.", weights),
        lambda weights: prefixed("backbone.", weights),
        lambda weights: prefixed("encoder.", weights),
        lambda weights: {"state_dict": prefixed("module.backbone.", weights), "epoch": 3},
        lambda weights: {"model": prefixed("encoder_q.", weights)},
        lambda weights: {"state_dict": prefixed("encoder.", weights) | {"projector.0.weight": torch.rand(2, 2)}},
        lambda weights: weights | {"fc.weight": torch.rand(7, 512), "fc.bias": torch.rand(7)},
        lambda weights: moco(weights, 1),
        lambda weights: moco(weights, 2),
    ],
)
def test_a_backbone_loads_whole_from_under_its_prefix(tmp_path: Path, wrap: Callable[[dict[str, Tensor]], object]):
    weights = encoder_weights()
    found, report = loaded(tmp_path / "w.pth", wrap(weights))
    assert_equal(found, weights)
    assert str(report).startswith("w.pth: 96 of 96 backbone tensors loaded")
    assert report.taken_for == ()


def test_what_is_not_used_is_named(tmp_path: Path):
    _, report = loaded(tmp_path / "w.pth", moco(encoder_weights()))
    assert {"fc.0.weight", "queue", "queue_ptr", "encoder_k.conv1.weight"} <= set(report.skipped)


@pytest.mark.parametrize("version", [1, 2])
def test_a_classifiers_last_layer_stays_new(tmp_path: Path, version: int):
    weights = encoder_weights()
    torch.save(moco(weights, version), tmp_path / "moco.pth.tar")
    classifier = Classifier("tiny", 4)
    before = classifier.network.fc.weight.clone()
    report = classifier.load_file(tmp_path / "moco.pth.tar")
    assert report.left_new == ("fc.weight", "fc.bias")
    assert "new, as the file has no such layer: fc.weight, fc.bias" in str(report)
    assert torch.equal(classifier.network.fc.weight, before)
    found = {name: tensor for name, tensor in classifier.network.state_dict().items() if not name.startswith("fc.")}
    assert_equal(found, weights)


def test_a_last_layer_that_fits_is_loaded(tmp_path: Path):
    whole = Classifier("tiny", 4).network.state_dict()
    torch.save(prefixed("encoder.", whole), tmp_path / "w.pth")
    classifier = Classifier("tiny", 2)
    assert classifier.load_file(tmp_path / "w.pth").left_new == ()
    assert_equal(classifier.network.state_dict(), whole)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w.pop("encoder.layer3.0.conv2.weight"), "1 of 96 tensors missing (layer3.0.conv2.weight)"),
        (lambda w: w.update({"encoder.layer9.weight": torch.rand(1)}), "1 unknown here (layer9.weight)"),
        (lambda w: w.update({"decoder.weight": torch.rand(1)}), "1 unknown here (decoder.weight)"),
        (lambda w: w.update({"encoder.bn1.bias": torch.rand(3)}), "bn1.bias is 3 float32 for 64 float32"),
    ],
)
def test_a_part_of_a_backbone_is_refused(tmp_path: Path, spoil: Callable[[dict[str, Tensor]], object], words: str):
    weights = prefixed("encoder.", encoder_weights())
    spoil(weights)
    torch.save(weights, tmp_path / "w.pth")
    backbone, _ = build_encoder("tiny")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    assert words in refused(load_backbone, backbone, tmp_path / "w.pth")
    assert_equal(backbone.state_dict(), before)


def test_a_generator_is_no_backbone(tmp_path: Path):
    torch.save(DeepLabV2(3, "tiny").state_dict(), tmp_path / "checkpoint1.pth")
    line = refused(load_backbone, build_encoder("tiny")[0], tmp_path / "checkpoint1.pth")
    assert "a generator checkpoint (ResNet-14, 3 classes)" in line
    assert "8 unknown here (head.0.weight" in line


# --- Weights for other bands, such as torchgeo's ----------------------------------------------------------------------


def test_weights_of_as_many_bands_are_taken_and_it_is_said_for_which(tmp_path: Path):
    weights = encoder_weights(10)
    found, report = loaded(tmp_path / "sentinel.pth", weights, TEN)
    assert_equal(found, weights)
    assert str(report).endswith(f"does not say its bands and is taken to be for {', '.join(TEN)}, in this order")


@pytest.mark.parametrize(("theirs", "ours"), [(13, TEN), (4, ("red", "green", "blue")), (2, TEN)])
def test_weights_of_other_bands_are_refused(tmp_path: Path, theirs: int, ours: tuple[str, ...]):
    torch.save(encoder_weights(theirs), tmp_path / "w.pth")
    backbone, _ = build_encoder("tiny", len(ours))
    line = refused(lambda path: load_backbone(backbone, path, ours), tmp_path / "w.pth")
    assert line.partition("w.pth: ")[2] == (
        f"weights for images of {theirs} bands; expected {len(ours)} bands ({', '.join(ours)}); use weights of these "
        "bands, or make some with tools/pretrain.py"
    )
