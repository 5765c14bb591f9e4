from pathlib import Path

import numpy as np
import pytest
import torch

from data.lists.evaluation_tiles import EvaluationTiles
from data.settings import DataSettings
from tests.conftest import TinySet, write_custom
from utils.errors import DataError


def opened(tiny: TinySet, **options) -> EvaluationTiles:
    return EvaluationTiles.open(DataSettings(tiny.dataset, tiny.folder, tiny.list_path, no_cache=True), **options)


def test_batches_hold_every_tile_once_with_its_mask(training_tiles):
    tiles = opened(training_tiles, input_size=(48, 40), batch_size=4)
    batches = list(tiles.loader)
    assert [len(batch.image) for batch in batches] == [4, 4, 4, 2]
    assert batches[0].image.shape == (4, 3, 48, 40)
    assert torch.cat([batch.tile for batch in batches]).tolist() == list(range(14))
    np.testing.assert_array_equal(batches[1].mask[0, :32, :32], tiles.mask(4))
    assert (tiles.names, len(tiles), tiles.tile_size) == (training_tiles.names, 14, (32, 32))
    assert tiles.masks_as_filed(batches[0]) is None
    assert tiles.scenes is None


def test_some_tiles_come_one_by_one(training_tiles):
    tiles = opened(training_tiles, input_size=(32, 32))
    (first, second) = tiles.one_by_one([5, 2])
    assert (first.tile.tolist(), second.tile.tolist()) == ([5], [2])


def test_masks_may_be_those_of_the_files_and_scenes_those_of_the_names(tmp_path: Path):
    tiny = write_custom(tmp_path / "custom", 4, group=r"tile([01])")
    tiles = opened(tiny, input_size=(32, 32), as_filed=True)
    assert tiles.scenes == ["0", "1", "tile2", "tile3"]
    (batch,) = tiles.loader
    masks = tiles.masks_as_filed(batch)
    assert masks is not None
    np.testing.assert_array_equal(masks[3], tiles.mask(3))


def test_tiles_without_masks_are_named(tmp_path: Path):
    tiny = write_custom(tmp_path / "custom", 3)
    (tiny.folder / "masks" / "tile1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 masks are missing \(tile1\)"):
        opened(tiny)
