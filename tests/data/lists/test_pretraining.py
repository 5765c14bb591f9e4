"""Which tiles are pre-trained on, and which tell how good the features are."""

from pathlib import Path

import numpy as np
import pytest

from data.lists.pretraining import PretrainingTiles, open_pretraining_tiles
from data.settings import DataSettings
from tests.conftest import TinySet, write_custom, write_list
from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE
from utils.settings import SettingsError


def opened(tiny: TinySet, with_labels: bool = False, path: Path | None = None, **given: object) -> PretrainingTiles:
    data = DataSettings("custom", tiny.folder, path or tiny.list_path, no_cache=True)
    return open_pretraining_tiles(data, with_labels, 0, **given)  # type: ignore[arg-type]


def test_without_labels_all_tiles_are_learned_from_and_a_fifth_is_measured(training_tiles: TinySet):
    tiles = opened(training_tiles)
    assert list(tiles.learned) == [*range(14)]
    assert len(tiles.measured) == 3
    assert sorted([*tiles.known, *tiles.measured]) == [*range(14)]
    classes = tiles.listed.scenes.labels
    assert set(classes[list(tiles.measured)]) == {0, 1}  # drawn class by class
    assert tiles.names == training_tiles.names


def test_with_labels_those_that_are_measured_are_not_learned_from(training_tiles: TinySet):
    tiles = opened(training_tiles, with_labels=True)
    assert list(tiles.learned) == list(tiles.known)
    assert set(tiles.learned).isdisjoint(tiles.measured)
    assert (len(tiles.learned), len(tiles.measured)) == (11, 3)


@pytest.mark.parametrize("with_labels", [False, True])
def test_a_validation_list_leaves_the_list_whole(training_tiles: TinySet, with_labels: bool):
    train, val = (training_tiles.folder / name for name in ("train.txt", "val.txt"))
    tiles = opened(training_tiles, with_labels, train, val_list=val)
    assert list(tiles.learned) == list(tiles.known) == [*range(10)]
    assert [tiles.held_out.tiles.names[position] for position in tiles.measured] == training_tiles.names[10:]
    assert tiles.where == str(val)


def test_tiles_without_a_label_are_learned_from_by_themselves_alone(tmp_path: Path):
    tiny = write_custom(tmp_path, 6)
    (tmp_path / "labels.csv").write_text(
        "name,label\n" + "".join(f"tile{n},{('dry', 'wet')[n % 2]}\n" for n in range(4))
    )
    alone, taught = (opened(tiny, w, scene_labels=tmp_path / "labels.csv") for w in (False, True))
    assert list(alone.learned) == [*range(6)]
    assert sorted([*alone.known, *alone.measured]) == sorted([*taught.learned, *taught.measured]) == [0, 1, 2, 3]
    assert (alone.listed.scenes.labels[4:] == UNKNOWN_SCENE).all()


def test_without_scene_classes_nothing_is_measured(tmp_path: Path):
    tiny = write_custom(tmp_path, 4, scene_classes=None, scene_labels=None)
    tiles = opened(tiny)
    assert (list(tiles.learned), list(tiles.measured)) == ([*range(4)], [])
    table = tmp_path / "labels.csv"
    table.write_text("name,label\ntile0,a\ntile1,b\ntile2,a\ntile3,b\n")
    with pytest.raises(
        SettingsError, match=r"scene_labels .*labels.csv needs scene_classes, as the data set names none"
    ):
        opened(tiny, scene_labels=table)
    assert len(opened(tiny, scene_labels=table, scene_classes=("a", "b")).measured) == 1
    with pytest.raises(SettingsError, match="names no scene classes"):
        opened(tiny, with_labels=True)


def test_labels_of_one_class_teach_nothing(tmp_path: Path):
    tiny = write_custom(tmp_path, 4)
    (tmp_path / "scene_labels.csv").write_text("name,label\ntile0,dry\ntile1,dry\n")
    with pytest.raises(
        DataError, match="of 4 tiles of data_list have a scene label, of 1 classes; to learn from labels"
    ):
        opened(tiny, with_labels=True)
    assert list(opened(tiny).measured) == []


def test_tiles_of_a_scene_stay_on_one_side(tmp_path: Path):
    tiny = write_custom(tmp_path, 10, group="(tile)[01]")  # the first two are of one scene
    data = DataSettings("custom", tiny.folder, tiny.list_path)
    parts = {frozenset({0, 1} & {*open_pretraining_tiles(data, True, seed).measured}) for seed in range(12)}
    assert parts == {frozenset(), frozenset({0, 1})}


def test_unreadable_tiles_are_left_out(tmp_path: Path):
    tiny = write_custom(tmp_path, 6)
    (tmp_path / "images" / "tile2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"tile2\.png"):
        opened(tiny)
    tiles = opened(tiny, skip_unreadable=True)
    assert list(tiles.learned) == [0, 1, 3, 4, 5]
    assert 2 not in [*tiles.known, *tiles.measured]
    assert np.array_equal(tiles.listed.scenes.labels[:2], [0, 1])


def test_a_table_that_is_not_there_is_named(training_tiles: TinySet, tmp_path: Path):
    write_list(tmp_path / "x", [])
    with pytest.raises(SettingsError, match="is no file; give a CSV with the columns name,label"):
        opened(training_tiles, scene_labels=tmp_path / "none.csv")
