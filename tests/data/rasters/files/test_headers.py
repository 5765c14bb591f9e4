"""What headers say: palettes, names of bands, places; and which files are no scenes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import AT, UTM, numbers, read_all, write_raster, write_vrt
from utils.errors import DataError


def test_a_palette_is_red_green_and_blue_for_images_and_values_for_labels(tmp_path: Path):
    values = np.array([[[0, 1, 2, 3]]], np.uint8)
    table = {0: (9, 8, 7, 255), 1: (1, 2, 3, 255), 2: (4, 5, 6, 0), 3: (250, 0, 0, 255)}
    path = write_raster(tmp_path / "a.tif", values, table=table, nodata=3)
    with RasterScene.open(path) as scene:
        assert scene.colour_table is not None
        assert scene.colour_table[1].tolist() == [1, 2, 3, 255]
        np.testing.assert_array_equal(scene.read(0, 0, 1, 4, [1])[0], values)
    with RasterScene.open(path, expand_palette=True) as scene:
        assert [band.name for band in scene.bands] == ["red", "green", "blue"]
        pixels, valid = scene.read(0, 0, 1, 4, [3, 1])
        assert pixels[:, 0, :2].tolist() == [[7, 3], [9, 1]]
        assert valid[0, :2].all()
        assert not valid[0, 3]


def test_a_palette_with_a_transparent_colour_hides_its_pixels(tmp_path: Path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png", transparency=1)
    pixels, valid = read_all(tmp_path / "a.png", expand_palette=True)
    assert pixels[:, 0, 2].tolist() == [70, 80, 90]
    assert valid.tolist() == [[True, False, True]]


def test_grey_values_that_count_from_white_are_turned(tmp_path: Path):
    values = numbers(1, 6, 7)
    path = write_raster(tmp_path / "a.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(read_all(path)[0], 255 - values)
    np.testing.assert_array_equal(read_all(path)[0][0], np.asarray(Image.open(path)))


def test_bands_are_named_by_description_else_interpretation_else_number(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(4, 5, 5, "uint16"), names=("", "B3"), nbits=12, photometric="rgb")
    with RasterScene.open(path) as scene:
        assert [band.name for band in scene.bands][:3] == ["red", "B3", "blue"]
        assert {band.bits for band in scene.bands} == {12}
    with RasterScene.open(write_raster(tmp_path / "b.tif", numbers(5, 5, 5), photometric="minisblack")) as scene:
        assert [band.name for band in scene.bands] == [f"band {i}" for i in range(1, 6)]


@pytest.mark.parametrize("transform", [AT, AT @ Affine.rotation(30), Affine(0.5, 0, -180, 0, 0.5, -90)])
def test_a_place_is_the_files_own_also_rotated_and_south_up(tmp_path: Path, transform: Affine):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 6, 7), transform=transform)) as scene:
        assert scene.place is not None
        assert scene.place.transform == pytest.approx(tuple(transform)[:6])
        assert scene.place.crs_name == UTM
        assert scene.place.gcps is None


def test_ground_control_points_give_a_fitted_transform(tmp_path: Path):
    points = [GroundControlPoint(r, c, AT.c + AT.a * c, AT.f + AT.e * r) for r, c in ((0, 0), (0, 8), (6, 0), (6, 8))]
    path = write_raster(tmp_path / "a.tif", numbers(1, 6, 8), transform=None, gcps=points)
    with RasterScene.open(path) as scene:
        assert scene.place is not None
        assert scene.place.gcps is not None
        assert scene.place.gcps[1][:2] == (0, 8)
        assert scene.place.transform == pytest.approx(tuple(AT)[:6], abs=1e-6)
        assert scene.metres_per_pixel == pytest.approx(0.3)


@pytest.mark.parametrize(("kind", "world"), [("png", "pgw"), ("jpg", "jgw"), ("tif", "tfw")])
def test_a_world_file_gives_a_transform_without_a_crs(tmp_path: Path, kind: str, world: str):
    Image.fromarray(numbers(1, 6, 7)[0]).save(tmp_path / f"a.{kind}")
    (tmp_path / f"a.{world}").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    with RasterScene.open(tmp_path / f"a.{kind}") as scene:
        assert scene.place is not None
        assert scene.place.transform == (0.5, 0, 100, 0, -0.5, 200)
        assert (scene.place.crs, scene.place.crs_name) == ("", "no CRS")
        assert scene.metres_per_pixel is None


def test_a_file_without_a_place_has_none_and_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    Image.fromarray(numbers(1, 6, 7)[0]).save(tmp_path / "a.png")
    with RasterScene.open(tmp_path / "a.png") as scene:
        assert scene.place is None
        assert scene.metres_per_pixel is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected GeoTIFF"),
        (b"hello", "is of a kind that is not read; expected GeoTIFF"),
        (b"II*\0nonsense", "cannot be opened (.+); replace the file"),
        (b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", "is of a kind that is not read"),
    ],
)
def test_what_is_no_scene_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=message.replace("(", r"\(").replace(")", r"\)")):
        RasterScene.open(tmp_path / "a.tif")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is missing"):
        RasterScene.open(tmp_path / "a.tif")
    with pytest.raises(DataError, match="is a folder"):
        RasterScene.open(tmp_path)


def test_complex_numbers_are_refused(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(1, 4, 4, "complex64"))
    with pytest.raises(DataError, match=r"holds complex numbers .+; save their amplitude"):
        RasterScene.open(path)


def test_a_file_that_is_one_huge_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.rasters.files.headers._LARGEST_BLOCK", 100)
    path = write_raster(tmp_path / "a.tif", numbers(3, 20, 20), compress="deflate")
    with pytest.raises(DataError, match=r"pieces of 20×20 pixels.+gdal_translate -co TILED=YES"):
        RasterScene.open(path)


def test_a_missing_source_of_a_vrt_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone.tif, which does not exist"):
        RasterScene.open(write_vrt(tmp_path / "a.vrt", "gone.tif", (4, 5)))
