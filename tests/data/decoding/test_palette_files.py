"""Palette files whose palettes differ: one colour is one class, or an error names two files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset_json import load_description
from data.decoding.palette_files import named_files
from data.reader import TileReader
from data.tiles import open_tiles
from tests.conftest import TinySet, write_custom
from utils.errors import DataError

BLACK, RED, GREEN, BLUE = (0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)


def write_palette_mask(path: Path, indices: np.ndarray, colours: list[tuple[int, int, int]]) -> None:
    mask = Image.fromarray(indices)
    mask.putpalette([channel for colour in colours for channel in colour])
    mask.save(path)


@pytest.fixture
def tiny(tmp_path: Path) -> TinySet:
    """Three tiles with palette masks of one stripe a class, black, red and green in this order."""
    tiny = write_custom(tmp_path / "custom", 3)
    for name in tiny.names:
        write_palette_mask(mask_path(tiny, name), stripes(0, 1, 2), [BLACK, RED, GREEN])
    return tiny


def stripes(*values: int) -> np.ndarray:
    """Stripes of 8 columns, the values in turn, shape (32, 32)."""
    return np.resize(np.array(values, np.uint8).repeat(8), 32)[None].repeat(32, 0)


def mask_path(tiny: TinySet, name: str) -> Path:
    return tiny.folder / "masks" / f"{name}.png"


def reader_of(tiny: TinySet) -> TileReader:
    return TileReader(load_description("custom", tiny.folder), tiny.folder, (32, 32))


def test_files_in_another_order_are_read_by_the_colours_of_the_first(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "tile1"), stripes(0, 2, 1), [BLACK, GREEN, RED])
    reader = reader_of(tiny)
    assert (reader.mask("tile1") == stripes(0, 1, 2)).all()
    assert reader.decoded_mask("tile1").values.matched == 1
    assert (reader.mask("tile0") == stripes(0, 1, 2)).all()
    assert reader.decoded_mask("tile0").values.matched == 0


def test_the_first_file_of_the_folder_counts_in_whatever_list_a_tile_stands(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "tile2"), stripes(0, 2, 1), [BLACK, GREEN, RED])
    tiles = open_tiles(reader_of(tiny).description, tiny.folder, ["tile2"], ["tile2"])
    assert (tiles.mask(0) == stripes(0, 1, 2)).all()


def test_a_stray_picture_beside_the_masks_is_not_the_first_file(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "legend"), stripes(0, 1, 2), [BLUE, BLACK, RED])
    assert (reader_of(tiny).mask("tile0") == stripes(0, 1, 2)).all()


def test_a_first_palette_that_lacks_colours_is_continued(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "tile0"), stripes(0, 1, 0), [BLACK, RED])
    assert (reader_of(tiny).mask("tile1") == stripes(0, 1, 2)).all()


@pytest.mark.parametrize("colours", [[BLACK, BLUE, GREEN], [BLACK, RED, BLUE]])
def test_contradicting_palettes_are_an_error_that_names_two_files(tiny: TinySet, colours):
    write_palette_mask(mask_path(tiny, "tile0"), stripes(0, 1, 0), [BLACK, RED])
    write_palette_mask(mask_path(tiny, "tile2"), stripes(0, 1, 2), colours)
    reader = reader_of(tiny)
    reader.mask("tile1")
    with pytest.raises(DataError, match=r"is #0000C8 in .*tile2.png, but #.* in .*tile[01].png.*--palette"):
        reader.mask("tile2")


def test_one_colour_with_two_new_ids_is_an_error_that_names_two_files(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "tile0"), stripes(0, 0, 0), [BLACK])
    write_palette_mask(mask_path(tiny, "tile2"), stripes(0, 2, 2), [BLACK, RED, BLUE, RED])
    write_palette_mask(mask_path(tiny, "tile1"), stripes(0, 1, 1), [BLACK, BLUE])
    reader = reader_of(tiny)
    reader.mask("tile1")
    with pytest.raises(DataError, match=r"tile2.png and .*tile1.png give #0000C8 the ids 2 and 1"):
        reader.mask("tile2")


def test_unused_entries_and_repeated_fillers_contradict_nothing(tiny: TinySet):
    write_palette_mask(mask_path(tiny, "tile1"), stripes(0, 1, 2), [BLACK, RED, GREEN, BLUE, BLACK, BLACK])
    write_palette_mask(mask_path(tiny, "tile2"), stripes(0, 1, 1), [BLACK, RED, BLUE])
    reader = reader_of(tiny)
    assert (reader.mask("tile1") == stripes(0, 1, 2)).all()
    assert (reader.mask("tile2") == stripes(0, 1, 1)).all()


def test_colours_of_a_palette_in_the_description_need_no_first_file(tmp_path: Path):
    tiny = write_custom(tmp_path / "c", 2, palette={"field": "#000000", "forest": "#C80000", "water": "#00C800"})
    for name, order, values in (("tile0", [BLACK, RED, GREEN], (0, 1, 2)), ("tile1", [GREEN, BLACK, RED], (1, 2, 0))):
        write_palette_mask(mask_path(tiny, name), stripes(*values), order)
        assert (reader_of(tiny).mask(name) == stripes(0, 1, 2)).all()


@pytest.mark.parametrize("template", ["masks/{name}.png", "{name}.png", "masks/m_{name}_[1].png", "masks/{name}/m.png"])
def test_files_of_a_template_are_found_with_their_names(tmp_path: Path, template: str):
    paths = [tmp_path / template.replace("{name}", name) for name in ("a/b", "c")]
    for path in (*paths, tmp_path / "masks" / "other.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sorted(named_files(tmp_path, template)) == [("a/b", paths[0]), ("c", paths[1])]
