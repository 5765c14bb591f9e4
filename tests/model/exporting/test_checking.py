"""The values that an exported network is checked on."""

from dataclasses import replace

import numpy as np
import pytest

from model.exporting.checking import random_values
from tests.model.exporting.test_folded_values import as_in_training, folded
from tests.model.exporting.test_metadata import FOUR
from utils.imagery.bands import RGB_BANDS

NARROW = ((9535.0, 9536.0), (-3000.0, -2999.5), (0.0, 1.0), (0.0, 60000.0))


def test_values_are_noise_and_patches_beyond_the_ranges_with_nodata_in_a_corner():
    values = random_values(FOUR, 37)
    assert values.shape == (2, 4, 37, 37)
    assert (values[:, :, :9, :9] == 0).all()
    assert -300 <= values.min() < -250
    assert 3250 < values.max() <= 3300
    assert len(np.unique(values[0])) > len(np.unique(values[1])) > 20


def test_bytes_are_bytes():
    values = random_values(RGB_BANDS, 64)
    assert (values.min(), values.max()) == (0, 255)
    np.testing.assert_array_equal(values, np.rint(values))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_narrow_range_of_large_values_is_no_difference(seed):
    """A step of a byte there is less than float32 holds; a constant band of a scene has such a range."""
    bands = replace(FOUR, ranges=NARROW, nodata=None)
    for values in random_values(bands, 64, seed):
        differs = folded(values, bands) != as_in_training(values, bands)
        assert differs[[0, 1, 3]].sum() == 0
        assert differs[2].mean() < 1e-3
