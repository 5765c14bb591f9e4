from pathlib import Path

import numpy as np
import pytest

from data.map_images import images_of_path, read_in_groups
from data.settings import MapSourceSettings
from tests.conftest import picture, write_custom, write_image
from utils.errors import DataError
from utils.settings import SettingsError


def test_images_of_a_folder_come_in_groups_of_one_size(tmp_path: Path):
    for name, size in {"a": (32, 32), "b": (32, 32), "c": (40, 20), "d": (32, 32)}.items():
        write_image(tmp_path / f"{name}.png", picture(0, size))
    (tmp_path / "e.png").write_bytes(b"text")
    skipped: list[str] = []
    groups = list(read_in_groups(images_of_path(tmp_path), (32, 32), 8, skipped))
    assert [[image.name for image in group] for group, _ in groups] == [["a", "b"], ["c"], ["d"]]
    assert [pixels.shape for _, pixels in groups] == [(2, 32, 32, 3), (1, 40, 20, 3), (1, 32, 32, 3)]
    assert skipped == ["e"]


def test_an_image_is_scaled_for_the_network_and_remembers_its_file(tmp_path: Path):
    write_image(tmp_path / "scene.png", picture(0, (40, 60)))
    (image,) = images_of_path(tmp_path / "scene.png", scale=0.5)
    assert (image.read().shape, image.file_size(), image.read_as_filed().shape) == ((20, 30, 3), (40, 60), (40, 60, 3))


def test_tiles_of_a_list_are_those_of_the_data_set(tmp_path: Path):
    tiny = write_custom(tmp_path / "custom", 3, tile_size=16)
    source = MapSourceSettings(data_list=tiny.list_path, dataset="custom", data_dir=tiny.folder)
    images = source.find()
    assert [image.name for image in images] == tiny.names
    assert images[0].read().shape == (16, 16, 3)
    assert np.shape(images[0].read_as_filed()) == (32, 32, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give either images or data_list"),
        ({"images": Path("x"), "data_list": Path("y")}, "give either images or data_list"),
        ({"data_list": Path("y")}, "data_list needs dataset and data_dir"),
        ({"images": Path("x"), "dataset": "custom"}, "dataset custom needs data_dir"),
    ],
)
def test_sources_that_contradict_themselves_are_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        MapSourceSettings(**given)


def test_what_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"images .*nowhere does not exist"):
        MapSourceSettings(images=tmp_path / "nowhere").find()
    with pytest.raises(DataError, match="holds no images"):
        images_of_path(tmp_path)
