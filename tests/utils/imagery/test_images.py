import pytest
import torch
from torchvision.models import ResNet101_Weights

from utils.imagery.images import inside_mask, network_input, normalise, to_unit_range, unpack
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelFormat

CPU = torch.device("cpu")


def test_mean_and_deviation_are_those_of_torchvisions_imagenet_weights():
    preset = ResNet101_Weights.IMAGENET1K_V1.transforms()
    assert tuple(preset.mean) == IMAGENET_MEAN
    assert tuple(preset.std) == IMAGENET_STD


def test_bytes_become_fractions_in_channels_last_memory():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).repeat(2, 1, 4, 5)
    fractions = to_unit_range(images, CPU)
    assert fractions.dtype == torch.float32
    assert fractions[1, :, 2, 3].tolist() == pytest.approx([0.0, 0.2, 1.0])
    assert fractions.is_contiguous(memory_format=torch.channels_last)
    assert images[0, 2, 0, 0] == 255  # the bytes are left as they were


def test_the_scale_is_fixed_so_a_dark_image_stays_dark():
    dark = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    bright = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert torch.equal(to_unit_range(torch.cat([dark, bright]), CPU)[:1], to_unit_range(dark, CPU))


def test_normalising_takes_the_mean_to_zero_and_one_deviation_to_one():
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    deviation = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    assert normalise(mean.expand(1, 3, 2, 2)).abs().max() == 0
    assert torch.allclose(normalise(mean + deviation), torch.ones(1, 3, 1, 1))
    assert normalise(torch.zeros(1, 3, 1, 1)).flatten().tolist() == pytest.approx([-2.1179, -2.0357, -1.8044], abs=1e-4)


def test_padding_is_zero_after_normalising():
    inside = torch.tensor([[1, 1, 0], [0, 0, 0]], dtype=torch.bool).view(1, 1, 2, 3)
    normalised = normalise(torch.ones(1, 3, 2, 3), inside)
    assert (normalised[..., 0, :2] > 2).all()
    assert (normalised[..., 0, 2] == 0).all()
    assert (normalised[..., 1, :] == 0).all()


def test_the_inside_is_left_and_above():
    inside = inside_mask(torch.tensor([[2, 3], [1, 1], [3, 4]]), (3, 4))
    assert inside.shape == (3, 1, 3, 4)
    assert inside[0, 0].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert inside[1, 0].int().tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert inside[2].all()


def test_a_channel_of_validity_makes_padding_of_pixels_without_data():
    image = torch.full((1, 3, 4, 4), 51, dtype=torch.uint8)  # two bands and validity
    image[:, 2] = 255
    image[:, 2, 0, 0], image[:, 2, 1, 1] = 0, 254
    pixels = PixelFormat((0.1, 0.2), (0.5, 0.5), has_validity=True)
    images, inside = unpack(image, torch.tensor([[4, 3]]), CPU, pixels)
    assert pixels.bands == images.shape[1] == 2
    expected = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0]]
    assert inside[0, 0].int().tolist() == expected
    torch.testing.assert_close(images[0, 1], 0.2 * torch.tensor(expected, dtype=torch.float32))
    normalised = normalise(images, inside, pixels)
    torch.testing.assert_close(normalised[0, 0], 0.2 * torch.tensor(expected, dtype=torch.float32))
    torch.testing.assert_close(normalised[0, 1], torch.zeros(4, 4))


def test_without_validity_bands_are_what_they_were():
    image = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sizes = torch.tensor([[5, 4], [3, 2]])
    images, inside = unpack(image, sizes, CPU)
    assert torch.equal(images, to_unit_range(image, CPU))
    assert torch.equal(inside, inside_mask(sizes, (5, 4)))


def test_networks_see_normalised_bands_and_0_in_the_padding():
    image, sizes = torch.full((1, 3, 5, 4), 255, dtype=torch.uint8), torch.tensor([[3, 2]])
    seen = network_input(image, sizes, CPU)
    assert torch.equal(seen, normalise(*unpack(image, sizes, CPU)))
    assert seen[0, :, 2, 1].tolist() == pytest.approx(
        [(1 - m) / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    )
    assert not seen[0, :, 3:].any()


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_images_are_bytes(kind: torch.dtype):
    with pytest.raises(ValueError, match=rf"images are {kind}, expected uint8"):
        unpack(torch.ones(1, 3, 4, 4, dtype=kind), torch.tensor([[4, 4]]), CPU)
