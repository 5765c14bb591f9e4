"""Changed colours and blur, each against a plain formula of one image."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from utils.imagery.jitter import JitterFactors, blur, brightness, contrast, grey, hue, jittered, saturation

LUMINANCE = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(3, 3, 9, 11, generator=torch.Generator().manual_seed(0))


def assert_close(found: Tensor, expected: list[np.ndarray]) -> None:
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-5)


def test_brightness_is_a_factor_of_each_band(images: Tensor):
    factors = torch.tensor([[0.5, 1.0, 3.0], [1.0, 1.0, 1.0], [0.0, 2.0, 0.7]])
    expected = [np.clip(i * f[:, None, None], 0, 1) for i, f in zip(images.numpy(), factors.numpy(), strict=True)]
    assert_close(brightness(images, factors), expected)


def test_contrast_is_a_factor_on_differences_from_a_bands_mean(images: Tensor):
    factors = torch.tensor([[0.0, 1.0, 3.0], [1.0, 1.0, 1.0], [0.5, 2.0, 0.7]])
    expected = []
    for image, each in zip(images.double().numpy(), factors.numpy(), strict=True):
        bands = [band.mean() + f * (band - band.mean()) for band, f in zip(image, each, strict=True)]
        expected.append(np.clip(np.stack(bands), 0, 1))
    assert_close(contrast(images, factors), expected)


def test_saturation_is_a_factor_on_differences_from_luminance(images: Tensor):
    factors = torch.tensor([0.0, 1.0, 1.7])
    expected = []
    for image, factor in zip(images.double().numpy(), factors.numpy(), strict=True):
        light = np.tensordot(LUMINANCE, image, 1)
        expected.append(np.clip(light + factor * (image - light), 0, 1))
    assert_close(saturation(images, factors), expected)


def test_a_third_of_a_turn_passes_each_colour_on_and_greys_stay(images: Tensor):
    turned = hue(images, torch.tensor([1 / 3, 0.0, -1 / 3]))
    expected = [images[0][[2, 0, 1]], images[1], images[2][[1, 2, 0]]]  # red goes to green, green to blue
    assert_close(turned, [image.numpy() for image in expected])
    flat = torch.full((1, 3, 2, 2), 0.3)
    torch.testing.assert_close(hue(flat, torch.tensor([0.17])), flat)
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    little = hue(red, torch.tensor([0.05]))[0, :, 0, 0]
    assert little[1] > little[2]  # towards yellow, not magenta
    assert little.sum() == pytest.approx(1.2)


def test_grey_mixes_bands_by_their_weights(images: Tensor):
    found = grey(images, torch.tensor([1.0, 0.0, 0.5]))
    lights = [np.tensordot(LUMINANCE, image, 1)[None].repeat(3, 0) for image in images.double().numpy()]
    assert_close(found, [lights[0], images[1].numpy(), (lights[2] + images[2].numpy()) / 2])
    equal = grey(images, torch.ones(3), None)
    torch.testing.assert_close(equal[:, 1], images.mean(dim=1))


def test_blur_is_a_gaussian_with_mirrored_borders(images: Tensor):
    deviations, most = torch.tensor([0.0, 0.4, 1.3]), 1.3
    radius = 4  # ceil(3 · 1.3)
    expected = [images[0].numpy()]
    for image, deviation in zip(images[1:].double().numpy(), (0.4, 1.3), strict=True):
        bands = [scipy.ndimage.gaussian_filter(band, deviation, mode="mirror", radius=radius) for band in image]
        expected.append(np.stack(bands))
    assert_close(blur(images, deviations, most), expected)


def test_a_kernel_wider_than_the_image_is_cut():
    small = torch.rand(1, 2, 3, 4)
    assert blur(small, torch.tensor([5.0]), 5.0).shape == small.shape


def factors_of(count: int, bands: int, seed: int = 0) -> JitterFactors:
    rng = torch.Generator().manual_seed(seed)
    draw = [torch.rand(count, *shape, generator=rng) for shape in ((bands,), (bands,), (), (), (), ())]
    return JitterFactors(*draw)


@pytest.mark.parametrize("bands", [3, 5])
def test_each_image_is_changed_by_its_own_factors(bands: int):
    images, factors = torch.rand(4, bands, 8, 8), factors_of(4, bands)
    whole = jittered(images, factors, 1.0, is_rgb=bands == 3)
    for number in range(4):
        one = JitterFactors(*(values[number : number + 1] for values in factors))
        alone = jittered(images[number : number + 1], one, 1.0, is_rgb=bands == 3)
        torch.testing.assert_close(alone[0], whole[number])
    assert (whole - images).abs().max() > 0.1
    assert 0 <= whole.min() <= whole.max() <= 1


def test_neutral_factors_change_nothing(images: Tensor):
    ones, zeros = torch.ones(3), torch.zeros(3)
    neutral = JitterFactors(torch.ones(3, 3), torch.ones(3, 3), ones, zeros, zeros, zeros)
    torch.testing.assert_close(jittered(images, neutral, 1.0), images)
    other_saturation = neutral._replace(saturation=zeros, hue=ones / 3)
    torch.testing.assert_close(jittered(images, other_saturation, 0.0, is_rgb=False), images)  # other bands have none
