"""A scene at another scale: means of areas, bilinear between pixels, nodata apart, the same whatever the windows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from data.rasters.files.gdal import session
from data.rasters.opening import open_scene
from data.rasters.scene import RasterScene
from data.rasters.views import resampled
from data.rasters.views.resampled import ResampledScene
from tests.data.rasters.scene_files import AT, UTM, numbers, write_raster
from utils.errors import DataError


def read_at(path: Path, metres: float, *bands: int) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(path, metres) as scene:
        return scene.read(0, 0, *scene.size, bands or [band.index for band in scene.bands])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_a_pixel_twice_as_long_is_the_mean_of_four(tmp_path: Path, dtype: str):
    values = numbers(3, 12, 20, dtype)
    found, valid = read_at(write_raster(tmp_path / "a.tif", values), 0.6)
    expected = values.reshape(3, 6, 2, 10, 2).mean(axis=(2, 4), dtype=float)
    np.testing.assert_allclose(found, expected if dtype[0] == "f" else np.rint(expected), rtol=1e-6)
    assert found.dtype == np.dtype(dtype)
    assert valid.all()


@pytest.mark.parametrize(
    ("metres", "way", "tolerance"),
    [(0.75, Resampling.average, 1), (0.9, Resampling.average, 1), (0.12, Resampling.bilinear, 1)],
)
def test_values_are_those_of_gdals_warper(tmp_path: Path, metres: float, way: Resampling, tolerance: float):
    path = write_raster(tmp_path / "a.tif", numbers(2, 45, 60, "uint16"))
    found, _ = read_at(path, metres)
    height, width = found.shape[1:]
    options = {
        "height": height,
        "width": width,
        "transform": Affine(metres, 0, AT.c, 0, -metres, AT.f),
        "resampling": way,
    }
    with session(), rasterio.open(path) as file, WarpedVRT(file, crs=UTM, **options) as warped:
        expected = warped.read()
    inside = np.s_[:, 2 : height - 3, 2 : width - 3]  # the warper clips otherwise at the scene's end
    assert np.abs(found[inside].astype(int) - expected[inside]).max() <= tolerance


def test_size_place_and_scale_are_those_of_the_view(tmp_path: Path):
    with open_scene(write_raster(tmp_path / "a.tif", numbers(1, 47, 60)), 1.0) as scene:
        assert scene.size == (14, 18)
        assert scene.place is not None
        assert scene.place.transform == pytest.approx((1.0, 0, AT.c, 0, -1.0, AT.f))
        assert scene.place.metres_per_pixel(scene.size) == pytest.approx(1.0)
        assert scene.metres_per_pixel == 1.0


@pytest.mark.parametrize("metres", [0.2, 0.3, 0.41, 1.7])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_any_windows_give_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metres: float, dtype: str):
    values = numbers(3, 61, 47, dtype)
    mask = numbers(1, 61, 47)[0] > 60
    path = write_raster(tmp_path / "a.tif", values, mask=mask)
    whole, valid = read_at(path, metres)
    monkeypatch.setattr(resampled, "_TOGETHER", 300)
    with open_scene(path, metres) as scene:
        height, width = scene.size
        for top, left in ((0, 0), (3, 2), (height - 4, width - 5)):
            part, is_data = scene.read(top, left, 4, 5, [3, 1])
            window = np.s_[top : top + 4, left : left + 5]
            np.testing.assert_array_equal(part, whole[[2, 0], *window])
            np.testing.assert_array_equal(is_data, valid[window])
    again, _ = read_at(path, metres)
    np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize("how", ["nodata", "mask", "alpha", "NaN"])
@pytest.mark.parametrize("metres", [0.1, 0.3, 0.75])
def test_what_is_no_data_does_not_leak_into_values(tmp_path: Path, how: str, metres: float):
    valid = np.ones((30, 30), bool)
    valid[:13, :17] = False
    values = np.where(valid, 100, 0)[None].repeat(3, 0).astype("float32" if how == "NaN" else "uint8")
    options: dict[str, Any] = {}
    if how == "nodata":
        options = {"nodata": 0}
    elif how == "mask":
        options = {"mask": valid}
    elif how == "NaN":
        values[0, ~valid] = np.nan
    else:
        values = np.concatenate([values, np.where(valid, 255, 0)[None].astype("uint8")])
        options = {"colours": "red green blue alpha"}
    found, is_data = read_at(write_raster(tmp_path / "a.tif", values, **options), metres, 1, 2, 3)
    assert set(np.unique(found[:, is_data])) == {100}
    side = round(30 * 0.3 / metres)
    assert is_data.sum() == pytest.approx(valid.mean() * side**2, rel=0.02)


def test_a_pixel_is_data_where_half_of_its_area_is(tmp_path: Path):
    values = np.array([[[5, 0, 7, 7], [5, 0, 7, 7], [0, 0, 9, 0], [0, 0, 0, 0]]], "uint8")
    found, valid = read_at(write_raster(tmp_path / "a.tif", values, nodata=0), 0.6)
    np.testing.assert_array_equal(valid, [[True, True], [False, False]])
    np.testing.assert_array_equal(found, [[[5, 7], [0, 0]]])


def test_a_mean_that_meets_the_nodata_value_stays_data(tmp_path: Path):
    values = np.array([[[-1, 1], [1, -1]], [[-2, 2], [2, -2]]], "int16")
    found, valid = read_at(write_raster(tmp_path / "a.tif", values, nodata=0), 0.6)
    assert valid.all()
    assert found.any()


def test_a_near_infrared_that_is_tagged_alpha_is_averaged_as_values(tmp_path: Path):
    values = numbers(4, 8, 8)
    found, valid = read_at(write_raster(tmp_path / "a.tif", values, colours="red green blue alpha"), 0.6)
    np.testing.assert_array_equal(found, np.rint(values.reshape(4, 4, 2, 4, 2).mean(axis=(2, 4))))
    assert valid.all()


def test_colours_of_a_palette_are_averaged_not_its_indices(tmp_path: Path):
    path = write_raster(
        tmp_path / "a.tif", np.array([[[0, 9], [0, 9]]], "uint8"), table={0: (10, 0, 0, 255), 9: (20, 4, 0, 255)}
    )
    found, _ = read_at(path, 0.6, 1, 2, 3)
    np.testing.assert_array_equal(found[:, 0, 0], [15, 2, 0])
    with RasterScene.open(path) as scene, pytest.raises(ValueError, match="expand_palette"):
        ResampledScene(scene, 0.6)


def test_a_window_may_be_decimated(tmp_path: Path):
    with open_scene(write_raster(tmp_path / "a.tif", numbers(1, 40, 40)), 0.6) as scene:
        whole, _ = scene.read(0, 0, 20, 20, [1])
        few, valid = scene.read(0, 0, 20, 20, [1], out=(5, 4))
    np.testing.assert_array_equal(few, whole[:, 2::4, 2::5])
    assert valid.shape == (5, 4)


@pytest.mark.parametrize(("profile", "word"), [({"crs": None}, "CRS"), ({"crs": None, "transform": None}, "place")])
def test_a_scene_of_unknown_scale_cannot_be_resampled(tmp_path: Path, profile: dict[str, Any], word: str):
    path = write_raster(tmp_path / "a.tif", numbers(1, 8, 8), **profile)
    with pytest.raises(DataError, match=f"has no {word}.*georeference"):
        open_scene(path, 1.0)


def test_a_scene_is_not_made_finer_without_end(tmp_path: Path):
    with pytest.raises(DataError, match="up to 16 times"):
        open_scene(write_raster(tmp_path / "a.tif", numbers(1, 8, 8)), 0.01)


def test_a_scene_of_unknown_scale_is_resampled_by_a_factor(tmp_path: Path):
    values = numbers(2, 12, 20)
    path = write_raster(tmp_path / "a.tif", values, crs=None, transform=None)
    with ResampledScene(RasterScene.open(path), factor=2) as scene:
        assert (scene.factor, scene.metres_per_pixel, scene.place, scene.size) == (2, None, None, (6, 10))
        found, valid = scene.read(0, 0, 6, 10, [1, 2])
    np.testing.assert_array_equal(found, np.rint(values.reshape(2, 6, 2, 10, 2).mean(axis=(2, 4))))
    assert valid.all()


def test_a_factor_and_metres_per_pixel_say_the_same(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(2, 12, 20))
    with ResampledScene(RasterScene.open(path), factor=2) as scene, open_scene(path, 0.6) as other:
        assert scene.metres_per_pixel == pytest.approx(0.6)
        assert scene.place == other.place
        np.testing.assert_array_equal(scene.read(0, 0, 6, 10, [1])[0], other.read(0, 0, 6, 10, [1])[0])


@pytest.mark.parametrize("factor", [0.01, 0.0, float("inf"), float("nan")])
def test_a_factor_that_is_none_is_refused(tmp_path: Path, factor: float):
    path = write_raster(tmp_path / "a.tif", numbers(1, 8, 8), crs=None)
    with RasterScene.open(path) as scene, pytest.raises(DataError, match=r"expected 0\.0625 or more"):
        ResampledScene(scene, factor=factor)
