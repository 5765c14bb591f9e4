import numpy as np
import pytest
from affine import Affine

from data.rasters.places.grids import apply, chained, outline_in, positions, ring, windows
from tests.data.rasters.raster_files import UTM, grid
from utils.errors import DataError


def test_chained_maps_are_one_after_the_other():
    first, second = Affine(2, 1, 5, 0.5, -3, 7), Affine(1, -4, 2, 3, 0.25, 1e7)
    x, y = np.array([0.0, 3.0, -2.5]), np.array([1.0, 0.0, 9.0])
    assert np.allclose(apply(chained(second, first), x, y), apply(second, *apply(first, x, y)), rtol=1e-12)


def test_outlines_begin_in_the_upper_left_corner_and_hold_all_corners():
    columns, rows = ring(4, 6, 2)
    assert list(zip(columns, rows, strict=True)) == [
        (0, 0), (3, 0), (6, 0), (6, 2), (6, 4), (3, 4), (0, 4), (0, 2),
    ]  # fmt: skip
    assert grid(4, 6).outline(1).tolist() == [
        [300_000, 2_700_000], [300_006, 2_700_000], [300_006, 2_699_996], [300_000, 2_699_996],
    ]  # fmt: skip


@pytest.mark.parametrize("window", [(0, 0, 1, 1), (5, 7, 33, 64), (100, 3, 1, 40), (0, 0, 70, 2)])
@pytest.mark.parametrize("bend", [0.0, 1e-6, 1e-2])
def test_positions_are_right_to_a_hundredth_however_bent_the_way_is(window: tuple[int, int, int, int], bend: float):
    calls = []

    def way(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(x.size)
        return 3 * x + bend * y**2, 2 * y - bend * x**2

    top, left, height, width = window
    x, y = positions(way, *window)
    exact = way(*np.meshgrid(left + 0.5 + np.arange(width), top + 0.5 + np.arange(height)))
    assert x.shape == y.shape == (height, width)
    assert np.abs(np.array([x, y]) - exact).max() <= 0.01
    if bend == 0 and height * width > 100:
        assert sum(calls[:-1]) < height * width / 10  # few are transformed


def test_where_a_place_has_no_position_all_others_are_exact():
    def way(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(x > 50, np.inf, x), y

    x, _ = positions(way, 0, 0, 4, 100)
    assert (np.isfinite(x).sum(axis=1) == 50).all()


def test_windows_cover_each_pixel_once():
    seen = np.zeros((1030, 2050), int)
    for top, left, height, width in windows(*seen.shape):
        seen[top : top + height, left : left + width] += 1
    assert (seen == 1).all()


def test_outlines_that_leave_a_domain_are_refused():
    far = grid(4, 4, (1.0, 0.0, 147.0, 0.0, -1.0, 2.0), "EPSG:4326")
    with pytest.raises(DataError, match=r"image\.tif lies outside the domain of EPSG:32640"):
        outline_in(far, UTM)
    assert outline_in(grid(4, 4), UTM).shape == (128, 2)
