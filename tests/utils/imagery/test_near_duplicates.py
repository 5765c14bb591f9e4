import numpy as np
import pytest

from utils.imagery.near_duplicates import ALIKE, SIDE, look_alike, small_picture


def tile(seed: int, channels: int = 3) -> np.ndarray:
    """A coarse pattern, so that what a tile shows survives the shrinking."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, channels))
    return coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8)


def alike(*images: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in look_alike([small_picture(image) for image in images])]


def test_a_tile_looks_like_itself_turned_mirrored_or_a_little_brighter_and_like_no_other():
    first = tile(0)
    brighter = (first.astype(int) + 5).clip(0, 255).astype(np.uint8)
    turned, mirrored = np.rot90(first), first[::-1]
    assert alike(first, turned, mirrored, brighter, tile(1)) == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], []]


def test_plain_ground_looks_alike_whatever_its_grain():
    grain = np.random.default_rng(2).normal(0, 20, (2, 64, 64, 3))
    sand = (200 + grain).clip(0, 255).astype(np.uint8)
    with_road = sand[0].copy()
    with_road[:, 20:36] = 60
    assert alike(sand[0], sand[1], with_road) == [[1], [0], []]


@pytest.mark.parametrize(("difference", "is_alike"), [(ALIKE, True), (ALIKE + 1, False)])
def test_the_limit_is_in_grey_levels(difference: float, is_alike: bool):
    plain = np.full((SIDE, SIDE, 1), 100, np.uint8)
    assert bool(alike(plain, plain + np.uint8(difference))[0]) == is_alike


def test_any_number_of_bands_and_of_tiles():
    assert small_picture(tile(3, channels=6)).shape == (SIDE, SIDE, 6)
    assert look_alike([]).shape == (0, 0)
    many = [small_picture(tile(seed % 300)) for seed in range(301)]  # more than a block
    assert np.argwhere(look_alike(many)).tolist() == [[0, 300], [300, 0]]
