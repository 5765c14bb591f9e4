"""Metres per pixel, whatever the unit of the map."""

import math

import pyproj
import pytest

from data.rasters.places.place import Place, differs

SIZE = (100, 200)


def place(crs: str, *transform: float) -> Place:
    a, b, c, d, e, f = transform
    return Place(pyproj.CRS.from_user_input(crs).to_wkt(), (a, b, c, d, e, f))


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:32640", (0.3, 0, 5e5, 0, -0.3, 2.7e6), 0.3),
        ("EPSG:32640", (0.3, 0, 5e5, 0, 0.3, 2.7e6), 0.3),
        ("EPSG:32640", (3 * math.cos(1), 3 * math.sin(1), 5e5, 3 * math.sin(1), -3 * math.cos(1), 2.7e6), 3),
        ("EPSG:32640", (4, 0, 5e5, 0, -9, 2.7e6), 6),
        ("EPSG:2263", (2, 0, 984_000, 0, -2, 200_000), 2 * 0.3048006),  # New York in survey feet
        ("EPSG:4326", (0.001, 0, 10, 0, -0.001, 0.05), 0.001 * math.sqrt(111_319.49 * 110_574.28)),
        ("EPSG:4326", (0.001, 0, 10, 0, -0.001, 60.05), 0.001 * math.sqrt(55_799.5 * 111_412.2)),
        ("EPSG:3857", (1, 0, 0, 0, -1, 8_399_738 + 50), 0.5 * 1.0015),  # Web Mercator at 60° N doubles lengths
    ],
)
def test_metres_per_pixel(crs: str, transform: tuple[float, ...], expected: float):
    assert place(crs, *transform).metres_per_pixel(SIZE) == pytest.approx(expected, rel=1e-3)


def test_grads_are_no_degrees():
    in_grads = place("EPSG:4807", 0.001, 0, 2, 0, -0.001, 54.5).metres_per_pixel(SIZE)
    in_degrees = place("EPSG:4326", 0.0009, 0, 4, 0, -0.0009, 49.05).metres_per_pixel(SIZE)
    assert in_grads == pytest.approx(in_degrees, rel=1e-3)


def test_without_a_crs_no_length_is_known():
    assert Place("", (1, 0, 0, 0, -1, 0)).metres_per_pixel(SIZE) is None
    assert Place("nonsense", (1, 0, 0, 0, -1, 0)).metres_per_pixel(SIZE) is None


def test_a_projection_whose_middle_is_off_the_earth_keeps_its_own_metres():
    found = place("+proj=geos +h=35786023 +lon_0=0", 1000, 0, 7e6, 0, -1000, 7e6).metres_per_pixel(SIZE)
    assert found == pytest.approx(1000)


def test_names_of_systems():
    assert place("EPSG:32640", 1, 0, 0, 0, -1, 0).crs_name == "EPSG:32640"
    assert place("+proj=utm +zone=40 +ellps=bessel", 1, 0, 0, 0, -1, 0).crs_name == "unknown"
    assert Place("", (1, 0, 0, 0, -1, 0)).crs_name == "no CRS"


@pytest.mark.parametrize(
    ("run", "scene", "expected"),
    [
        (10, 12, False),
        (10, 12.1, True),
        (10, 8, False),
        (10, 7.9, True),
        (0.3, 0.36, False),
        (None, 5, False),
        (5, None, False),
    ],
)
def test_scales_differ_beyond_a_fifth(run: float | None, scene: float | None, expected: bool):
    assert differs(run, scene) == expected
