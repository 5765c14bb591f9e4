from pathlib import Path

import numpy as np
import pytest
import torch

from data.footprints.records import TileRecord, write_tiles_csv
from data.lists.evaluation_tiles import EvaluationTiles
from data.settings import DataSettings
from tests.conftest import TinySet, write_custom, write_list, write_overlapping
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


# --- Tiles that overlap -----------------------------------------------------------------------------------------------


def scored_pixels(masks: list[np.ndarray]) -> list[int]:
    """How many pixels of class 0, of class 1 and of none are scored."""
    found = np.concatenate([np.asarray(mask).ravel() for mask in masks])
    return [int((found == value).sum()) for value in (0, 1, 255)]


def test_a_pixel_of_a_scene_is_scored_once(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    tiles = opened(tiny, input_size=(32, 32))
    assert tiles.overlapping == 4
    assert scored_pixels([batch.mask for batch in tiles.loader]) == [48 * 32, 48 * 16, 4 * 32 * 32 - 48 * 48]
    assert scored_pixels([tiles.mask(tile) for tile in range(4)]) == [4 * 16 * 32, 4 * 16 * 32, 0]  # shown whole


def test_a_pixel_of_a_scene_is_scored_once_in_masks_as_they_are_filed(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    tiles = opened(tiny, input_size=(32, 32), as_filed=True)
    masks = [mask for batch in tiles.loader for mask in tiles.masks_as_filed(batch) or ()]
    assert scored_pixels(masks)[:2] == [48 * 32, 48 * 16]


def test_tiles_brought_to_another_size_still_count_a_pixel_once(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom", tile_size=16)
    tiles = opened(tiny, input_size=(16, 16))
    assert scored_pixels([batch.mask for batch in tiles.loader])[:2] == [24 * 16, 24 * 8]


def test_the_other_tiles_of_a_list_alone_matter_and_those_without_a_record_count_whole(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    write_list(tiny.list_path, tiny.names[:1])
    alone = opened(tiny, input_size=(32, 32))
    assert (alone.overlapping, scored_pixels([batch.mask for batch in alone.loader])[2]) == (0, 0)
    write_list(tiny.list_path, tiny.names)
    write_tiles_csv(tiny.folder / "tiles.csv", [TileRecord("tile0", "scene", 0, 0, 32, 32)])
    assert scored_pixels([batch.mask for batch in opened(tiny, input_size=(32, 32)).loader])[2] == 0


def test_without_tiles_csv_nothing_is_known_of_overlap(training_tiles: TinySet):
    assert opened(training_tiles).overlapping is None


def test_a_tiles_csv_that_cannot_be_used_is_named(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    (tiny.folder / "tiles.csv").write_text("name\n")
    with pytest.raises(DataError, match=r"tiles\.csv, line 1: no column scene"):
        opened(tiny)


def test_places_of_the_tiles_and_what_each_counts_are_known_where_there_are_records(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    tiles = opened(tiny, input_size=(32, 32))
    places = tiles.places
    assert places is not None
    assert places[1] == ("scene", 0, 16, 32, 32)
    counted = np.zeros((48, 48), int)
    for index, place in enumerate(places):
        assert place is not None
        own = tiles.counted(index)
        assert own is not None
        counted[place.row : place.row + 32, place.column : place.column + 32] += own
    assert (counted == 1).all()
    alone = opened(write_custom(tmp_path / "alone", 2), input_size=(32, 32))
    assert (alone.places, alone.counted(0), alone.metres_per_pixel) == (None, None, None)
