"""Which files of folders and lists are scenes."""

from pathlib import Path

import pytest

from data.rasters.files.finding import find_scenes
from tests.data.rasters.scene_files import numbers, write_raster, write_vrt
from utils.errors import DataError, OptionError


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_a_folder_gives_its_scenes_without_sidecars_and_names_what_it_passes_over(tmp_path: Path):
    touch(tmp_path, "b.TIF", "a.jp2", "c.webp", "d.png", "e.jpeg", "x.vrt")
    touch(
        tmp_path, "b.TIF.aux.xml", "b.TIF.ovr", "b.TIF.msk", "d.pgw", "e.jgw", "b.tfw", "b.xml", "B_RPC.TXT", ".hidden"
    )
    touch(tmp_path, "notes.txt", "scene.nc")
    (tmp_path / "more").mkdir()
    scenes, passed = find_scenes([tmp_path])
    assert [path.name for path in scenes] == ["a.jp2", "b.TIF", "c.webp", "d.png", "e.jpeg", "x.vrt"]
    assert [path.name for path, _ in passed] == ["more", "notes.txt", "scene.nc"]
    assert "folder inside" in passed[0][1]


def test_files_and_folders_together_give_each_scene_once_in_their_order(tmp_path: Path):
    touch(tmp_path / "f", "a.tif", "b.tif")
    touch(tmp_path, "scene.dat")
    paths = [tmp_path / "scene.dat", tmp_path / "f" / "b.tif", tmp_path / "f"]
    scenes, passed = find_scenes(paths)
    assert [path.name for path in scenes] == ["scene.dat", "b.tif", "a.tif"]
    assert passed == []


@pytest.mark.parametrize("names", [("a.tif", "a.png"), ("A.tif", "a.tif"), ("a.tif", "a.tiff")])
def test_two_scenes_of_one_name_are_an_error_that_names_both(tmp_path: Path, names: tuple[str, str]):
    touch(tmp_path / "one", names[0])
    touch(tmp_path / "two", names[1])
    with pytest.raises(DataError) as caught:
        find_scenes([tmp_path / "one", tmp_path / "two"])
    assert str(tmp_path / "one" / names[0]) in str(caught.value)
    assert str(tmp_path / "two" / names[1]) in str(caught.value)


def test_a_mosaic_of_scenes_that_are_taken_is_passed_over_unless_it_is_named(tmp_path: Path):
    write_raster(tmp_path / "a.tif", numbers(1, 4, 5))
    write_vrt(tmp_path / "a.vrt", "a.tif", (4, 5))
    scenes, passed = find_scenes([tmp_path])
    assert [path.name for path in scenes] == ["a.tif"]
    assert passed[0][0].name == "a.vrt"
    assert "mosaic" in passed[0][1]
    assert find_scenes([tmp_path / "a.vrt"]) == ([tmp_path / "a.vrt"], [])


def test_a_mosaic_of_scenes_elsewhere_is_a_scene(tmp_path: Path):
    (tmp_path / "parts").mkdir()
    write_raster(tmp_path / "parts" / "a.tif", numbers(1, 4, 5))
    write_vrt(tmp_path / "m.vrt", "parts/a.tif", (4, 5))
    assert [path.name for path in find_scenes([tmp_path])[0]] == ["m.vrt"]


def test_paths_that_are_not_there_and_folders_without_scenes_are_refused(tmp_path: Path):
    with pytest.raises(OptionError, match=r"--images .*gone does not exist"):
        find_scenes([tmp_path / "gone"])
    with pytest.raises(OptionError, match="--images names nothing"):
        find_scenes([])
    touch(tmp_path, "a.txt")
    with pytest.raises(DataError, match=r"holds no scenes; expected GeoTIFF"):
        find_scenes([tmp_path])


def test_a_scene_that_is_a_link_to_nowhere_is_refused(tmp_path: Path):
    (tmp_path / "a.tif").symlink_to("gone.tif")
    with pytest.raises(DataError, match="is a link that leads nowhere"):
        find_scenes([tmp_path])
