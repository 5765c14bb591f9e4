"""What is drawn for strong views, and the tiles that come with them: the same for any worker and process."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from data.batches.loaders import TrainingStreams, training_batches, viewed_batches
from data.batches.strong_views import ViewedSample, draw_views
from data.dataset_json import load_description
from data.settings import SampleSettings
from data.tiles import Tiles, open_tiles
from tests.conftest import TinySet

SAMPLES = SampleSettings((24, 40), batch_size=4, random_scale=True, random_mirror=True)
OF_STREAM = (range(5, 14), SAMPLES, 7, "unlabelled")


@pytest.fixture(scope="module")
def tiles(training_tiles: TinySet) -> Tiles:
    """Fourteen tiles of 32×32, the first five labelled."""
    description = load_description("custom", training_tiles.folder)
    return open_tiles(description, training_tiles.folder, training_tiles.names, training_tiles.names[:5])


def drawn(window: tuple[int, int], count: int = 1500) -> Tensor:
    """One view of each of many samples: seven numbers of the tile, seven of its partner, and the box."""
    rows = []
    for number in range(count):
        views = draw_views(np.random.default_rng((1, number)), window, 1)
        rows.append(torch.cat([field.float().flatten() for field in tree_leaves(views)]))
    return torch.stack(rows)


def test_changes_have_the_published_chances_and_ranges():
    numbers = drawn((64, 64))
    for first in (0, 6):  # of the tile, of its partner
        jitter, grey, blur = numbers[:, first : first + 4], numbers[:, first + 4], numbers[:, first + 5]
        is_jittered = (jitter != torch.tensor([1.0, 1.0, 1.0, 0.0])).any(dim=1)
        shares = [float(share) for share in (is_jittered.float().mean(), grey.mean(), (blur > 0).float().mean())]
        assert shares == pytest.approx([0.8, 0.2, 0.5], abs=0.04)
        low, high = jitter[is_jittered].amin(dim=0), jitter[is_jittered].amax(dim=0)
        torch.testing.assert_close(low, torch.tensor([0.5, 0.5, 0.5, -0.25]), atol=0.01, rtol=0)
        torch.testing.assert_close(high, torch.tensor([1.5, 1.5, 1.5, 0.25]), atol=0.01, rtol=0)
        assert (float(blur[blur > 0].min()), float(blur.max())) == pytest.approx((0.1, 2.0), abs=0.01)
    assert not torch.equal(numbers[:, :6], numbers[:, 6:12])


@pytest.mark.parametrize("window", [(320, 320), (200, 320)])
def test_boxes_have_the_published_areas_and_shapes_and_lie_in_the_window(window: tuple[int, int]):
    boxes = drawn(window)[:, 12:]
    top, left, height, width = boxes[boxes[:, 2] > 0].T
    assert len(top) / len(boxes) == pytest.approx(0.5, abs=0.04)
    area, ratio = height * width / (window[0] * window[1]), height / width
    assert area.min() == pytest.approx(0.02, abs=0.005)
    assert area.max() == pytest.approx(0.4, abs=0.01)
    assert ratio.min() >= 0.28
    assert ratio.max() <= 3.6
    assert float(min(top.min(), left.min())) == 0
    assert float((top + height).max()) == window[0]
    assert float((left + width).max()) == window[1]


def test_a_box_fits_into_a_window_that_is_too_narrow_for_any_shape():
    _, left, height, width = drawn((16, 320), 100)[:, 12:].T
    assert height.max() <= 16
    assert (left + width).max() <= 320


def load(batches: Iterator[ViewedSample], count: int = 3) -> list[list[Tensor]]:
    return [tree_leaves(batch) for batch in itertools.islice(batches, count)]


def test_workers_processes_and_a_later_start_see_the_same(tiles: Tiles):
    alone = load(viewed_batches(tiles, *OF_STREAM, views=2))
    assert len(alone[0]) == 20  # image, mask, size, tile; partner and its size; twice six numbers, the box; the seed
    in_workers = load(viewed_batches(tiles, *OF_STREAM, workers=2, views=2))
    later = load(viewed_batches(tiles, *OF_STREAM, first_step=1, views=2), 2)
    shares = [load(viewed_batches(tiles, *OF_STREAM, share=(rank, 2), views=2)) for rank in (0, 1)]
    together = [[torch.cat(fields) for fields in zip(*batches, strict=True)] for batches in zip(*shares, strict=True)]
    for other, expected in ((in_workers, alone), (later, alone[1:]), (together, alone)):
        for batch, whole in zip(other, expected, strict=True):
            assert all(torch.equal(field, of_whole) for field, of_whole in zip(batch, whole, strict=True))


def test_weak_views_are_those_of_a_loader_without_strong_ones(tiles: Tiles):
    plain = training_batches(tiles, *OF_STREAM)
    for viewed, batch in itertools.islice(zip(viewed_batches(tiles, *OF_STREAM), plain, strict=True), 3):
        assert all(torch.equal(field, same) for field, same in zip(viewed[:4], batch, strict=True))


def test_partners_are_other_draws_of_the_same_tiles(tiles: Tiles):
    size = SampleSettings((32, 32), batch_size=9)
    batch = next(viewed_batches(tiles, range(5, 14), size, 7, "unlabelled"))
    images = [torch.from_numpy(np.array(tiles.image(tile))).permute(2, 0, 1) for tile in range(5, 14)]
    found = [
        next(n for n, image in enumerate(images, 5) if torch.equal(image, partner)) for partner in batch.partner.image
    ]
    assert sorted(found) == sorted(batch.tile.tolist()) == list(range(5, 14))  # each once in an epoch, in another order
    assert found != batch.tile.tolist()
    assert len({*batch.seed.tolist()}) == 9


@pytest.mark.parametrize(("views", "loaded"), [(0, 8), (2, 12)])  # four labelled and four unlabelled tiles a step
def test_partners_are_loaded_only_for_strong_views(tiles: Tiles, monkeypatch, views: int, loaded: int):
    image, seen = Tiles.image, []
    monkeypatch.setattr(Tiles, "image", lambda self, index: seen.append(index) or image(self, index))
    labelled, unlabelled = next(TrainingStreams(tiles, SAMPLES, 7, with_unlabelled=True, views=views).pairs())
    assert len(seen) == loaded
    assert isinstance(unlabelled, ViewedSample) == (views > 0)
    assert not isinstance(labelled, ViewedSample)
    if views:
        assert unlabelled.views.box.shape == (4, 2, 4)
