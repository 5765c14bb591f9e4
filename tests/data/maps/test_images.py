from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.maps.images import Fitting, images_of_paths
from data.settings import MapSourceSettings
from tests.conftest import picture, write_custom, write_image
from utils.errors import DataError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.settings import SettingsError


def test_images_of_a_folder_and_of_all_below_it(tmp_path: Path, capsys):
    for name in ("a.png", "deep/b.jp2", "c.webp", "deep/d.tif"):
        write_image(tmp_path / name, picture(0, (32, 32)))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "a.pgw~").write_text("neither")
    (tmp_path / "deep" / "d.tfw").write_text("1\n0\n0\n-1\n100\n200\n")  # which gives it a place
    images = {image.name: image for image in images_of_paths([tmp_path])}
    assert list(images) == ["a", "c", "deep/b", "deep/d"]
    assert [name for name, image in images.items() if image.read_as_filed is None] == ["deep/d"]
    assert (
        "passed over 2: a.pgw~ (no image by its ending), notes.txt (no image by its ending)" in capsys.readouterr().out
    )


def test_several_paths_are_one_list(tmp_path: Path):
    for name in ("one/a.png", "two/b.png", "c.png"):
        write_image(tmp_path / name, picture(0, (32, 32)))
    paths = [tmp_path / "two", tmp_path / "c.png", tmp_path / "one"]
    assert [image.name for image in images_of_paths(paths)] == ["b", "c", "a"]
    write_image(tmp_path / "one" / "B.png", picture(0, (32, 32)))
    with pytest.raises(DataError, match="two images would have maps of one name"):
        images_of_paths(paths)


def test_an_image_is_scaled_for_the_network_and_remembers_its_file(tmp_path: Path):
    write_image(tmp_path / "scene.png", picture(0, (40, 60)))
    (image,) = images_of_paths([tmp_path / "scene.png"], Fitting(scale=0.5))
    with image.opened() as opened:
        assert (opened.size, opened.read(0, 0, 20, 30).shape) == ((20, 30), (20, 30, 3))
    assert (image.size(), image.file_size(), image.read_as_filed().shape) == ((20, 30), (40, 60), (40, 60, 3))


def test_a_picture_for_a_network_that_knows_of_pixels_without_data_has_them_everywhere(tmp_path: Path):
    write_image(tmp_path / "scene.png", picture(0, (20, 30)))
    (image,) = images_of_paths([tmp_path / "scene.png"], Fitting(Bands(nodata=0.0)))
    with image.opened() as opened:
        assert opened.read(0, 0, 20, 30).shape == (20, 30, 4)
        assert opened.valid(0, 20) is None


@pytest.mark.parametrize("bands", [RGB_BANDS, Bands(nodata="mask")])
def test_transparent_pixels_of_a_picture_have_no_data(tmp_path: Path, bands: Bands):
    rgba = np.dstack([picture(0, (20, 30)), np.full((20, 30), 255, np.uint8)])
    rgba[:5, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    (image,) = images_of_paths([tmp_path / "clear.png"], Fitting(bands))
    assert image.read_as_filed is not None  # its maps stay pictures
    with image.opened() as opened:
        assert opened.read(0, 0, 20, 30).shape == (20, 30, bands.pixels.channels)
        np.testing.assert_array_equal(opened.valid(2, 10), np.arange(2, 12)[:, None].repeat(30, 1) >= 5)


def test_tiles_of_a_list_are_those_of_the_data_set(tmp_path: Path):
    tiny = write_custom(tmp_path / "custom", 3, tile_size=16)
    source = MapSourceSettings(data_list=tiny.list_path, dataset="custom", data_dir=tiny.folder)
    images = source.find(RGB_BANDS)
    assert [image.name for image in images] == tiny.names
    with images[0].opened() as opened:
        assert opened.size == (16, 16)
    assert np.shape(images[0].read_as_filed()) == (32, 32, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give either images or data_list"),
        ({"images": Path("x"), "data_list": Path("y")}, "give either images or data_list"),
        ({"images": []}, "images is .*, expected one path or more"),
        ({"data_list": Path("y")}, "data_list needs dataset and data_dir"),
        ({"images": Path("x"), "dataset": "custom"}, "dataset custom needs data_dir"),
        ({"images": Path("x"), "other_scale": "ignore"}, "ignore"),
    ],
)
def test_sources_that_contradict_themselves_are_refused(given, message):
    with pytest.raises(SettingsError, match=message):
        MapSourceSettings(**given)


def test_what_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"images .*nowhere does not exist"):
        MapSourceSettings(images=tmp_path / "nowhere").find(RGB_BANDS)
    with pytest.raises(DataError, match="holds no images"):
        images_of_paths([tmp_path])
