"""A list of tiles made of arrays, without files, and a network that reads their classes off their colours."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from utils.evaluation.settings import ViewSettings
from utils.evaluation.tile_lists import ListScorer
from utils.evaluation.windows import Windows
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD

CPU = torch.device("cpu")


class Batch(NamedTuple):
    image: Tensor
    mask: Tensor
    size: Tensor
    tile: Tensor


class Tiles:
    """Tiles of 8×8 whose red channel is 100 times the class, the first rows of each of the wrong class."""

    path, classes, colours, tile_size, batch_size = Path("val.txt"), ("a", "b"), ((0, 0, 0), (9, 9, 9)), (8, 8), 2
    legend, overlapping, places, metres_per_pixel = (classes, colours), None, None, None

    def __init__(self, count: int, scenes: list[str] | None = None) -> None:
        self.names, self.scenes = [f"tile{n}" for n in range(count)], scenes
        self.masks = torch.randint(0, 2, (count, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        self.shown = self.masks.clone()
        for number, tile in enumerate(self.shown):
            tile[: number % 3] = 1 - tile[: number % 3]
        self.loader = [self.batch(range(n, min(n + 2, count))) for n in range(0, count, 2)]

    def batch(self, tiles) -> Batch:
        images = torch.zeros(len(tiles), 3, 8, 8, dtype=torch.uint8)
        images[:, 0] = 100 * self.shown[list(tiles)]
        return Batch(images, self.masks[list(tiles)], torch.tensor([[8, 8]] * len(tiles)), torch.tensor(list(tiles)))

    def image(self, index: int) -> np.ndarray:
        return self.batch([index]).image[0].permute(1, 2, 0).numpy()

    def mask(self, index: int) -> np.ndarray:
        return self.masks[index].numpy()

    def counted(self, index: int) -> np.ndarray | None:
        return None

    def one_by_one(self, tiles) -> list[Batch]:
        return [self.batch([tile]) for tile in tiles]

    def masks_as_filed(self, batch: Batch) -> list[Tensor] | None:
        return None


class RedReader(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        red = (images[:, :1] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255 - 50
        return torch.cat([-red, red], dim=1)


def scorer(tiles: Tiles, **given) -> ListScorer:
    return ListScorer(RedReader(), tiles, CPU, **given)


def test_a_list_is_scored_and_its_maps_are_kept():
    tiles = Tiles(5)
    found = scorer(tiles).evaluate(step=7)
    assert found.step == 7
    assert found.refined is None
    assert found.plain.scores.pixel_accuracy == pytest.approx(1 - 8 * (0 + 1 + 2 + 0 + 1) / (5 * 64))
    assert found.plain.tiles.shape == (5, 2, 2)
    for tile, prediction in found.predictions.items():
        np.testing.assert_array_equal(prediction, tiles.shown[tile])
    assert len(found.predictions) == 5


def test_predictions_are_made_again_for_the_tiles_asked_for():
    tiles = Tiles(5)
    second, first = scorer(tiles, views=ViewSettings(flip=True)).predictions([3, 1])
    np.testing.assert_array_equal(second, tiles.shown[3])
    np.testing.assert_array_equal(first, tiles.shown[1])


def test_intervals_are_over_scenes_where_they_are_known():
    many = scorer(Tiles(60), resamples=100, seed=3)
    plain = many.evaluate(1).plain
    assert plain.interval.low is not None
    assert plain.interval.unit == "tiles"
    low, high = many.class_intervals(plain)["iou"][0]
    assert low is not None
    assert high is not None
    assert low < plain.scores.class_iou[0] < high
    by_scene = scorer(Tiles(60, [f"s{n % 3}" for n in range(60)])).evaluate(1).plain.interval
    assert (by_scene.units, by_scene.unit, by_scene.low) == (3, "scenes", None)


def test_tiles_that_were_learned_from_are_counted():
    assert scorer(Tiles(3), labelled=["tile2", "elsewhere"]).num_labelled == 1
    assert scorer(Tiles(3)).num_labelled is None


def test_tiles_larger_than_a_window_have_the_same_scores_and_maps():
    tiles, windows = Tiles(5), Windows((4, 5), overlap=0.25)
    expected, found = scorer(tiles).evaluate(1), scorer(tiles, windows=windows).evaluate(1)
    assert torch.equal(found.plain.tiles, expected.plain.tiles)
    for tile, prediction in found.predictions.items():
        np.testing.assert_array_equal(prediction, tiles.shown[tile])
    (again,) = scorer(tiles, windows=windows).predictions([3])
    np.testing.assert_array_equal(again, tiles.shown[3])
