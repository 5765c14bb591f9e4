"""Colours and sharpness: against torchvision, image by image, and against plain formulas where it has no data masks."""

import itertools

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from utils.augmentation.blur import blurred
from utils.augmentation.colours import brightened, contrasted, greyed, hue_turned, saturated

RGB = torch.rand(4, 3, 5, 6, generator=torch.Generator().manual_seed(1))
RGB[0, :, 0] = RGB[0, :1, 0]  # a grey row
FACTORS = torch.tensor([0.5, 0.8, 1.0, 1.5])
TURNS = torch.tensor([-0.25, 0.1, 0.0, 0.25])
EVERYWHERE = torch.ones(4, 1, 5, 6, dtype=torch.bool)


def one_by_one(change, factors: Tensor) -> Tensor:
    return torch.stack([change(image, float(factor)) for image, factor in zip(RGB, factors, strict=True)])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (brightened(RGB, FACTORS), one_by_one(F.adjust_brightness, FACTORS)),
        (saturated(RGB, FACTORS), one_by_one(F.adjust_saturation, FACTORS)),
        (hue_turned(RGB, TURNS), one_by_one(F.adjust_hue, TURNS)),
        (greyed(RGB), F.rgb_to_grayscale(RGB, num_output_channels=3)),
    ],
    ids=["brightness", "saturation", "hue", "grey"],
)
def test_colours_change_as_torchvision_changes_them(found: Tensor, expected: Tensor):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_contrast_is_the_distance_from_the_mean_of_each_band_where_there_are_data():
    bands = RGB.reshape(12, 1, 5, 6)
    expected = torch.cat([F.adjust_contrast(band, float(FACTORS[n // 3])) for n, band in enumerate(bands)])
    torch.testing.assert_close(contrasted(RGB, EVERYWHERE, FACTORS).flatten(0, 1), expected, atol=1e-6, rtol=0)
    inside = EVERYWHERE.clone()
    inside[:, :, 3:] = False
    cut = contrasted(RGB * inside, inside, FACTORS)[:, :, :3]
    torch.testing.assert_close(cut, contrasted(RGB[:, :, :3], EVERYWHERE[:, :, :3], FACTORS))


def test_each_band_may_have_a_factor_of_its_own():
    factors = torch.tensor([[0.5, 1.0, 1.5]]).repeat(4, 1)
    for change in (brightened, lambda images, each: contrasted(images, EVERYWHERE, each)):
        found = change(RGB, factors)
        for band in range(3):
            torch.testing.assert_close(found[:, band], change(RGB, factors[:, band])[:, band])


def test_no_change_gives_the_very_image():
    for found in (
        brightened(RGB, FACTORS)[2],
        contrasted(RGB, EVERYWHERE, FACTORS)[2],
        saturated(RGB, FACTORS)[2],
        hue_turned(RGB, TURNS)[2],
        blurred(RGB, EVERYWHERE, torch.zeros(4))[2],
    ):
        assert torch.equal(found, RGB[2])


def test_blur_is_the_gaussian_mean_of_the_pixels_with_data():
    inside = EVERYWHERE.clone()
    inside[1, 0, 2:, 1:3] = False
    deviations = torch.tensor([0.1, 0.7, 2.0, 0.0])
    image = torch.where(inside, RGB, 9.0)  # what stands outside is mixed into nothing
    found = blurred(image, inside, deviations)
    expected = RGB.clone()
    for n, deviation in enumerate(deviations[:3].tolist()):
        for row, column in itertools.product(range(5), range(6)):
            rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
            distances = (rows - row) ** 2 + (columns - column) ** 2
            weights = torch.exp(-distances / (2 * deviation**2)) * inside[n, 0]
            expected[n, :, row, column] = (RGB[n] * weights).sum(dim=(1, 2)) / weights.sum()
    torch.testing.assert_close(found, expected * inside, atol=1e-5, rtol=0)
    assert (found[0] - RGB[0]).abs().max() < 1e-6  # a tenth of a pixel is next to nothing
    assert (found[2] - RGB[2]).abs().mean() > 0.1
