from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.cache import CacheSettings, MappedTiles
from data.dataset_json import load_description
from data.descriptions import UCM
from data.reader import check_files, open_reader
from data.tiles import open_tiles
from tests.conftest import TinySet, orientation, picture, write_custom, write_image
from utils.errors import DataError


def test_missing_files_are_counted_and_the_first_is_named_before_any_work(ucm_set: TinySet):
    reader = open_reader(UCM, ucm_set.folder, ucm_set.names)
    for name in ("forest01", "river00"):
        reader.image_path(name).unlink()
        reader.mask_path(name).unlink()
    with pytest.raises(DataError, match=r"2 of 4 images are missing, the first is .*forest01\.tif"):
        check_files(reader, ucm_set.names)
    with pytest.raises(DataError, match=r"1 of 2 masks of labelled tiles are missing, the first is .*river00\.png"):
        check_files(reader, ["forest00"], ["forest00", "river00"])


def test_tiles_without_labels_need_no_mask(ucm_set: TinySet):
    for name in ("forest01", "river00", "river01"):
        (ucm_set.folder / "UCMerced_Labels" / f"{name}.png").unlink()
    tiles = open_tiles(UCM, ucm_set.folder, ucm_set.names, labelled=["forest00"])
    assert (tiles.mask(1) == 255).all()
    assert tiles.mask(1).shape == (256, 256)
    assert 1 <= tiles.mask(0).min() <= tiles.mask(0).max() <= 17
    assert tiles.labelled_positions() == ([0], [1, 2, 3])


def test_a_tile_opened_without_label_does_not_show_the_mask_it_has(ucm_set: TinySet):
    tiles = open_tiles(UCM, ucm_set.folder, ucm_set.names)
    assert tiles.reader.has_mask("forest00")
    assert (tiles.mask(0) == 255).all()


def test_positions_follow_the_names_asked_for(ucm_set: TinySet):
    tiles = open_tiles(UCM, ucm_set.folder, ucm_set.names, labelled=["river01", "forest00"])
    assert tiles.indices_of(["river01", "forest00"]) == [3, 0]
    assert (tiles.mask(3) == tiles.reader.mask("river01")).all()
    assert (tiles.mask(0) == tiles.reader.mask("forest00")).all()
    assert len(tiles) == 4


def test_cache_follows_the_rule_and_the_mask_that_decides_it(tmp_path: Path):
    tiny = write_custom(tmp_path, size=(32, 48), tile_size=32)
    write_image(tiny.folder / "images" / "tile0.png", picture(0, (32, 48)), exif=orientation(6))
    mask = tiny.folder / "masks" / "tile0.png"

    def cached(**changes: object) -> np.ndarray:
        description = replace(load_description("custom", tiny.folder), **changes)
        tiles = open_tiles(description, tiny.folder, tiny.names, cache=CacheSettings(tiny.folder))
        assert isinstance(tiles.images, MappedTiles)
        np.testing.assert_array_equal(tiles.image(0), tiles.reader.image("tile0"))
        return np.array(tiles.image(0))

    as_stored = cached()
    mask.unlink()
    turned = cached()
    assert (turned != as_stored).any()
    write_image(mask, np.zeros((48, 32), np.uint8))
    np.testing.assert_array_equal(cached(), turned)
    write_image(mask, np.zeros((32, 48), np.uint8))
    np.testing.assert_array_equal(cached(), as_stored)
    mask.unlink()
    np.testing.assert_array_equal(cached(exif="ignore"), as_stored)
