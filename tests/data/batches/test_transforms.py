import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from data.batches.transforms import (
    SCALES,
    JointTransform,
    classification,
    segmentation_evaluation,
    segmentation_training,
)

RED_OF_ID = 10  # in the pictures below red is ten times the mask's id


class Drawn:
    """Stands in for a generator: answers with the numbers it was given, in order."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def integers(self, below: int) -> int:
        number = int(self.numbers.pop(0))
        assert 0 <= number < below
        return number

    def random(self) -> float:
        return self.numbers.pop(0)


def pair(size: tuple[int, int], patch: int = 16) -> tuple[Tensor, Tensor]:
    """A mask of patches with ids 0..17 and a picture whose red is ten times the id."""
    rows, columns = -(-size[0] // patch), -(-size[1] // patch)
    ids = np.random.default_rng(0).integers(0, 18, (rows, columns), np.uint8)
    mask = torch.from_numpy(ids.repeat(patch, 0).repeat(patch, 1)[: size[0], : size[1]].copy())
    return torch.stack([mask * RED_OF_ID, mask, mask]), mask


def test_the_twelve_scales_are_the_published_ones():
    assert [round(scale, 3) for scale in SCALES] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    assert SCALES[5] == 1.0


def test_nothing_is_drawn_that_was_not_asked_for():
    image, mask = pair((20, 30))
    out_image, out_mask, size = JointTransform((20, 30))(image, mask, Drawn())
    assert torch.equal(out_image, image)
    assert torch.equal(out_mask, mask)
    assert size == (20, 30)


def test_the_mirror_swaps_left_and_right_of_image_and_mask():
    image = torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8).repeat(3, 1, 1)
    mask = torch.tensor([[7, 8, 9], [10, 11, 12]], dtype=torch.uint8)
    transform = JointTransform(None, random_mirror=True)
    mirrored = transform(image, mask, Drawn(0.49))
    assert mirrored[0][0].tolist() == [[3, 2, 1], [6, 5, 4]]
    assert mirrored[1].tolist() == [[9, 8, 7], [12, 11, 10]]
    assert transform(image, mask, Drawn(0.5))[1].tolist() == mask.tolist()


def test_padding_is_right_and_below_with_zero_and_255():
    image, mask = pair((5, 7))
    out_image, out_mask, size = JointTransform((8, 9))(image + 1, mask, Drawn())
    assert size == (5, 7)
    assert torch.equal(out_image[:, :5, :7], image + 1)
    assert torch.equal(out_mask[:5, :7], mask)
    assert out_image[:, 5:].sum() == out_image[:, :, 7:].sum() == 0
    assert (out_mask[5:] == 255).all()
    assert (out_mask[:, 7:] == 255).all()


def test_a_mirrored_tile_is_padded_right_and_below_too():
    image, mask = pair((4, 4))
    _, out_mask, size = JointTransform((4, 6), random_mirror=True)(image, mask, Drawn(0.0))
    assert torch.equal(out_mask[:, :4], mask.flip(1))
    assert (out_mask[:, 4:] == 255).all()
    assert size == (4, 4)


def test_a_crop_takes_the_same_window_of_both():
    image, mask = pair((10, 12), patch=1)
    out_image, out_mask, size = JointTransform((4, 5))(image, mask, Drawn(6, 2))
    assert torch.equal(out_image, image[:, 6:10, 2:7])
    assert torch.equal(out_mask, mask[6:10, 2:7])
    assert size == (4, 5)


def test_a_crop_reaches_every_corner():
    image, mask = pair((6, 7))
    for top, left in itertools.product((0, 2), (0, 2)):
        out = JointTransform((4, 5))(image, mask, Drawn(top, left))[1]
        assert torch.equal(out, mask[top : top + 4, left : left + 5])


@given(st.integers(0, 2**32), st.sampled_from([(64, 64), (50, 71), (96, 33)]), st.sampled_from([(64, 64), (40, 80)]))
def test_image_and_mask_agree_exactly_under_mirror_and_crop(seed: int, size: tuple[int, int], window: tuple[int, int]):
    image, mask = pair(size)
    transform = JointTransform(window, random_mirror=True)
    out_image, out_mask, (height, width) = transform(image, mask, np.random.default_rng(seed))
    assert torch.equal(out_image[0, :height, :width], out_mask[:height, :width] * RED_OF_ID)
    assert (height, width) == (min(size[0], window[0]), min(size[1], window[1]))


@pytest.mark.parametrize("index", range(12))
@pytest.mark.parametrize("mirror", [0.0, 0.9])
def test_at_every_scale_the_window_comes_out_and_patches_agree(index: int, mirror: float):
    image, mask = pair((256, 256), patch=32)
    numbers = [index, mirror] + [3, 5] * (index >= 8)  # crops from 1.3 on, where 333 is above 320
    out_image, out_mask, (height, width) = segmentation_training((320, 320), True, True)(image, mask, Drawn(*numbers))
    assert out_image.shape == (3, 320, 320)
    assert out_mask.shape == (320, 320)
    assert height == width == min(320, round(256 * SCALES[index]))
    assert (out_mask[height:] == 255).all()
    assert (out_mask[:, width:] == 255).all()
    inside = out_mask[:height, :width]
    assert set(inside.unique().tolist()) <= set(mask.unique().tolist())  # no ids between two ids
    same = torch.nn.functional.max_pool2d(inside[None].float(), 7, 1) == -torch.nn.functional.max_pool2d(
        -inside[None].float(), 7, 1
    )
    away_from_edges = torch.nn.functional.pad(same[0], (3, 3, 3, 3))
    assert away_from_edges.float().mean() > 0.3
    assert torch.equal(out_image[0, :height, :width][away_from_edges], inside[away_from_edges] * RED_OF_ID)


def test_a_tile_that_shrinks_is_the_mean_of_its_pixels_and_one_of_their_ids():
    image = torch.tensor([200, 0, 0, 0], dtype=torch.uint8).repeat(3, 64, 16)
    mask = torch.tensor([2, 9, 9, 9], dtype=torch.uint8).repeat(64, 16)
    out_image, out_mask, _ = JointTransform((8, 8), base=(8, 8))(image, mask, Drawn())
    assert (out_image[:, :, 1:-1].int() - 50).abs().max() <= 2  # plain bilinear sampling meets 0 and 200 alone
    assert set(out_mask.unique().tolist()) <= {2, 9}


def test_all_twelve_scales_and_both_sides_are_drawn():
    image, mask = pair((20, 20))
    transform = JointTransform((32, 32), random_scale=True)
    heights = {transform(image, mask, np.random.default_rng(seed))[2][0] for seed in range(200)}
    assert heights == {round(20 * scale) for scale in SCALES}
    mirror = JointTransform((20, 20), random_mirror=True)
    mirrored = [not torch.equal(mirror(image, mask, np.random.default_rng(s))[1], mask) for s in range(200)]
    assert 70 < sum(mirrored) < 130


def test_without_a_mask_the_image_is_the_same_and_all_is_ignored():
    image, mask = pair((40, 40))
    transform = segmentation_training((32, 48), True, True)
    with_mask = transform(image, mask, np.random.default_rng(3))
    without = transform(image, None, np.random.default_rng(3))
    assert torch.equal(without[0], with_mask[0])
    assert without[2] == with_mask[2]
    assert without[1].shape == (32, 48)
    assert (without[1] == 255).all()


@pytest.mark.parametrize(
    ("tile", "input_size", "window"),
    [((256, 256), (320, 320), (320, 320)), ((320, 320), (256, 256), (320, 320)), ((64, 100), (80, 80), (80, 100))],
)
def test_evaluation_pads_and_never_crops(tile: tuple[int, int], input_size: tuple[int, int], window: tuple[int, int]):
    image, mask = pair(tile)
    out_image, out_mask, size = segmentation_evaluation(input_size, tile)(image, mask, Drawn())
    assert out_mask.shape == window
    assert size == tile
    assert torch.equal(out_image[:, : tile[0], : tile[1]], image)
    assert torch.equal(out_mask[: tile[0], : tile[1]], mask)


@pytest.mark.parametrize("tile", [(16, 16), (64, 64), (50, 70)])
def test_classification_resizes_the_whole_tile_to_the_input_size(tile: tuple[int, int]):
    image = torch.arange(tile[1], dtype=torch.uint8).repeat(3, tile[0], 1)
    out, _, size = classification((32, 40))(image, None, Drawn())
    assert out.shape == (3, 32, 40)
    assert size == (32, 40)
    assert out[:, :, 0].max() <= 2
    assert out[:, :, -1].min() >= tile[1] - 4


def test_classification_scales_relative_to_the_input_size():
    image, _ = pair((64, 64))
    out, _, size = classification((32, 32), random_scale=True)(image, None, Drawn(0))
    assert size == (16, 16)
    assert out[:, 16:].sum() == 0
    assert classification((32, 32), random_scale=True)(image, None, Drawn(11, 0, 0))[2] == (32, 32)
