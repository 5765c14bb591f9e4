import numpy as np
import pytest

import data
from data.opening import open_dataset
from tests.conftest import TinySet
from utils.errors import OptionError


@pytest.mark.parametrize("kind", ["ucm", "deepglobe", "custom"])
def test_a_set_is_opened_by_its_name_and_folder(request: pytest.FixtureRequest, kind: str):
    tiny: TinySet = request.getfixturevalue(f"{kind}_set")
    tiles = open_dataset(tiny.dataset, tiny.folder, tiny.list_path, keeps_cache=False)
    assert list(tiles.names) == tiny.names
    image, mask = tiles.image(0), tiles.mask(0)
    assert (image.dtype, image.shape[2]) == (np.uint8, 3)
    assert mask.shape == image.shape[:2]
    assert (mask != 255).any()
    picture = tiles.picture(0)
    assert picture.shape == (mask.shape[0], 3 * mask.shape[1], 3)
    np.testing.assert_array_equal(picture[:, : mask.shape[1]], image)
    assert not (tiny.folder / ".cache").exists()


def test_masks_of_other_tiles_than_the_named_ones_are_not_looked_at(custom_set: TinySet):
    name = custom_set.names[1]
    tiles = open_dataset("custom", custom_set.folder, custom_set.list_path, [name])
    assert tiles.labelled_positions() == ([1], [i for i in range(len(custom_set.names)) if i != 1])
    assert (tiles.mask(0) == 255).all()
    assert (custom_set.folder / ".cache").is_dir()


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (["tile1", "nowhere"], r"labelled names 1 tiles that are not in .*, the first is 'nowhere'"),
        ("tile1", r"labelled is the text 'tile1', expected a list of names, such as \['tile1'\]"),
    ],
)
def test_labelled_names_are_names_of_the_list(custom_set: TinySet, labelled, message: str):
    with pytest.raises(OptionError, match=message):
        open_dataset("custom", custom_set.folder, custom_set.list_path, labelled)


def test_tiles_tell_their_classes(custom_set: TinySet):
    tiles = open_dataset("custom", custom_set.folder, custom_set.list_path, keeps_cache=False)
    assert tiles.classes == tiles.description.classes == tiles.reader.description.classes
    assert tiles.num_classes == len(tiles.classes)


def test_a_set_without_masks_opens(custom_set: TinySet):
    for path in (custom_set.folder / "masks").iterdir():
        path.unlink()
    (custom_set.folder / "masks").rmdir()
    assert open_dataset("custom", custom_set.folder, custom_set.list_path).labelled_positions()[0] == []


def test_lists_are_found_in_the_folder(custom_set: TinySet):
    (custom_set.folder / "own.txt").write_text(f"{custom_set.names[0]}\n")
    assert list(open_dataset("custom", custom_set.folder, "own.txt").names) == custom_set.names[:1]


def test_what_is_not_there_is_refused_in_words_of_python(custom_set: TinySet):
    with pytest.raises(OptionError, match=r"^data_dir nowhere is not a folder"):
        open_dataset("custom", "nowhere")
    with pytest.raises(OptionError, match=r"no list of names"):
        open_dataset("custom", custom_set.folder, "none.txt")


def test_public_names_are_there():
    assert {"open_dataset", "Tiles", "DataSettings"} <= set(data.__all__)
    assert all(getattr(data, name) is not None for name in data.__all__)
