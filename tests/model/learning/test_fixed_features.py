"""Features of a network that does not learn: those of its last linear layer's input, whatever the network."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from model.learning.fixed_features import FixedFeatures
from model.networks.classifier import FEATURES, Classifier

CPU = torch.device("cpu")


class Tiles(NamedTuple):
    image: Tensor
    size: Tensor


def tiles(count: int, size: int = 40) -> Tiles:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=rng, dtype=torch.uint8)
    return Tiles(images, torch.tensor([[size, size]] * count))


def test_features_are_what_the_last_layer_gets_and_stay_while_the_classifier_learns():
    torch.manual_seed(0)
    classifier = Classifier("tiny", 3)
    fixed, given = FixedFeatures(classifier, CPU, "fp32"), tiles(5)
    parts = [Tiles(*(field[rows] for field in given)) for rows in (slice(0, 3), slice(3, 5))]
    found = torch.cat(list(fixed.of(parts)))
    assert found.shape == (5, fixed.width) == (5, 512)
    network = classifier.network.eval()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        outputs = network((given.image / 255 - mean[:, None, None]) / deviation[:, None, None])
        torch.testing.assert_close(network.fc(found), outputs)
        for parameter in classifier.parameters():
            parameter.zero_()
    assert torch.equal(torch.cat(list(fixed.of(parts))), found)


@pytest.mark.parametrize(("name", "size", "width"), [("squeezenet1_1", 64, FEATURES), ("mobilenet_v3_small", 32, 1024)])
def test_networks_of_other_makes(name: str, size: int, width: int):
    fixed = FixedFeatures(Classifier(name, 3), CPU, "fp32")
    (found,) = fixed.of([tiles(2, size)])
    assert found.shape == (2, fixed.width) == (2, width)
    assert found.dtype == torch.float32
