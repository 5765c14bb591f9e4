import pytest
import torch
from torch import nn
from torch.nn import functional as F

from model.networks.discriminator import Discriminator


@pytest.fixture
def discriminator() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(num_classes=5)


def test_layers_are_the_papers(discriminator):
    convolutions = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(8, 64), (64, 128), (128, 256), (256, 512)]
    assert {(m.kernel_size, m.stride, m.padding) for m in convolutions} == {((4, 4), (2, 2), (1, 1))}
    kinds = [type(m).__name__ for m in discriminator.convolutions]
    assert kinds == ["Conv2d", "LeakyReLU", "Dropout2d"] * 3 + ["Conv2d", "LeakyReLU"]
    assert {m.p for m in discriminator.modules() if isinstance(m, nn.Dropout2d)} == {0.5}
    assert sum(p.numel() for p in discriminator.parameters()) == sum(
        i * o * 16 + o for i, o in ((8, 64), (64, 128), (128, 256), (256, 512))
    ) + (512 + 1)


def test_output_by_hand(discriminator):
    discriminator.eval()
    class_map, images = torch.rand(2, 5, 48, 32), torch.rand(2, 3, 48, 32)
    x = torch.cat((class_map, images), dim=1)
    for convolution in [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]:
        x = F.conv2d(x, convolution.weight, convolution.bias, stride=2, padding=1)
        x = torch.where(x > 0, x, 0.2 * x)
    assert x.shape == (2, 512, 3, 2)
    pooled = x.sum(dim=(2, 3)) / 6
    logits, features = discriminator(class_map, images)
    torch.testing.assert_close(features, pooled)
    torch.testing.assert_close(logits, pooled @ discriminator.classifier.weight[0] + discriminator.classifier.bias)
    assert logits.shape == (2,)


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (97, 64)])
def test_any_input_size(discriminator, size):
    logits, features = discriminator(torch.rand(3, 5, *size), torch.rand(3, 3, *size))
    assert logits.shape == (3,)
    assert features.shape == (3, 512)


@pytest.mark.parametrize("size", [(1, 1), (15, 16), (40, 3)])
def test_small_inputs_are_padded_with_zeros_to_16_pixels(discriminator, size):
    discriminator.eval()
    class_map, images = torch.rand(2, 5, *size), torch.rand(2, 3, *size)
    padded = torch.zeros(2, 8, max(16, size[0]), max(16, size[1]))
    padded[:, :, : size[0], : size[1]] = torch.cat((class_map, images), dim=1)
    for found, expected in zip(
        discriminator(class_map, images), discriminator(padded[:, :5], padded[:, 5:]), strict=True
    ):
        assert torch.equal(found, expected)


def test_default_initialisation(discriminator):
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5  # of torch: uniform within 1 / sqrt(fan-in)
            assert 0.98 * bound < module.weight.abs().max().item() <= bound
            assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


def test_whole_channels_drop_out_in_training_alone(discriminator):
    seen = []
    discriminator.convolutions[2].register_forward_hook(lambda module, inputs, output: seen.append(output))
    arguments = torch.rand(4, 5, 32, 32), torch.rand(4, 3, 32, 32)
    discriminator.train()(*arguments)
    dropped = (seen[0] == 0).all(dim=(2, 3))
    assert torch.equal(dropped, (seen[0] == 0).any(dim=(2, 3)))
    assert 0.4 < dropped.float().mean().item() < 0.6  # of 256 channels
    first, second = (discriminator.eval()(*arguments)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_without_dropout_training_and_evaluation_agree():
    torch.manual_seed(0)
    discriminator = Discriminator(2, dropout=0.0)
    arguments = torch.rand(1, 2, 16, 16), torch.rand(1, 3, 16, 16)
    assert torch.equal(discriminator.train()(*arguments)[0], discriminator.eval()(*arguments)[0])


def test_bfloat16_inside_float32_outside(discriminator):
    inside = []
    discriminator.convolutions[0].register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        logits, features = discriminator(torch.rand(1, 5, 16, 16), torch.rand(1, 3, 16, 16))
    assert inside == [torch.bfloat16]
    assert (logits.dtype, features.dtype) == (torch.float32, torch.float32)
