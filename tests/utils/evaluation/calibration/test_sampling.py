import numpy as np
import pytest
import torch

from tests.utils.compute.test_distributed import in_processes
from tests.utils.evaluation.test_tile_lists import Tiles, scorer
from utils.compute import distributed
from utils.evaluation.calibration import sampling
from utils.evaluation.calibration.sampling import ConfidenceSample, sample_confidence
from utils.evaluation.windows import Windows


def sampled(tiles: Tiles, keep=None) -> ConfidenceSample:
    return sample_confidence(scorer(tiles), keep)


def test_small_tiles_are_taken_whole_and_their_probabilities_stay_beside_their_labels():
    tiles = Tiles(5)
    found = sampled(tiles)
    assert len(found) == 5 * 64
    torch.testing.assert_close(found.probabilities.sum(dim=1), torch.ones(5 * 64))
    is_right = found.probabilities.argmax(dim=1) == found.labels
    assert int(is_right.sum()) == int((tiles.shown == tiles.masks).sum())
    assert (found.weights == 1).all()


def test_of_large_tiles_some_pixels_stand_for_all_and_unlabelled_ones_are_never_drawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "PIXELS_OF_TILE", 20)
    tiles = Tiles(4)
    tiles.masks[0], tiles.masks[1, 2:] = 255, 255
    tiles.loader = [tiles.batch(range(n, n + 2)) for n in (0, 2)]
    found = sampled(tiles)
    assert len(found) == 16 + 20 + 20
    assert float(found.weights.sum()) == pytest.approx(16 + 64 + 64)
    assert set(found.labels.tolist()) == {0, 1}
    again = sampled(tiles)
    assert torch.equal(again.probabilities, found.probabilities)


def test_however_many_tiles_a_list_has_its_sample_stays_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "_NUMBERS", 2 * 10 * 3)
    assert len(sampled(Tiles(10))) == 3 * 10
    monkeypatch.setattr(sampling, "_NUMBERS", 1)
    assert len(sampled(Tiles(10))) == 10  # each tile has a pixel


def test_pieces_of_the_tiles_are_handed_on():
    tiles, kept = Tiles(3), {}
    sampled(tiles, lambda tile, top, left, maps: kept.update({tile: (top, left, maps.argmax(dim=0).numpy())}))
    assert list(kept) == [0, 1, 2]
    for tile, (top, left, ids) in kept.items():
        assert (top, left) == (0, 0)
        np.testing.assert_array_equal(ids, tiles.shown[tile])


def test_processes_have_the_sample_of_one():
    def work() -> ConfidenceSample:
        tiles = Tiles(6)
        rank = distributed.rank()
        tiles.loader = tiles.loader[rank::2]
        return sampled(tiles)

    alone = sampled(Tiles(6))
    for found in in_processes(2, work):
        for part in ("probabilities", "labels", "weights"):
            assert torch.equal(getattr(found, part), getattr(alone, part))


def test_tiles_larger_than_a_window_are_sampled_and_handed_on_in_pieces():
    tiles, kept = Tiles(2), np.full((2, 8, 8), 255)

    def keep(tile: int, top: int, left: int, maps: torch.Tensor) -> None:
        assert max(maps.shape[1:]) < 8
        kept[tile, top : top + maps.shape[1], left : left + maps.shape[2]] = maps.argmax(dim=0)

    in_windows = sample_confidence(scorer(tiles, windows=Windows((4, 4), (4, 4))), keep)
    np.testing.assert_array_equal(kept, tiles.shown)
    whole = sampled(tiles)
    torch.testing.assert_close(in_windows.probabilities, whole.probabilities)
    assert torch.equal(in_windows.labels, whole.labels)
