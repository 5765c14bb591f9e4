"""Which pixels are data: declared values, masks inside files and beside them, alpha bands."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import numbers, read_all, write_raster


@pytest.mark.parametrize(
    ("values", "nodata", "lacking"),
    [
        (np.array([[0, 1], [2, 3]], "uint8"), 0, 1),
        (np.array([[-9999, 1], [-3, 3]], "int16"), -9999, 1),
        (np.array([[np.nan, 1], [np.inf, 3]], "float32"), None, 2),
        (np.array([[np.nan, 1], [-1, 3]], "float32"), -1, 2),
        (np.array([[np.nan, 1], [2, 3]], "float32"), float("nan"), 1),
        (np.array([[-3.4028234663852886e38, 1], [2, 3]], "float32"), -3.40282306074e38, 1),
        (np.array([[0.1, 1], [2, 3]], "float32"), 0.1, 1),
        (np.array([[0, 1], [2, 3]], "uint8"), None, 0),
    ],
)
def test_declared_values_and_what_is_not_finite_are_no_data(
    tmp_path: Path, values: np.ndarray, nodata: float | None, lacking: int
):
    path = write_raster(tmp_path / "a.tif", values[None], nodata=nodata)
    with RasterScene.open(path) as scene:
        _, valid = scene.read(0, 0, 2, 2, [1])
        assert (~valid).sum() == lacking
        assert scene.may_lack_data([1]) == (nodata is not None or values.dtype.kind == "f")
        assert valid[1, 1]


def test_a_pixel_lacks_data_where_all_chosen_bands_do(tmp_path: Path):
    """As GDAL's own mask of a data set has it: one dark band alone is a dark pixel."""
    values = np.array([[[0, 0, 1]], [[0, 1, 1]], [[1, 1, 0]]], "uint16")
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    assert read_all(path, 1, 2)[1].tolist() == [[False, True, True]]
    assert read_all(path, 3)[1].tolist() == [[True, True, False]]
    assert read_all(path, 1, 2, 3)[1].all()


@pytest.mark.parametrize("is_internal", [True, False])
def test_masks_inside_the_file_and_beside_it_say_what_is_data(tmp_path: Path, is_internal: bool):
    mask = numbers(1, 12, 14, seed=5)[0] > 100
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=is_internal):
        path = write_raster(tmp_path / "a.tif", numbers(3, 12, 14), mask=mask)
    assert (tmp_path / "a.tif.msk").exists() != is_internal
    with RasterScene.open(path) as scene:
        assert scene.may_lack_data([1])
        np.testing.assert_array_equal(scene.read(2, 3, 9, 8, [2, 1])[1], mask[2:11, 3:11])


def test_an_alpha_band_of_two_values_is_a_mask_unless_it_is_named(tmp_path: Path):
    values = numbers(4, 10, 10)
    values[3] = np.where(values[3] > 100, 255, 0)
    path = write_raster(tmp_path / "a.tif", values, colours="red green blue alpha")
    with RasterScene.open(path) as scene:
        assert [band.is_mask for band in scene.bands] == [False, False, False, True]
        assert scene.may_lack_data([1])
        np.testing.assert_array_equal(scene.read(0, 0, 10, 10, [1, 2, 3])[1], values[3] > 0)
        assert not scene.may_lack_data([1, 2, 3, 4])
        assert scene.read(0, 0, 10, 10, [1, 2, 3, 4])[1].all()


def test_near_infrared_tagged_alpha_is_a_band(tmp_path: Path):
    values = numbers(4, 10, 10)
    values[3, :5] = 0
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="red green blue alpha")) as scene:
        assert not scene.bands[3].is_mask
        assert scene.read(0, 0, 10, 10, [1, 2, 3])[1].all()


def test_an_alpha_band_that_is_opaque_everywhere_hides_nothing(tmp_path: Path):
    values = numbers(2, 10, 10)
    values[1] = 255
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="gray alpha")) as scene:
        assert scene.bands[1].is_mask
        assert not scene.may_lack_data([1])


def test_windows_of_a_large_alpha_band_lie_all_over_the_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.rasters.valid._WHOLE", 100)
    monkeypatch.setattr("data.rasters.valid._SIDE", 4)
    values = np.full((2, 40, 60), 255, np.uint8)
    values[1, -2, -2:] = (3, 4)
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="gray alpha")) as scene:
        assert not scene.bands[1].is_mask
