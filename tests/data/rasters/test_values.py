"""Ranges and bytes."""

import numpy as np
import pytest

from data.rasters.sampling import ValueSample
from data.rasters.scene import Band
from data.rasters.values import choose_ranges, full_range, parse_ranges, parse_stretch
from utils.errors import OptionError
from utils.imagery.ranges import Ranges, to_uint8


def band(dtype: str = "uint16", bits: int | None = None) -> Band:
    return Band(1, "a", "undefined", dtype, bits or 8 * np.dtype(dtype).itemsize)


def test_bytes_in_their_full_range_stay_as_they_are():
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(to_uint8(values, Ranges(((0, 255),))), values)
    for dtype in ("uint16", "int16", "int32", "float32", "float64"):
        np.testing.assert_array_equal(to_uint8(values.astype(dtype), Ranges(((0, 255),))), values)


def test_sixteen_bits_made_from_bytes_come_back_as_these():
    values = np.arange(256, dtype=np.uint16).reshape(1, 16, 16) * 257
    np.testing.assert_array_equal(to_uint8(values, Ranges(((0, 65535),))), values // 257)


def test_values_are_rounded_to_the_nearest_and_clipped():
    values = np.array([[-5, 0, 1, 99, 100, 101]], np.int16)
    assert to_uint8(values, Ranges(((0, 100),))).tolist() == [[0, 0, 3, 252, 255, 255]]


def test_what_is_not_a_number_becomes_0_and_infinity_an_end():
    values = np.array([[np.nan, -np.inf, np.inf, 0.5]], np.float32)
    assert to_uint8(values, Ranges(((0, 1),))).tolist() == [[0, 0, 255, 128]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_large_window_by_table_equals_a_small_one_by_arithmetic_in_both_byte_orders(dtype: str, order: str):
    info = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(info.min, info.max, (2, 300, 300), endpoint=True)
    values = values.astype(np.dtype(dtype).newbyteorder(order))
    ranges = Ranges(((info.min / 3, info.max / 2), (5, 9.5)))
    found = to_uint8(values, ranges)
    for row in range(0, 300, 60):
        np.testing.assert_array_equal(found[:, row, :30], to_uint8(values[:, row, :30], ranges))
    low, high = ranges.pairs[0]
    exact = np.clip(np.rint((values[0].astype(np.float64) - low) * 255 / (high - low)), 0, 255)
    assert np.abs(found[0] - exact).max() <= 1


def test_each_band_has_its_own_range():
    values = np.full((2, 1), 50, np.uint16)
    assert to_uint8(values, Ranges(((0, 100), (0, 50)))).tolist() == [[128], [255]]
    with pytest.raises(ValueError, match="2 bands, but 1 ranges"):
        to_uint8(values, Ranges(((0, 1),)))


def test_ranges_survive_json():
    ranges = Ranges(((0, 3000), (-0.5, 0.25)))
    assert ranges.as_json() == [[0, 3000], [-0.5, 0.25]]
    assert Ranges.from_json(ranges.as_json()) == ranges


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (band("uint8"), (0, 255)),
        (band("int8"), (-128, 127)),
        (band("uint8", 1), (0, 1)),
        (band("uint16", 12), (0, 4095)),
    ],
)
def test_full_range(given: Band, expected: tuple[float, float]):
    assert full_range(given) == expected


def no_sample() -> ValueSample:
    raise AssertionError("no values are needed")


def sample() -> ValueSample:
    return ValueSample(np.stack([np.arange(101), np.arange(101) * 10]), 1)


def test_eight_bits_take_their_full_range_and_more_bits_percentiles_2_and_98():
    assert choose_ranges([band("uint8")], None, None, no_sample).pairs == ((0, 255),)
    assert choose_ranges([band("uint8"), band("uint16")], None, None, sample).pairs == ((0, 255), (20, 980))
    assert choose_ranges([band("uint16", 12)] * 2, None, "0,50", sample).pairs == ((0, 50), (0, 500))
    assert choose_ranges([band(), band()], ["0,9"], None, no_sample).pairs == ((0, 9), (0, 9))
    with pytest.raises(OptionError, match="contradict"):
        choose_ranges([band()], ["0,9"], "2,98", no_sample)


def test_ranges_are_given_once_for_all_bands_or_once_for_each():
    assert parse_ranges(["-1.5,2"], 2).pairs == ((-1.5, 2), (-1.5, 2))
    assert parse_ranges(["0,1", "0,2"], 2).pairs == ((0, 1), (0, 2))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["0,1", "0,2"], "2 ranges for 3 bands"),
        (["5,5"], "--value-range 5,5: its first value must be the smaller one"),
        (["a,b"], "--value-range a,b: expected LOW,HIGH"),
        (["1"], "expected LOW,HIGH"),
        (["0,inf"], "expected finite numbers"),
    ],
)
def test_ranges_that_are_refused(texts: list[str], message: str):
    with pytest.raises(OptionError, match=message):
        parse_ranges(texts, 3)


@pytest.mark.parametrize("text", ["2", "98,2", "-1,50", "0,101", "nan,5", "x,y"])
def test_percentages_that_are_refused(text: str):
    with pytest.raises(OptionError, match="--stretch"):
        parse_stretch(text)
