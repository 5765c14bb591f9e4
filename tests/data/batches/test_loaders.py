"""Batches of tiles: the same in any process, and their names without reading them."""

import itertools
from dataclasses import replace

import pytest
import torch

from data.batches.loaders import TrainingStreams, evaluation_batches, training_batches
from data.dataset_json import load_description
from data.settings import SampleSettings
from data.tiles import Tiles, open_tiles
from tests.conftest import TinySet
from utils.settings import SettingsError

SAMPLES = SampleSettings((24, 48), batch_size=4, random_scale=True, random_mirror=True)


@pytest.fixture(scope="module")
def tiles(training_tiles: TinySet) -> Tiles:
    """Fourteen tiles of 32×32, the first five labelled."""
    description = load_description("custom", training_tiles.folder)
    return open_tiles(description, training_tiles.folder, training_tiles.names, training_tiles.names[:5])


def test_evaluation_reads_whole_tiles_in_their_order_padded_right_and_below(tiles: Tiles):
    batches = list(evaluation_batches(tiles, (24, 48), 4))
    assert [batch.tile.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13]]
    assert batches[0].image.shape == (4, 3, 32, 48)
    assert batches[0].size.tolist() == [[32, 32]] * 4
    expected = torch.from_numpy(tiles.image(1).copy()).permute(2, 0, 1)
    assert torch.equal(batches[0].image[1, :, :, :32], expected)
    assert (batches[0].mask[:, :, 32:] == 255).all()


def test_processes_evaluate_whole_batches_in_turn(tiles: Tiles):
    second = evaluation_batches(tiles, (32, 32), 4, share=(1, 2))
    assert [batch.tile.tolist() for batch in second] == [[4, 5, 6, 7], [12, 13]]
    (some,) = evaluation_batches(tiles, (32, 32), 4, positions=[9, 3])
    assert some.tile.tolist() == [9, 3]


def test_training_goes_on_where_it_stood_and_is_shared_by_processes(tiles: Tiles):
    whole = list(itertools.islice(training_batches(tiles, range(14), SAMPLES, 7, "labelled"), 3))
    later = next(training_batches(tiles, range(14), SAMPLES, 7, "labelled", first_step=2))
    shares = [next(training_batches(tiles, range(14), SAMPLES, 7, "labelled", 2, (rank, 2))) for rank in (0, 1)]
    assert whole[2].image.shape == (4, 3, 24, 48)
    for field in ("image", "mask", "size", "tile"):
        assert torch.equal(getattr(later, field), getattr(whole[2], field))
        assert torch.equal(torch.cat([getattr(share, field) for share in shares]), getattr(later, field))


def test_streams_without_tiles_are_refused(tiles: Tiles):
    with pytest.raises(SettingsError, match="all 14 tiles are labelled, so there are no unlabelled batches"):
        TrainingStreams(replace(tiles, labelled=tiles.names), SAMPLES, 7, with_unlabelled=True)
    with pytest.raises(SettingsError, match="no tile of the list is labelled"):
        TrainingStreams(replace(tiles, labelled=[]), SAMPLES, 7, with_unlabelled=False)


@pytest.mark.parametrize("with_unlabelled", [True, False])
def test_streams_know_the_names_of_their_batches(tiles: Tiles, with_unlabelled: bool):
    streams = TrainingStreams(tiles, SAMPLES, 7, with_unlabelled)
    for step, (labelled, unlabelled) in enumerate(itertools.islice(streams.pairs(), 3), start=1):
        names = {"labelled": [tiles.names[tile] for tile in labelled.tile]}
        if with_unlabelled:
            names["unlabelled"] = [tiles.names[tile] for tile in unlabelled.tile]
            assert {*names["unlabelled"]} <= {*tiles.names[5:]}
            assert (unlabelled.mask == 255).all()
        else:
            assert unlabelled is None
        assert streams.names(step) == names
        assert {*names["labelled"]} <= {*tiles.names[:5]}
