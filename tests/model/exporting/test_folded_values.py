"""What the graph does before the network, in torch: it needs no ONNX library."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.exporting.checking import valid_by_value
from model.exporting.graph import FoldedValues
from tests.model.exporting.test_metadata import FOUR
from utils.imagery.bands import BY_MASK, Bands
from utils.imagery.images import network_input
from utils.imagery.pixels import VALID
from utils.imagery.ranges import Ranges, to_uint8


def bands_of(*ranges: tuple[float, float], nodata: float | str | None = None) -> Bands:
    count = len(ranges)
    names, indices = tuple(f"b{i}" for i in range(count)), tuple(range(1, count + 1))
    return Bands(names, indices, ranges, (0.4,) * count, (0.2,) * count, (0,), None, nodata)


def folded(values: np.ndarray, bands: Bands) -> np.ndarray:
    """Values of a file, (bands, H, W), through Deepness's division and the graph's first part."""
    return FoldedValues(bands)(torch.from_numpy(np.float32(values * 1.0 / 255.0))[None])[0].numpy()


def as_in_training(values: np.ndarray, bands: Bands) -> np.ndarray:
    stored = to_uint8(values, Ranges(bands.ranges))
    if bands.pixels.has_validity:
        valid = valid_by_value(values, bands.nodata)
        stored = np.concatenate([stored, np.where(valid, VALID, 0).astype(np.uint8)[None]])
    sizes = torch.tensor([stored.shape[1:]])
    return network_input(torch.from_numpy(stored)[None], sizes, torch.device("cpu"), bands.pixels)[0].numpy()


@pytest.mark.parametrize("pair", [(0, 3000), (120.5, 2047), (0, 510), (0, 65535), (7, 9)])
def test_every_value_of_16_bits_becomes_the_byte_of_training(pair):
    """Also those halfway between two bytes, as every second one of 0..510 is."""
    values, bands = np.arange(1 << 16, dtype=np.uint16).reshape(1, 256, 256), bands_of(pair)
    np.testing.assert_array_equal(folded(values, bands), as_in_training(values, bands))


def test_negative_and_fractional_values():
    values = np.random.default_rng(0).normal(0, 0.4, (2, 64, 64)).astype(np.float32)
    bands = bands_of((-0.5, 0.5), (0, 0.3))
    differs = folded(values, bands) != as_in_training(values, bands)
    assert differs.mean() < 1e-3  # within a rounding of float32 from halfway between two bytes


@pytest.mark.parametrize("nodata", [0.0, -9999.0, 65535.0, -3.4028234663852886e38, 0.1, BY_MASK])
def test_nodata_and_what_is_not_finite_is_padding(nodata):
    values = np.random.default_rng(1).uniform(0.2, 3000, (2, 16, 16)).round().astype(np.float32)
    if nodata != BY_MASK:
        values[:, :4] = nodata  # in one band alone it is a value like others
        values[0, 4] = nodata
    values[1, 8, 0], values[0, 9, 1], values[0, 10, 2] = np.nan, np.inf, -np.inf
    bands = bands_of((0, 3000), (0, 2000), nodata=nodata)
    found = folded(values, bands)
    np.testing.assert_array_equal(found, as_in_training(values, bands))
    padding = (found == 0).all(axis=0)
    assert padding[8, 0]
    assert padding[9, 1]
    assert padding.sum() == 3 + (64 if nodata != BY_MASK else 0)


def test_without_nodata_what_is_not_finite_is_the_end_of_the_range():
    values = np.array([np.nan, np.inf, -np.inf, 100], np.float32).reshape(1, 1, 4)
    bands = replace(FOUR, nodata=None, names=("a",), ranges=((0, 200),), mean=(0.0,), std=(1.0,))
    np.testing.assert_allclose(folded(values, bands)[0, 0], [0, 1, 0, 128 / 255], atol=1e-7)


def test_an_infinite_nodata_value_leaves_the_other_values():
    values = np.full((2, 4, 4), 100, np.float32)
    values[:, :2] = np.inf
    bands = bands_of((0, 3000), (0, 2000), nodata=np.inf)
    found = folded(values, bands)
    np.testing.assert_array_equal(found, as_in_training(values, bands))
    assert (found[:, :2] == 0).all()
    assert (found[:, 2:] != 0).all()
