import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.cache import CacheSettings, MappedTiles
from data.checking.mask_values import MaskValues
from data.dataset_json import load_description
from data.descriptions import UCM
from data.reader import check_files, open_reader
from data.tiles import open_masks_as_filed, open_tiles
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


# --- masks of palette files -------------------------------------------------------------------------------------------

BLACK, RED, GREEN, BLUE = (0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)


def write_palette_mask(tiny: TinySet, name: str, indices: Sequence[int], colours: Sequence[tuple[int, ...]]) -> None:
    """A mask of 32×32 with a stripe of each index."""
    mask = Image.fromarray(np.repeat(np.array(indices, np.uint8), 32 // len(indices)).repeat(32).reshape(32, 32))
    mask.putpalette([channel for colour in colours for channel in colour])
    mask.save(tiny.folder / "masks" / f"{name}.png")


def ids_of(tiny: TinySet, names: Sequence[str]) -> list[list[int]]:
    """Ids at the top, in the middle and at the bottom of the masks of a list, from the cache."""
    description = load_description("custom", tiny.folder)
    tiles = open_tiles(description, tiny.folder, names, names, CacheSettings(tiny.folder))
    filed = open_masks_as_filed(tiles, CacheSettings(tiny.folder))
    assert isinstance(tiles.masks, MappedTiles)
    for index in range(len(names)):
        np.testing.assert_array_equal(tiles.mask(index), filed[index])
    return [tiles.mask(index)[[0, 15, 31], 0].tolist() for index in range(len(names))]


def test_cached_masks_follow_the_first_palette_also_where_the_first_file_is_grey(tmp_path: Path):
    tiny = write_custom(tmp_path)
    write_palette_mask(tiny, "tile1", [0, 1], [BLACK, RED, GREEN])
    write_palette_mask(tiny, "tile2", [0, 1], [BLACK, GREEN, RED])
    names = ["tile0", "tile1", "tile2"]
    grey, *palettes = ids_of(tiny, names)
    assert palettes == [[0, 0, 1], [0, 0, 2]]
    write_palette_mask(tiny, "tile1", [0, 1], [BLACK, GREEN, RED])
    assert ids_of(tiny, names) == [grey, [0, 0, 1], [0, 0, 1]]
    (tiny.folder / "masks" / "tile1.png").unlink()
    write_palette_mask(tiny, "tile1", [0, 2], [BLACK, RED, GREEN])
    assert ids_of(tiny, names) == [grey, [0, 0, 2], [0, 0, 2]]


def test_palettes_that_contradict_one_another_are_found_though_they_were_read_in_different_lists(tmp_path: Path):
    tiny = write_custom(tmp_path)
    write_palette_mask(tiny, "tile0", [0, 1], [BLACK, RED])
    write_palette_mask(tiny, "tile1", [0, 2], [BLACK, RED, GREEN])
    write_palette_mask(tiny, "tile2", [0, 2], [BLACK, RED, BLUE])
    for lists in (["tile0", "tile1"], ["tile0", "tile2"]):
        assert ids_of(tiny, lists)[1] == [0, 0, 2]
    for _ in range(2):
        with pytest.raises(DataError, match=r"is #0000C8 in .*tile2.png, but #00C800 in .*tile1.png"):
            ids_of(tiny, ["tile0", "tile1", "tile2"])


def test_values_of_masks_are_summed_for_any_list(tmp_path: Path):
    tiny = write_custom(tmp_path)
    description = load_description("custom", tiny.folder)

    def values(names: Sequence[str], cache: CacheSettings | None) -> MaskValues:
        return open_tiles(description, tiny.folder, names, names, cache).mask_values()

    for names in (tiny.names, tiny.names[1:3], tiny.names[::-1]):
        assert values(names, CacheSettings(tiny.folder)) == values(names, None)
    assert values(tiny.names, CacheSettings(tiny.folder)).masks == 4


def test_files_are_looked_at_once_where_the_tiles_are_cached(custom_set, monkeypatch):
    cache, names = CacheSettings(custom_set.folder), custom_set.names
    description = load_description("custom", custom_set.folder)
    open_tiles(description, custom_set.folder, names, names, cache)
    looked_at: Counter[str] = Counter()
    stat = os.stat

    def counting(path, *args, **options):
        looked_at[str(path)] += 1
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", counting)
    open_tiles(description, custom_set.folder, names, names, cache)
    files = [custom_set.folder / kind / f"{name}.png" for kind in ("images", "masks") for name in names[1:]]
    assert [looked_at[str(path)] for path in files] == [1] * len(files)  # the first image says how large tiles are
