import numpy as np
import pytest
import torch
import torchvision
from scipy.ndimage import map_coordinates
from torch import nn
from torch.nn import functional as F

from model.networks.deeplabv2 import DeepLabV2, freeze_batchnorm_affine, set_batchnorm_momentum


@pytest.fixture(scope="module")
def without_values() -> DeepLabV2:
    """DeepLabv2-ResNet101 with shapes but no values."""
    with torch.device("meta"):
        return DeepLabV2(num_classes=6, backbone="resnet101").eval()


@pytest.fixture
def tiny() -> DeepLabV2:
    torch.manual_seed(0)
    return DeepLabV2(num_classes=5, backbone="tiny").eval()


@pytest.mark.parametrize(
    ("size", "expected"),
    [  # (n + 1) // 2 by conv1, n // 2 + 1 by the max-pool that rounds up, (n + 1) // 2 by layer2
        ((320, 320), (41, 41)),
        ((256, 640), (33, 81)),
        ((321, 257), (41, 33)),
        ((33, 8), (5, 2)),
    ],
)
def test_logits_have_an_eighth_of_the_resolution(without_values, size, expected):
    logits = without_values.low_resolution(torch.empty(2, 3, *size, device="meta"))
    assert logits.shape == (2, 6, *expected)


@pytest.mark.parametrize("size", [(64, 64), (321, 257), (47, 90), (8, 9)])
def test_output_has_the_input_size(tiny, size):
    with torch.inference_mode():
        logits = tiny(torch.zeros(1, 3, *size))
    assert logits.shape == (1, 5, *size)
    assert logits.dtype == torch.float32


def test_one_bilinear_step_with_aligned_corners(tiny):
    images = torch.randn(1, 3, 41, 58)
    with torch.inference_mode():
        small, large = tiny.low_resolution(images)[0].numpy(), tiny(images)[0].numpy()
    rows = np.linspace(0, small.shape[1] - 1, 41)
    columns = np.linspace(0, small.shape[2] - 1, 58)
    grid = np.meshgrid(rows, columns, indexing="ij")
    expected = np.stack([map_coordinates(channel, grid, order=1) for channel in small])
    np.testing.assert_allclose(large, expected, atol=1e-6)


@pytest.mark.parametrize(("stage", "rate"), [("layer3", 2), ("layer4", 4)])
def test_every_3x3_of_the_last_stages_is_dilated_and_none_strided(without_values, stage, rate):
    convolutions = [m for m in getattr(without_values.backbone, stage).modules() if isinstance(m, nn.Conv2d)]
    dilations = [m.dilation for m in convolutions if m.kernel_size == (3, 3)]
    assert dilations == [(rate, rate)] * {"layer3": 23, "layer4": 3}[stage]
    assert {m.stride for m in convolutions} == {(1, 1)}
    assert {m.dilation for m in convolutions if m.kernel_size == (1, 1)} == {(1, 1)}


def test_stride_of_layer2_is_in_its_3x3(without_values):
    first = without_values.backbone.layer2[0]
    assert (first.conv1.stride, first.conv2.stride, first.conv3.stride) == ((1, 1), (2, 2), (1, 1))
    assert first.conv2.dilation == (1, 1)
    others = [m for m in without_values.backbone.layer2[1:].modules() if isinstance(m, nn.Conv2d)]
    assert {m.stride for m in others} == {(1, 1)}


def test_names_and_counts_of_the_state_dict(without_values):
    names = list(without_values.state_dict())
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}
    with torch.device("meta"):
        resnet = torchvision.models.resnet101()
    torchvisions = {n: t.shape for n, t in resnet.state_dict().items() if not n.startswith("fc.")}
    assert {n: t.shape for n, t in without_values.backbone.state_dict().items()} == torchvisions
    convolutions = [m for m in without_values.backbone.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in without_values.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convolutions) == 104
    assert len([p for m in norms for p in m.parameters()]) == 208
    assert [name for name in names if name.startswith("head.")] == [
        f"head.{n}.{kind}" for n in range(4) for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "channels"),
    [
        ("resnet18", 11_176_512, 512),
        ("resnet34", 21_284_672, 512),
        ("resnet50", 23_508_032, 2048),
        ("resnet152", 58_143_808, 2048),
    ],
)
def test_other_resnets_have_torchvisions_tensors_and_an_eighth_of_the_resolution(name, parameters, channels):
    with torch.device("meta"):
        ours, resnet = DeepLabV2(2, name).eval(), torchvision.models.get_model(name)
    torchvisions = {n: t.shape for n, t in resnet.state_dict().items() if not n.startswith("fc.")}
    assert {n: t.shape for n, t in ours.backbone.state_dict().items()} == torchvisions
    assert sum(p.numel() for p in ours.backbone.parameters()) == parameters
    assert ours.head[0].in_channels == channels
    assert ours.low_resolution(torch.empty(2, 3, 320, 320, device="meta")).shape == (2, 2, 41, 41)


@pytest.mark.parametrize(("stage", "blocks", "rate"), [("layer2", 4, 1), ("layer3", 6, 2), ("layer4", 3, 4)])
def test_both_3x3_of_a_basic_block_are_dilated(stage, blocks, rate):
    with torch.device("meta"):
        backbone = DeepLabV2(2, "resnet34").backbone
    convolutions = [m for m in getattr(backbone, stage).modules() if isinstance(m, nn.Conv2d)]
    assert [m.dilation for m in convolutions if m.kernel_size == (3, 3)] == [(rate, rate)] * 2 * blocks
    assert [m.stride for m in convolutions if m.stride != (1, 1)] == [(2, 2)] * (2 if stage == "layer2" else 0)


def test_heads_start_small_and_without_bias():
    torch.manual_seed(0)
    head = DeepLabV2(18, "tiny").head
    for classifier in head:
        assert classifier.weight.shape == (18, 512, 3, 3)
        assert classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)  # of 82,944 values
        assert abs(classifier.weight.mean().item()) < 1e-4
        assert torch.equal(classifier.bias, torch.zeros(18))


def test_logits_are_the_sum_of_four_dilated_classifiers(tiny):
    for classifier in tiny.head:
        nn.init.normal_(classifier.bias)
    features = torch.randn(2, 512, 9, 7)
    by_hand = sum(
        F.conv2d(features, classifier.weight, classifier.bias, padding=rate, dilation=rate)
        for classifier, rate in zip(tiny.head, (6, 12, 18, 24), strict=True)
    )
    torch.testing.assert_close(tiny.head(features), by_hand)


def test_a_classifiers_reach_is_its_rate(tiny):
    pixel = torch.zeros(1, 512, 61, 61)
    pixel[:, :, 30, 30] = 1
    for classifier in tiny.head:
        nn.init.ones_(classifier.weight)
    rows, columns = tiny.head(pixel)[0, 0].nonzero(as_tuple=True)
    reached = {(int(r) - 30, int(c) - 30) for r, c in zip(rows, columns, strict=True)}
    assert reached == {(i * rate, j * rate) for rate in (6, 12, 18, 24) for i in (-1, 0, 1) for j in (-1, 0, 1)}


def test_frozen_affine_parameters_are_batchnorms_alone(tiny):
    freeze_batchnorm_affine(tiny)
    frozen = {name for name, p in tiny.named_parameters() if not p.requires_grad}
    norms = [name for name, m in tiny.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 16  # 1, 4 blocks × 3, 3 downsamplings
    assert frozen == {f"{name}.{kind}" for name in norms for kind in ("weight", "bias")}


def test_momentum_is_the_share_of_the_new_batch(tiny):
    set_batchnorm_momentum(tiny, 0.25)
    images = torch.randn(2, 3, 33, 33)
    with torch.no_grad():
        mean = tiny.backbone.conv1(images).mean(dim=(0, 2, 3))
        tiny.train()(images)
    torch.testing.assert_close(tiny.backbone.bn1.running_mean, 0.75 * 0 + 0.25 * mean)
    assert {m.momentum for m in tiny.modules() if isinstance(m, nn.BatchNorm2d)} == {0.25}


def test_bfloat16_inside_float32_outside(tiny):
    inside = []
    tiny.head[0].register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = tiny(torch.randn(1, 3, 33, 33))
    assert inside == [torch.bfloat16]
    assert logits.dtype == torch.float32
