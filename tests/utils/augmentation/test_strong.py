"""Strong views: which bands change colour, boxes of other tiles, and what pixels without data do to them."""

import pytest
import torch
from torch import Tensor

from utils.augmentation.cutmix import in_boxes, pasted
from utils.augmentation.parameters import Appearance, StrongViews
from utils.augmentation.strong import Pixels, changed, strong_view
from utils.imagery.bands import Bands, bands_of_json
from utils.imagery.pixels import RGB_PIXELS, PixelFormat

SHAPE = (7, 8)
NONE, FULL, SOME = (0, 0, 0, 0), (0, 0, *SHAPE), (2, 3, 4, 5)


def appearance(*numbers: tuple[float, float]) -> Appearance:
    """Of two tiles: brightness, contrast, saturation, hue, grey and blur."""
    *colours, grey, blur = map(torch.tensor, numbers)
    return Appearance(*colours, grey.bool(), blur)


PLAIN = appearance((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
STRONG = appearance((0.7, 1.3), (1.4, 0.6), (0.6, 1.5), (0.2, -0.1), (0.0, 1.0), (0.0, 1.2))


def tiles(seed: int, bands: int = 3) -> Pixels:
    """Two tiles, the second of which is padded right and below."""
    inside = torch.ones(2, 1, *SHAPE, dtype=torch.bool)
    inside[1, :, 5:] = inside[1, :, :, 4:] = False
    return Pixels(torch.rand(2, bands, *SHAPE, generator=torch.Generator().manual_seed(seed)) * inside, inside)


def view(box: tuple[int, int, int, int], own: Appearance = PLAIN, partner: Appearance = PLAIN) -> StrongViews:
    return StrongViews(own, partner, torch.tensor([box, box]))


def test_every_band_has_brightness_contrast_and_blur_and_only_rgb_has_colours():
    bands = tiles(3, bands=4)
    infrared_first = PixelFormat((0.4,) * 4, (0.2,) * 4, rgb=(3, 1, 2))
    found = changed(bands, STRONG, infrared_first)
    as_rgb = changed(Pixels(bands.images[:, [3, 1, 2]], bands.inside), STRONG, RGB_PIXELS)
    torch.testing.assert_close(found[:, [3, 1, 2]], as_rgb)
    colourless = STRONG._replace(saturation=torch.ones(2), hue=torch.zeros(2), grey=torch.zeros(2).bool())
    without = changed(bands, STRONG, PixelFormat((0.4,) * 4, (0.2,) * 4))
    torch.testing.assert_close(without, changed(bands, colourless, infrared_first))
    torch.testing.assert_close(found[:, 0], without[:, 0])
    assert not torch.allclose(found[:, 1], without[:, 1])


def test_bands_say_which_are_red_green_and_blue():
    names = {"bands": ["nir", "Green", "blue", "red"], "mean": [0.4] * 4, "std": [0.2] * 4}
    assert bands_of_json(names).pixels.rgb == (3, 1, 2)
    assert Bands(("nir", "red", "green")).pixels.rgb is None
    assert bands_of_json({}).pixels.rgb == (0, 1, 2)


def test_a_change_stays_in_the_unit_range_and_out_of_the_padding():
    own = tiles(1)
    found = changed(own, STRONG, RGB_PIXELS)
    assert found.min() >= 0
    assert found.max() <= 1
    assert not (found * ~own.inside).any()
    assert torch.equal(changed(own, PLAIN, RGB_PIXELS), own.images)
    layout = own.images.contiguous(memory_format=torch.channels_last)
    assert changed(Pixels(layout, own.inside), STRONG, RGB_PIXELS).is_contiguous(memory_format=torch.channels_last)


def test_boxes_are_where_their_numbers_say():
    found = in_boxes(torch.tensor([SOME, NONE, FULL]), SHAPE).squeeze(1)
    expected = torch.zeros(3, *SHAPE, dtype=torch.bool)
    expected[0, 2:6, 3:8] = expected[2] = True
    assert torch.equal(found, expected)


def whole(seed: int) -> Pixels:
    return Pixels(tiles(seed).images, torch.ones(2, 1, *SHAPE, dtype=torch.bool))


@pytest.mark.parametrize(("box", "taken"), [(NONE, 0), (FULL, 1)])
def test_an_empty_box_leaves_the_tile_and_a_full_one_is_the_partner(box: tuple[int, int, int, int], taken: int):
    own, partner = whole(1), whole(2)
    found, from_partner = strong_view(own, partner, view(box, STRONG, PLAIN), RGB_PIXELS)
    expected = partner.images if taken else changed(own, STRONG, RGB_PIXELS)
    assert torch.equal(found.images, expected)
    assert from_partner.float().mean() == taken
    labels = torch.arange(2 * SHAPE[0] * SHAPE[1]).view(2, *SHAPE)
    assert torch.equal(pasted(labels, -labels, from_partner), -labels if taken else labels)


def test_padding_is_never_pasted():
    """Where the partner has no data the tile stays; where the tile has none, the partner's data are pasted."""
    found, from_partner = strong_view(tiles(1), tiles(2), view(FULL), RGB_PIXELS)
    assert torch.equal(found.images, tiles(2).images + tiles(1).images * ~tiles(2).inside)
    assert torch.equal(from_partner, tiles(2).inside)
    whole_partner = whole(2)
    found, from_partner = strong_view(tiles(1), whole_partner, view(SOME), RGB_PIXELS)
    boxed = in_boxes(torch.tensor([SOME, SOME]), SHAPE)
    assert torch.equal(found.inside, tiles(1).inside | boxed)
    assert torch.equal(found.images, torch.where(boxed, whole_partner.images, tiles(1).images))


def test_a_view_of_a_batch_and_a_part_of_it_are_the_same():
    """Each image is changed by its own numbers, whatever images it comes with."""

    def seen(rows: slice) -> Tensor:
        own, partner = (Pixels(*(field[rows] for field in tiles(n))) for n in (1, 2))
        numbers = view(SOME, STRONG, STRONG).map(lambda values: values[rows])
        return strong_view(own, partner, numbers, RGB_PIXELS)[0].images

    torch.testing.assert_close(seen(slice(2)), torch.cat([seen(slice(1)), seen(slice(1, 2))]))
