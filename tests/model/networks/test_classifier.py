import hashlib
import urllib.error
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from model.networks.classifier import FEATURES, Classifier
from model.networks.names import classifier_names
from utils.errors import DataError, OptionError
from utils.imagery.images import normalise


def without_values(name: str, num_classes: int = 21) -> Classifier:
    with torch.device("meta"):
        return Classifier(name, num_classes)


@pytest.fixture
def tiny() -> Classifier:
    torch.manual_seed(0)
    return Classifier("tiny", 3).eval()


@pytest.mark.parametrize(
    ("name", "torchvisions"),
    [("res50", "resnet50"), ("res101", "resnet101"), ("vgg16", "vgg16"), ("mobilenet_v2", "mobilenet_v2")],
)
def test_names_of_networks(name, torchvisions):
    classifier = without_values(name)
    with torch.device("meta"):
        expected = models.get_model(torchvisions).state_dict()
    assert classifier.model_name == torchvisions
    found = {n: t.shape for n, t in classifier.network.state_dict().items()}
    assert found == {n: t.shape for n, t in expected.items()}
    assert (classifier.head.in_features, classifier.head.out_features) == (1000, 21)


@pytest.mark.parametrize(
    ("typo", "nearest"), [("res5", "res50"), ("Resnet50", "resnet50"), ("vgg_16", "vgg16"), ("vit_b16", "vit_b_16")]
)
def test_an_unknown_network_offers_the_nearest_names(typo, nearest):
    with pytest.raises(OptionError, match=f"unknown network '{typo}'; did you mean .*\\b{nearest}\\b"):
        Classifier(typo, 2)


def test_every_name_on_offer_is_a_classifier_of_torchvision():
    names = classifier_names()
    assert names[:3] == ["res50", "res101", "tiny"]
    assert {"resnet18", "vgg16", "densenet121", "vit_b_16", "inception_v3"} < set(names)
    assert not {"fcn_resnet50", "raft_large", "fasterrcnn_resnet50_fpn", "quantized_resnet50"} & set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "fixed", "minimum"),
    [
        ("vit_b_16", 224, 224),
        ("maxvit_t", 224, 224),
        ("res50", None, 1),
        ("alexnet", None, 63),
        ("vgg16", None, 32),
        ("inception_v3", None, 75),
        ("vit_h_14", 224, 1),  # has no ImageNet weights of the first kind
        ("tiny", None, 1),
    ],
)
def test_sizes_that_a_network_takes(name, fixed, minimum):
    classifier = without_values(name)
    assert classifier.fixed_size == fixed
    assert classifier.minimum_size == minimum


@pytest.mark.parametrize(("name", "size"), [("vit_b_16", 224), ("alexnet", 63), ("vgg16", 32), ("inception_v3", 75)])
def test_the_smallest_size_runs(name, size):
    images = torch.empty(2, 3, size, size, device="meta")
    assert without_values(name).eval().features(images).shape == (2, FEATURES)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_no_auxiliary_outputs_in_training(name):
    classifier = without_values(name).train()
    assert classifier.features(torch.empty(2, 3, 96, 96, device="meta")).shape == (2, FEATURES)
    assert not [n for n, _ in classifier.network.named_parameters() if "aux" in n.lower()]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_googles_networks_see_images_between_minus_one_and_one(name):
    """Their ImageNet weights were trained so; torchvision converts from its own normalisation inside the network."""
    images = torch.rand(2, 3, 5, 5)
    torch.testing.assert_close(without_values(name).network._transform_input(normalise(images)), 2 * images - 1)


def test_features_are_the_input_of_the_last_layer(tiny):
    images = torch.randn(2, 3, 40, 40)
    seen: list[Tensor] = []
    tiny.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        logits, features = tiny(images), tiny.features(images)
        expected = tiny.network(images)
    assert features.shape == (2, 1000)
    assert torch.equal(features, expected)
    assert torch.equal(features, seen[0])
    torch.testing.assert_close(logits, features @ tiny.head.weight.T + tiny.head.bias)


# ImageNet weights: downloaded once into torch's cache, read like any other file


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("no route to host"),
        PermissionError("not allowed"),
        RuntimeError('invalid hash value (expected "7be5", got "12ab")'),
    ],
)
def test_a_failed_download_names_the_file_and_the_way_around(monkeypatch, cache, failure):
    def download(*args: object) -> None:
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(OptionError) as caught:
        without_values("res50").load_imagenet()
    message = str(caught.value)
    assert "resnet50-0676ba61.pth" in message
    assert "https://download.pytorch.org/models/resnet50-0676ba61.pth" in message
    assert "classifier_weights" in message
    assert str(failure) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["tiny", "vit_h_14"])
def test_a_network_without_imagenet_weights_says_so(name):
    with pytest.raises(OptionError, match="has no ImageNet weights; give classifier_weights none"):
        without_values(name).load_imagenet()


def test_weights_are_downloaded_once_and_fill_the_whole_network(monkeypatch, cache):
    torch.manual_seed(1)
    source = models.squeezenet1_1()
    urls = []

    def download(url: str, path: str, hash_prefix: str) -> None:
        urls.append((url, hash_prefix))
        torch.save(source.state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        classifier = Classifier("squeezenet1_1", 2)
        head = classifier.head.weight.clone()
        report = classifier.load_imagenet()
        for name, tensor in source.state_dict().items():
            assert torch.equal(classifier.network.state_dict()[name], tensor)
        assert torch.equal(classifier.head.weight, head)
        assert str(report).startswith("squeezenet1_1-b8a52dc0.pth: 52 of 52 ")
    assert urls == [("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0")]


def test_the_hash_in_the_name_is_checked(cache, tmp_path, monkeypatch):
    """The real download, of a local file: only bytes whose SHA-256 begins as the name says are taken."""
    (tmp_path / "served.pth").write_bytes(b"not what the name promises")
    digest = hashlib.sha256(b"not what the name promises").hexdigest()
    weights = models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value
    url = (tmp_path / "served.pth").as_uri()
    download = torch.hub.download_url_to_file
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda _, path, prefix: download(url, path, prefix, False))
    with pytest.raises(OptionError, match=f"invalid hash value .*{digest}"):
        without_values("squeezenet1_1").load_imagenet()
    assert weights.url.endswith("b8a52dc0.pth")
    assert not list(cache.iterdir())


def test_a_damaged_file_in_the_cache_is_a_data_error(cache):
    cache.mkdir()
    (cache / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"squeezenet1_1-b8a52dc0\.pth"):
        without_values("squeezenet1_1").load_imagenet()


def load(network: nn.Module, state: dict[str, Tensor], folder: Path) -> str:
    classifier = Classifier("tiny", 2)
    classifier.network = network
    torch.save(state, folder / "weights.pth")
    return str(classifier.load_file(folder / "weights.pth"))


def same(network: nn.Module, other: nn.Module) -> bool:
    states = network.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][n], states[1][n]) for n in states[0])


def test_a_file_with_auxiliary_heads_fills_a_network_without(tiny, tmp_path):
    auxiliary = {"aux1.fc1.weight": torch.ones(2), "AuxLogits.fc.bias": torch.ones(2)}
    other = Classifier("tiny", 5).network
    report = load(other, tiny.network.state_dict() | auxiliary, tmp_path)
    assert same(other, tiny.network)
    assert "not used: aux1.fc1.weight, AuxLogits.fc.bias" in report


def test_a_file_of_another_network_is_refused(tiny, tmp_path):
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other\.pth"):
        tiny.load_file(tmp_path / "other.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.state_dict().items())
    with pytest.raises(OptionError, match="does not exist"):
        tiny.load_file(tmp_path / "absent.pth")


def test_names_that_torchvision_has_changed_since_its_files_were_made(tmp_path):
    def vit() -> nn.Module:
        return models.VisionTransformer(32, 16, num_layers=2, num_heads=1, hidden_dim=8, mlp_dim=16, num_classes=4)

    def densenet() -> nn.Module:
        return models.DenseNet(4, (2, 1), 8, num_classes=4)

    old_vit = {".mlp.0.": ".mlp.linear_1.", ".mlp.3.": ".mlp.linear_2."}
    old_densenet = {f"{kind}{n}.": f"{kind}.{n}." for kind in ("norm", "conv") for n in (1, 2)}
    for build, old_names in ((vit, old_vit), (densenet, old_densenet)):
        source, network = build(), build()
        state = {}
        for name, tensor in source.state_dict().items():
            layer = "denselayer" in name or "mlp" in name
            old = [(now, then) for now, then in old_names.items() if layer and now in name]
            state[name.replace(*old[0]) if old else name] = tensor
        assert len(state.keys() - source.state_dict().keys()) == {vit: 8, densenet: 3 * 12}[build]
        load(network, state, tmp_path)
        assert same(network, source)


def test_a_network_that_asks_for_the_version_of_its_weights(tmp_path):
    source, network = models.MNASNet(0.1, num_classes=4), models.MNASNet(0.1, num_classes=4)
    load(network, source.state_dict(), tmp_path)
    assert same(network, source)
