"""A bounded sample of values: where it comes from, and what is made of it."""

from pathlib import Path

import numpy as np
import pytest

from data.rasters import sampling
from data.rasters.sampling import SceneWindow, ValueSample, sample_values, scene_windows
from tests.data.rasters.scene_files import numbers, write_raster
from utils.errors import DataError
from utils.imagery.ranges import Ranges


def test_a_scene_is_divided_into_windows_without_overlap(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(1, 300, 257))
    windows = scene_windows(path)
    assert [(w.top, w.left, w.height, w.width) for w in windows] == [
        (0, 0, 256, 256), (0, 256, 256, 1), (256, 0, 44, 256), (256, 256, 44, 1),
    ]  # fmt: skip


def test_small_scenes_are_sampled_whole_in_any_order_without_nodata(tmp_path: Path):
    values = numbers(2, 20, 30, "uint16")
    values[:, :10] = 0
    first = write_raster(tmp_path / "a.tif", values, nodata=0)
    second = write_raster(tmp_path / "b.tif", values + 1000)
    windows = [*scene_windows(first), *scene_windows(second)]
    found = sample_values(windows, "2,1")
    assert found.windows == 2
    assert found.values.shape == (2, 10 * 30 + 20 * 30)
    np.testing.assert_array_equal(np.sort(found.values[0, :300]), np.sort(values[1, 10:].ravel()))
    again = sample_values([*windows[::-1], windows[0]], "2,1")
    np.testing.assert_array_equal(found.values, again.values)


def test_the_sample_is_bounded_and_depends_on_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "MAX_WINDOWS", 4)
    monkeypatch.setattr(sampling, "MAX_PIXELS", 100)
    path = write_raster(tmp_path / "a.tif", numbers(1, 64, 64, "uint16"))
    windows = [SceneWindow(path, top, left, 8, 8) for top in range(0, 64, 8) for left in range(0, 64, 8)]
    found = sample_values(windows, seed=1)
    assert found.values.shape == (1, 100)
    np.testing.assert_array_equal(found.values, sample_values(windows, seed=1).values)
    assert not np.array_equal(found.values, sample_values(windows, seed=2).values)


def test_windows_without_data_are_replaced_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "MAX_WINDOWS", 2)
    values = np.zeros((1, 64, 64), np.uint16)
    values[0, 40, 50] = 7
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    windows = [SceneWindow(path, top, left, 8, 8) for top in range(0, 64, 8) for left in range(0, 64, 8)]
    assert sample_values(windows).values.tolist() == [[7]]


def test_a_large_window_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "_SIDE", 16)
    path = write_raster(tmp_path / "a.tif", numbers(1, 64, 80, "uint16"))
    assert sample_values([SceneWindow(path, 0, 0, 64, 80)]).values.shape == (1, 256)


def test_scenes_of_nodata_alone_have_no_values(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", np.zeros((1, 8, 8), np.uint16), nodata=0)
    with pytest.raises(DataError, match=r"no data in the 1 windows that were read, such as .*a.tif"):
        sample_values(scene_windows(path))
    with pytest.raises(DataError, match="no windows"):
        sample_values([])


def test_percentiles_are_values_that_occur():
    sample = ValueSample(np.array([[0, 1, 2, 3, 1000]], np.uint16), 1)
    assert sample.percentiles(0, 75).pairs == ((0, 3),)
    assert sample.percentiles(2, 98).pairs == ((0, 1000),)


def test_a_band_that_hardly_varies_still_has_a_range():
    rare = np.zeros(1000, np.uint16)
    rare[0] = 9
    assert ValueSample(np.stack([rare, np.full(1000, 5, np.uint16)]), 1).percentiles(2, 98).pairs == ((0, 9), (5, 6))


def test_mean_and_deviation_are_those_of_the_bytes_scaled_to_0_to_1():
    sample = ValueSample(np.array([[0, 100, 300], [7, 7, 7]], np.uint16), 1)
    mean, deviation = sample.moments(Ranges(((0, 200), (0, 7))))
    scaled = np.array([0, 128 / 255, 1])
    assert mean == pytest.approx([scaled.mean(), 1])
    assert deviation == pytest.approx([scaled.std(), 1 / 255])
