"""Views of tiles: crops, mirrors and factors follow from seed and number alone, whoever loads them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.batches.views import MOST_BLUR, ViewBatches, ViewSample, ViewTransform
from data.dataset_json import load_description
from data.settings import AugmentationSettings
from data.tiles import Tiles, open_tiles
from tests.conftest import TinySet
from utils.imagery.bands import RGB_BANDS, Bands
from utils.settings import SettingsError

SETTINGS = AugmentationSettings((24, 24), batch_size=4)
FOUR = Bands(tuple("abcd"), (1, 2, 3, 4), ((0, 255),) * 4, (0.5,) * 4, (0.2,) * 4, (0, 1, 2))


@pytest.fixture(scope="module")
def tiles(training_tiles: TinySet) -> Tiles:
    """Fourteen tiles of 32×32."""
    return open_tiles(load_description("custom", training_tiles.folder), training_tiles.folder, training_tiles.names)


def batches_of(tiles: Tiles, count: int = 2, seed: int = 5) -> ViewBatches:
    return ViewBatches(tiles, np.arange(14) % 2, range(1, 13), SETTINGS, count, seed)


def assert_same(found: ViewSample, expected: ViewSample) -> None:
    for name in ("image", "label", "tile"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    for name, values in expected.appearance._asdict().items():
        assert torch.equal(getattr(found.appearance, name), values), name


def test_a_batch_holds_differing_views_of_tiles_with_their_labels(tiles: Tiles):
    batch = next(batches_of(tiles).load())
    assert batch.image.shape == (4, 2, 3, 24, 24)
    assert batch.image.dtype == torch.uint8
    assert batch.appearance.brightness.shape == (4, 2, 3)
    assert batch.appearance.blur.shape == (4, 2)
    assert batch.label.tolist() == (batch.tile % 2).tolist()
    assert all(not torch.equal(*views) for views in batch.image)
    assert [tiles.names[tile] for tile in batch.tile] == batches_of(tiles).names(1)["tiles"]


def test_workers_parts_and_processes_see_the_same(tiles: Tiles):
    views = batches_of(tiles)
    whole = list(itertools.islice(views.load(), 3))
    for batch, expected in zip(views.load(workers=2), whole, strict=False):
        assert_same(batch, expected)
    assert_same(next(views.load(2)), whole[2])
    shares = [next(views.load(2, (rank, 2))) for rank in (0, 1)]
    assert torch.equal(torch.cat([share.image for share in shares]), whole[2].image)
    assert torch.equal(torch.cat([share.appearance.hue for share in shares]), whole[2].appearance.hue)
    assert not torch.equal(next(batches_of(tiles, seed=6).load()).image, whole[0].image)


def test_only_the_tiles_to_learn_from_are_drawn(tiles: Tiles):
    drawn = torch.cat([batch.tile for batch in itertools.islice(batches_of(tiles).load(), 6)])
    assert sorted(set(drawn.tolist())) == [*range(1, 13)]


def test_a_batch_larger_than_the_set_is_refused(tiles: Tiles):
    with pytest.raises(SettingsError, match="batch_size 4 exceeds the 3 tiles that can be learned from; lower it"):
        ViewBatches(tiles, np.zeros(14, np.int64), range(3), SETTINGS, 2, 0)


def test_a_whole_tile_comes_in_its_four_mirrored_ways():
    settings = AugmentationSettings((24, 24), smallest_crop=1.0, jitter=0.0)
    rng, image = np.random.default_rng(0), torch.arange(24 * 24).remainder(251).byte().view(1, 24, 24)
    found = {ViewTransform(settings, RGB_BANDS)(image, rng)[0].numpy().tobytes() for _ in range(200)}
    expected = {image.flip(axes).numpy().tobytes() for axes in ((), (1,), (2,), (1, 2))}
    assert expected <= found  # ratios of sides other than 1 cut a little off


def test_crops_show_their_share_of_a_tile():
    """Of an image whose values are rows and columns, a view tells by its extremes what it shows."""
    settings, rng = AugmentationSettings((64, 64), smallest_crop=0.3, jitter=0.0), np.random.default_rng(1)
    rows = torch.arange(0, 256, 4).byte()[:, None].expand(64, 64)
    image, shares = torch.stack([rows, rows.T]), []
    for _ in range(200):
        view = ViewTransform(settings, RGB_BANDS)(image, rng)[0].float() / 4
        height, width = (float(plane.max() - plane.min()) + 1 for plane in view)
        shares.append(height * width / 64**2)
        assert 0.7 < height / width < 1.45
    assert 0.27 < min(shares) < 0.4
    assert max(shares) > 0.85


def test_factors_keep_within_their_strength_and_those_of_rgb_agree():
    transform, rng = ViewTransform(SETTINGS, RGB_BANDS), np.random.default_rng(2)
    factors = [transform(torch.zeros(3, 8, 8, dtype=torch.uint8), rng)[1] for _ in range(300)]
    bright = torch.stack([f.brightness for f in factors])
    assert (bright == bright[:, :1]).all()
    assert 0.6 <= bright.min() < 0.65
    assert 1.35 < bright.max() <= 1.4
    assert torch.stack([f.hue for f in factors]).abs().max() <= 0.1
    blurs = torch.stack([f.blur for f in factors])
    assert 0 < blurs.max() <= MOST_BLUR * min(SETTINGS.input_size)
    shares = {name: torch.stack([getattr(f, name) for f in factors]).float() for name in ("grey", "blur", "saturation")}
    assert 0.1 < shares["grey"].mean() < 0.3
    assert 0.4 < (shares["blur"] > 0).float().mean() < 0.6
    assert 0.7 < (shares["saturation"] != 1).float().mean() < 0.9


def test_other_bands_change_each_for_itself_and_without_strength_nothing_does():
    image, rng = torch.zeros(4, 8, 8, dtype=torch.uint8), np.random.default_rng(3)
    drawn = [ViewTransform(SETTINGS, FOUR)(image, rng)[1].brightness for _ in range(20)]
    assert max(len(set(factors.tolist())) for factors in drawn) == 4
    still = ViewTransform(replace(SETTINGS, jitter=0.0), FOUR)
    for _ in range(20):
        factors = still(image, rng)[1]
        assert factors.brightness.tolist() == factors.contrast.tolist() == [1] * 4
        assert (factors.saturation, factors.hue, factors.grey, factors.blur) == (1, 0, 0, 0)
