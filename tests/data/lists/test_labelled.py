from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from data.dataset_json import load_description
from data.lists.labelled import choose_labelled, require_labelled_pixels
from data.reader import TileReader
from data.settings import LabelledSettings
from tests.conftest import TinySet, write_list
from tests.files import image_file
from utils.errors import DataError
from utils.settings import SettingsError

UNLABELLED = np.full((4, 4), 255, np.uint8)


def test_one_labelled_pixel_is_enough_and_ends_the_reading():
    read = []

    class Masks(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    labelled = UNLABELLED.copy()
    labelled[3, 3] = 0
    require_labelled_pixels(Masks([UNLABELLED, labelled, UNLABELLED]), "a list")
    assert read == [0, 1]


@pytest.mark.parametrize(("masks", "count"), [([UNLABELLED] * 2, 2), ([], 0), (None, 0)])
def test_masks_without_a_label_are_refused(masks, count):
    with pytest.raises(DataError, match=f"^a list: no pixel of the {count} masks has a class"):
        require_labelled_pixels(masks, "a list")


def chosen(tiny: TinySet, settings: LabelledSettings, seed: int = 0) -> list[str]:
    reader = TileReader(load_description("custom", tiny.folder), tiny.folder, (0, 0))
    return choose_labelled(settings, reader, tiny.names, tiny.list_path, seed)


def test_labelled_tiles_are_all_or_a_random_share(training_tiles: TinySet):
    assert chosen(training_tiles, LabelledSettings()) == training_tiles.names
    share = LabelledSettings(labeled_ratio=Decimal("0.3"))
    first = chosen(training_tiles, share)
    assert len(first) == 5  # of 14, rounded up
    assert chosen(training_tiles, share) == first
    assert chosen(training_tiles, share, seed=1) != first
    assert chosen(training_tiles, LabelledSettings(budget=5)) == first  # as many as the active learner's


def test_names_that_somebody_chose_are_taken_whatever_the_ratio(training_tiles: TinySet, tmp_path: Path, capsys):
    path = write_list(tmp_path / "names.txt", training_tiles.names[3:5])
    settings = LabelledSettings(Decimal("0.5"), active_learning=True, active_learning_images_array=path)
    assert chosen(training_tiles, settings) == training_tiles.names[3:5]
    assert "holds 2 names, but labeled_ratio 0.5 of 14 tiles is 7; the names are used" in capsys.readouterr().err


def test_a_share_of_more_tiles_than_have_a_mask_is_refused(custom_set: TinySet):
    for name in custom_set.names[:2]:
        (custom_set.folder / "masks" / f"{name}.png").unlink()
    with pytest.raises(DataError, match="asks for 3 labelled tiles, but only 2 of 4 have a mask; draw more masks"):
        chosen(custom_set, LabelledSettings(Decimal("0.75")))
    with pytest.raises(DataError, match=r"budget 3 asks for 3 labelled tiles, .* or lower the budget"):
        chosen(custom_set, LabelledSettings(budget=3))


def test_all_masks_are_those_that_can_be_learned_from(custom_set: TinySet, capsys):
    masks, settings = custom_set.folder / "masks", LabelledSettings(labelled="all-masks")
    assert chosen(custom_set, settings) == custom_set.names
    (masks / "tile0.png").unlink()
    (masks / "tile1.png").write_bytes(b"no image")
    (masks / "tile2.png").write_bytes(image_file(np.full((32, 32), 255, np.uint8)))
    assert chosen(custom_set, settings) == ["tile3"]
    said = capsys.readouterr()
    assert "1 of 4 tiles have a usable mask" in said.out
    assert "2 masks are left out (tile1, tile2): " in said.err
    (masks / "tile3.png").write_bytes(image_file(np.zeros((16, 32), np.uint8)))
    with pytest.raises(DataError, match="labelled all-masks: none of 4 tiles has a usable mask"):
        chosen(custom_set, settings)
    with pytest.raises(SettingsError, match="labelled all-masks takes every mask that is there; leave budget out"):
        LabelledSettings(budget=3, labelled="all-masks")
