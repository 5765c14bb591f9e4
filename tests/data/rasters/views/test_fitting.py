"""A scene is seen as a run's tiles were: its bands by name, its ranges, its scale, and where it holds data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.rasters.opening import open_scene
from data.rasters.tile_files import read_tile
from data.rasters.views.fitting import FittedScene, fit_scene
from tests.data.rasters.scene_files import AT, numbers, write_raster
from utils.errors import DataError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.imagery.ranges import Ranges, to_uint8

FOUR = Bands(
    ("red", "green", "blue", "nir"), (1, 2, 3, 4), ((0.0, 200.0),) * 4, (0.5,) * 4, (0.2,) * 4, metres_per_pixel=0.3
)


def fitted(path: Path, bands: Bands = RGB_BANDS, **options: Any) -> FittedScene:
    return fit_scene(open_scene(path), bands, **options)


def whole(path: Path, bands: Bands = RGB_BANDS, **options: Any) -> np.ndarray:
    with fitted(path, bands, **options) as scene:
        return scene.read(0, 0, *scene.size)


def refusal(path: Path, bands: Bands = RGB_BANDS, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        fitted(path, bands, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path}", path.name)


def test_bands_are_found_by_interpretation_and_description_whatever_their_order(tmp_path: Path):
    values = numbers(5, 6, 7, "uint16")
    path = write_raster(
        tmp_path / "a.tif", values, colours="blue green red undefined undefined", names=("", "", "", "NIR", "swir")
    )
    expected = to_uint8(values[[2, 1, 0, 3]], Ranges(FOUR.ranges))
    np.testing.assert_array_equal(np.moveaxis(whole(path, FOUR), -1, 0), expected)
    with fitted(path, FOUR) as scene:
        assert [band.index for band in scene.chosen] == [3, 2, 1, 4]
        assert scene.remarks == ()


def test_a_run_reads_a_scene_as_it_read_its_tiles(tmp_path: Path):
    values = numbers(4, 9, 8, "float32")
    values[:, 2:4, 3] = np.nan
    path = write_raster(tmp_path / "tile.tif", values, names=FOUR.names)
    bands = replace(FOUR, nodata="mask")
    np.testing.assert_array_equal(whole(path, bands), read_tile(path, bands))


@pytest.mark.parametrize(
    ("colours", "names", "run", "chosen"),
    [
        ("gray undefined undefined undefined", (), FOUR, [1, 2, 3, 4]),
        ("red green blue undefined", (), replace(FOUR, names=("band 1", "band 2", "band 3", "band 4")), [1, 2, 3, 4]),
        ("gray undefined undefined undefined", (), replace(FOUR, indices=(3, 2, 1, 4)), [3, 2, 1, 4]),
    ],
)
def test_bands_that_one_side_only_numbers_are_taken_in_order_and_this_is_said(
    tmp_path: Path, colours: str, names: tuple[str, ...], run: Bands, chosen: list[int]
):
    path = write_raster(tmp_path / "a.tif", numbers(4, 6, 7), colours=colours, names=names)
    with fitted(path, run) as scene:
        assert [band.index for band in scene.chosen] == chosen
        assert "are taken for" in scene.remarks[0]


@pytest.mark.parametrize(
    ("count", "colours", "run", "words"),
    [
        (3, "red green blue", FOUR, "of which nir is not clear there"),
        (4, "gray undefined undefined undefined", RGB_BANDS, "the run sees red, green, blue; describe them"),
        (5, "red green blue undefined undefined", FOUR, "of which nir is not clear there"),
        (2, "gray alpha", FOUR, "has the bands 1 gray, 2 alpha, but the run sees red, green, blue, nir"),
        (1, "red", RGB_BANDS, "of which green, blue is not clear there"),
    ],
)
def test_bands_that_are_not_there_or_not_clear_are_refused(
    tmp_path: Path, count: int, colours: str, run: Bands, words: str
):
    path = write_raster(tmp_path / "a.tif", numbers(count, 6, 7), colours=colours)
    assert words in refusal(path, run)


def test_grey_is_red_green_and_blue_for_a_run_of_these(tmp_path: Path):
    values = numbers(1, 6, 7)
    path = write_raster(tmp_path / "grey.tif", values)
    np.testing.assert_array_equal(whole(path), np.moveaxis(values.repeat(3, 0), 0, -1))
    bits = write_raster(tmp_path / "bits.tif", values % 2, nbits=1)
    np.testing.assert_array_equal(np.unique(whole(bits)), [0, 255])


def test_what_is_no_data_is_black_and_told_apart_where_the_run_has_no_channel_for_it(tmp_path: Path):
    values = numbers(3, 6, 8)
    values[:, :, :5] = 0
    path = write_raster(tmp_path / "a.tif", values, colours="red green blue", nodata=0)
    valid = values.any(axis=0)
    with fitted(path) as scene:
        image, found = scene.read_with_valid(0, 0, 6, 8)
        assert scene.may_lack_data
        assert image.shape == (6, 8, 3)
        np.testing.assert_array_equal(scene.valid(1, 2, 4, 5), valid[1:5, 2:7])
    np.testing.assert_array_equal(found, valid)
    assert not image[~valid].any()
    with fitted(path, replace(RGB_BANDS, nodata=0.0)) as scene:
        np.testing.assert_array_equal(scene.read(0, 0, 6, 8)[..., 3], valid * 255)
    with fitted(write_raster(tmp_path / "b.tif", numbers(3, 6, 8), colours="red green blue")) as scene:
        assert not scene.may_lack_data
        assert scene.valid(0, 0, 2, 3).all()


def test_another_scale_is_refused_resampled_or_accepted_as_asked(tmp_path: Path):
    coarse = AT * AT.scale(2)
    path = write_raster(tmp_path / "a.tif", numbers(4, 8, 10), names=FOUR.names, transform=coarse)
    assert "has 0.6 m per pixel, the run 0.3; they may differ by 20 %: other_scale resample brings" in refusal(
        path, FOUR
    )
    with fitted(path, FOUR, other_scale="accept") as scene:
        assert scene.size == (8, 10)
        assert "it is taken as it is" in scene.remarks[0]
    with fitted(path, FOUR, other_scale="resample") as scene:
        assert scene.size == (16, 20)
        assert scene.place is not None
        assert scene.place.transform == pytest.approx(tuple(AT)[:6], abs=1e-3)
        assert scene.read(3, 4, 5, 6).shape == (5, 6, 4)
        assert "it is resampled" in scene.remarks[0]


@pytest.mark.parametrize(("run", "profile"), [(None, {}), (0.3, {"crs": None}), (0.3, {"transform": None})])
def test_a_scale_that_one_side_does_not_know_is_said_in_words_that_hold_for_all_scenes(
    tmp_path: Path, run: float | None, profile: dict[str, Any]
):
    said = set()
    for name in ("a.tif", "b.tif"):
        path = write_raster(tmp_path / name, numbers(4, 8, 10), names=FOUR.names, **profile)
        with fitted(path, replace(FOUR, metres_per_pixel=run)) as scene:
            said |= set(scene.remarks)
    assert len(said) == 1
    assert "not compared" in said.pop()


@pytest.mark.parametrize(
    ("dtype", "factor", "ranges", "words"),
    [
        ("uint16", 40, (0.0, 255.0), "lie outside the run's ranges (0 to 255); bring it to 8 bits"),
        ("uint8", 1, (100.0, 3000.0), "holds uint8 in band 1, but the run learned from 100 to 3000"),
        ("int16", 100, (0.0, 90_000.0), "holds int16 in band 1"),
    ],
)
def test_values_of_another_kind_are_refused(
    tmp_path: Path, dtype: str, factor: int, ranges: tuple[float, float], words: str
):
    path = write_raster(tmp_path / "a.tif", numbers(3, 80, 90, dtype) * factor, colours="red green blue")
    assert words in refusal(path, replace(RGB_BANDS, ranges=(ranges,) * 3))


def test_values_of_another_unit_are_told(tmp_path: Path):
    reflectance = numbers(3, 80, 90).astype("float32") / 200
    path = write_raster(tmp_path / "a.tif", reflectance, colours="red green blue")
    with fitted(path, replace(RGB_BANDS, ranges=((0.0, 3000.0),) * 3)) as scene:
        assert "check their unit" in scene.remarks[0]
    path = write_raster(tmp_path / "b.tif", reflectance * 9000, colours="red green blue")
    with fitted(path, replace(RGB_BANDS, ranges=((0.0, 3000.0),) * 3)) as scene:
        assert "they may be of another unit" in scene.remarks[0]
