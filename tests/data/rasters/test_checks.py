"""What a scene has to be before it is cut."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.rasters.checks import has_data, is_plain, require_crs, require_data, require_scale, require_size
from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import UTM, numbers, write_raster
from utils.errors import DataError


def test_a_scene_smaller_than_a_tile_is_refused(tmp_path: Path):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 6, 9))) as scene:
        require_size(scene, 6)
        with pytest.raises(DataError, match="is 6×9, smaller than a tile of 7×7; lower --tile-size to 6"):
            require_size(scene, 7)


def test_a_crs_is_asked_for_where_it_is_needed(tmp_path: Path):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 6, 9))) as scene:
        assert require_crs(scene, "it does").crs_name == UTM
    with (
        RasterScene.open(write_raster(tmp_path / "b.tif", numbers(1, 6, 9), crs=None)) as scene,
        pytest.raises(DataError, match="a transform but no CRS, but polygons need one"),
    ):
        require_crs(scene, "polygons need one")
    Image.fromarray(numbers(1, 6, 9)[0]).save(tmp_path / "c.png")
    with RasterScene.open(tmp_path / "c.png") as scene, pytest.raises(DataError, match="no place on the earth"):
        require_crs(scene, "polygons need one")


def test_a_scene_of_nodata_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.rasters.checks._PIECE", 600)
    values = np.zeros((2, 70, 50), np.uint16)
    layout = {"nodata": 0, "tiled": True, "blockxsize": 16, "blockysize": 16}
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, **layout)) as scene:
        assert not has_data(scene, [1, 2])
        with pytest.raises(DataError, match=r"holds no data: every pixel is nodata \(declared as 0\); leave it out"):
            require_data(scene, [1, 2])
    values[:, -1, -1] = 3
    with RasterScene.open(write_raster(tmp_path / "b.tif", values, **layout)) as scene:
        assert has_data(scene, [1, 2])


def test_a_scene_of_another_scale_than_the_runs_is_refused(tmp_path: Path):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 6, 9))) as scene:
        require_scale(scene, 0.31)
        require_scale(scene, None)
        with pytest.raises(DataError, match=r"has 0.3 m per pixel, the run 0.5; they may differ by 20 %"):
            require_scale(scene, 0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"crs": None, "transform": None, "photometric": "rgb"}, True),
        ({"photometric": "rgb"}, False),
        ({"crs": None, "transform": None, "photometric": "rgb", "nodata": 0}, False),
        ({"crs": None, "transform": None, "photometric": "minisblack"}, False),
    ],
)
def test_a_plain_image_has_8_bits_no_place_and_no_nodata(tmp_path: Path, options: dict, expected: bool):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(3, 6, 9), **options)) as scene:
        assert is_plain(scene) == expected
