import pytest
import torch
from torch import nn
from torchvision import models

from model.networks.bands import RGB, first_convolution, weights_for_bands, with_bands
from model.networks.classifier import FEATURES, Classifier
from model.networks.deeplabv2 import DeepLabV2
from model.weights.loading import load_backbone
from utils.errors import DataError
from utils.runs.files import save_tensors


def weights() -> torch.Tensor:
    return torch.randn(8, 3, 7, 7, generator=torch.Generator().manual_seed(1))


def test_known_bands_keep_their_weights_wherever_they_stand():
    weight = weights()
    turned = weights_for_bands(weight, ("Blue", "green", "RED"))
    assert torch.equal(turned, weight[:, [2, 1, 0]])
    four = weights_for_bands(weight, ("red", "green", "blue", "nir"))
    torch.testing.assert_close(four[:, :3] * 4 / 3, weight)
    torch.testing.assert_close(four[:, 3] * 4 / 3, weight.mean(dim=1))


@pytest.mark.parametrize("bands", [("grey",), ("nir", "red"), ("red", "green", "blue", "nir"), tuple("abcdefghijklm")])
def test_activations_keep_their_size_where_all_bands_show_the_same(bands: tuple[str, ...]):
    grey = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(2))
    weight = torch.rand(4, 1, 5, 5, generator=torch.Generator().manual_seed(3)).expand(
        4, 3, 5, 5
    )  # alike for all bands
    before = nn.functional.conv2d(grey.expand(1, 3, -1, -1), weight)
    after = nn.functional.conv2d(grey.expand(1, len(bands), -1, -1), weights_for_bands(weight, bands))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_networks_of_three_bands_are_left_as_they_are():
    torch.manual_seed(0)
    before = models.resnet18(weights=None)
    torch.manual_seed(0)
    after = with_bands(models.resnet18(weights=None), 3)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


@pytest.mark.parametrize("name", ["tiny", "resnet18", "densenet121", "mobilenet_v2", "squeezenet1_0", "alexnet"])
def test_classifiers_see_other_bands(name: str):
    classifier = Classifier(name, 3, ("red", "green", "blue", "nir", "swir")).eval()
    assert first_convolution(classifier)[1].in_channels == 5
    with torch.inference_mode():
        assert classifier(torch.zeros(1, 5, 64, 64)).shape == (1, 3)


def test_a_transformer_sees_other_bands():
    _, first = first_convolution(with_bands(models.vit_b_16(weights=None), 2))
    assert (first.in_channels, first.kernel_size) == (2, (16, 16))
    assert first.bias is not None


def test_the_generator_sees_other_bands():
    network = DeepLabV2(4, "tiny", bands=6).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 6, 40, 33)).shape == (1, 4, 40, 33)


def test_weights_of_imagenet_load_into_a_backbone_of_other_bands(tmp_path):
    source = Classifier("tiny", 2).network
    save_tensors(tmp_path / "imagenet.pth", source.state_dict())
    backbone = DeepLabV2(4, "tiny", bands=4).backbone
    report = load_backbone(backbone, tmp_path / "imagenet.pth", ("red", "green", "blue", "nir"))
    assert report.fits_bands
    assert "fitted to the bands" in str(report)
    expected = weights_for_bands(source.conv1.weight, ("red", "green", "blue", "nir"))
    assert torch.equal(backbone.conv1.weight, expected)
    plain = load_backbone(DeepLabV2(4, "tiny").backbone, tmp_path / "imagenet.pth", RGB)
    assert not plain.fits_bands
    with pytest.raises(DataError, match="of another shape"):  # the names say three bands, the network has four
        load_backbone(DeepLabV2(4, "tiny", bands=4).backbone, tmp_path / "imagenet.pth")


def test_weights_of_as_many_bands_load_as_they_are(tmp_path):
    source = DeepLabV2(4, "tiny", bands=4).backbone
    save_tensors(tmp_path / "own.pth", source.state_dict())
    backbone = DeepLabV2(2, "tiny", bands=4).backbone
    assert not load_backbone(backbone, tmp_path / "own.pth", ("red", "green", "blue", "nir")).fits_bands
    assert torch.equal(backbone.conv1.weight, source.conv1.weight)


def test_rgb_in_another_order_is_reordered(tmp_path):
    source = Classifier("tiny", 2).network
    save_tensors(tmp_path / "imagenet.pth", source.state_dict())
    backbone = DeepLabV2(4, "tiny").backbone
    assert load_backbone(backbone, tmp_path / "imagenet.pth", ("blue", "green", "red")).fits_bands
    assert torch.equal(backbone.conv1.weight, source.conv1.weight.flip(1))
    assert source.fc.out_features == FEATURES
