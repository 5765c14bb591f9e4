from itertools import pairwise
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from data.maps.areas import ClassAreas, write_class_areas
from data.maps.pixel_areas import NoArea, PixelAreas, pixel_areas
from data.rasters.places.place import GroundPoint, Place

UTM = pyproj.CRS.from_epsg(32640).to_wkt()
FEET = pyproj.CRS.from_epsg(2263).to_wkt()  # New York, US survey feet
DEGREES = pyproj.CRS.from_epsg(4326).to_wkt()
MERCATOR = pyproj.CRS.from_epsg(3857).to_wkt()
PARIS = pyproj.CRS.from_epsg(4807).to_wkt()  # grads from Paris
TRUE = pyproj.Geod(ellps="WGS84")


def known(place: Place, size: tuple[int, int]) -> PixelAreas:
    areas = pixel_areas(place, size)
    assert isinstance(areas, PixelAreas)
    return areas


def geodesic(place: Place, row: float, column: float, crs: str) -> float:
    """Area of one pixel by the geodesics through its corners, made dense."""
    corners = [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column), (row, column)]
    way = pyproj.Transformer.from_crs(crs, DEGREES, always_xy=True)
    points = []
    for (r0, c0), (r1, c1) in pairwise(corners):
        points += [place.position(r0 + (r1 - r0) * t, c0 + (c1 - c0) * t) for t in np.linspace(0, 1, 50)]
    x, y = way.transform(*np.transpose(points))
    return abs(TRUE.polygon_area_perimeter(x, y)[0])


def test_a_projection_in_metres_counts_as_it_is_and_feet_are_converted():
    metres = known(Place(UTM, (0.3, 0, 500_000, 0, -0.3, 2_700_000)), (40, 50))
    assert metres.measure == "projection"
    assert metres.of_rows(3, 2) == pytest.approx(np.full((2, 1), 0.09))
    feet = known(Place(FEET, (2.0, 0, 980_000, 0, 2.0, 200_000)), (40, 50))  # and south up
    assert feet.of_rows(0, 1) == pytest.approx(np.array([[4 * (1200 / 3937) ** 2]]))


def test_a_rotated_projection_counts_by_the_determinant():
    turned = known(Place(UTM, (0.8, 0.6, 500_000, 0.6, -0.8, 2_700_000)), (40, 50))
    assert turned.of_rows(0, 1) == pytest.approx(np.array([[1.0]]))


@pytest.mark.parametrize("crs", [DEGREES, PARIS])
def test_pixels_in_degrees_have_the_area_of_their_row_on_the_ellipsoid(crs: str):
    place = Place(crs, (0.5, 0, -2, 0, -0.5, 60))
    areas = known(place, (200, 10))
    assert areas.measure == "ellipsoid"
    rows = areas.of_rows(0, 200)
    assert rows.shape == (200, 1)
    for row in (0, 60, 119, 199):
        assert rows[row, 0] == pytest.approx(geodesic(place, row, 0, crs), rel=5e-4)


def test_the_whole_earth_in_degrees_has_its_area():
    areas = ClassAreas(1, (180, 360), Place(DEGREES, (1, 0, -180, 0, -1, 90)))
    areas.add(0, np.zeros((180, 360), np.uint8))
    assert areas.square_metres == pytest.approx([510_065_621_724_089], rel=1e-9)  # Karney (2013): WGS 84


@pytest.mark.parametrize(
    "place",
    [
        Place(MERCATOR, (20.0, 0, 1_000_000, 0, -20.0, 8_400_000)),  # 60° north: four times too large in its plane
        Place(DEGREES, (0.0008, 0.0006, 25, 0.0006, -0.0008, 48)),  # rotated
        Place(DEGREES, (0.0008, 0.0006, 179.9, 0.0006, -0.0008, -17)),  # and across the antimeridian
    ],
)
def test_pixels_that_differ_along_rows_have_their_area_on_the_ellipsoid(place: Place):
    areas = known(place, (300, 400))
    assert areas.measure == "ellipsoid"
    rows = areas.of_rows(100, 3)
    assert rows.shape == (3, 400)
    for column in (0, 133, 399):
        assert rows[1, column] == pytest.approx(geodesic(place, 101, column, place.crs), rel=1e-4)


@pytest.mark.parametrize(
    "place",
    [
        Place(UTM, (0.3, 0, 500_000, 0, -0.3, 2_700_000)),
        Place(DEGREES, (0.001, 0, 25, 0, -0.001, 48)),
        Place(MERCATOR, (20.0, 0, 1_000_000, 0, -20.0, 8_400_000)),
    ],
)
def test_the_area_of_a_polygon_is_the_sum_of_its_pixels(place: Place):
    areas = known(place, (120, 90))
    polygon = shapely.Polygon([(5, 10), (80, 10), (80, 100), (40, 100), (40, 50), (5, 50)])
    inside = np.zeros((120, 90), bool)
    inside[10:50, 5:80] = inside[50:100, 40:80] = True
    summed = (areas.of_rows(0, 120) * inside).sum()
    assert areas.of_polygons(np.array([polygon]))[0] == pytest.approx(summed, rel=1e-7)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (None, "has no place"),
        (Place("", (1, 0, 5, 0, -1, 5)), "no CRS"),
        (Place(UTM, (1, 0, 5, 0, -1, 5), (GroundPoint(0, 0, 1, 1),)), "control points"),
        (Place('LOCAL_CS["drawing",UNIT["metre",1]]', (1, 0, 5, 0, -1, 5)), "not one of the Earth"),
    ],
)
def test_without_a_place_there_is_no_area(place: Place | None, reason: str):
    areas = pixel_areas(place, (4, 4))
    assert isinstance(areas, NoArea)
    assert reason in areas.reason


def test_the_table_has_a_line_a_scene_and_class_and_a_total(tmp_path: Path):
    north = ClassAreas(2, (2, 3), Place(UTM, (10.0, 0, 500_000, 0, -10.0, 2_700_000)))
    north.add(0, np.array([[0, 0, 1]], np.uint8))
    north.add(1, np.array([[255, 0, 7]], np.uint8))
    path = tmp_path / "class_areas.csv"
    write_class_areas(path, {"north": north}, ["water", "=wood"])
    assert path.read_text(encoding="utf-8").splitlines() == [
        "scene,class,pixels,square_metres,hectares,share,measured_on",
        "north,water,3,300.00,0.030000,0.750000,projection",
        "north,'=wood,1,100.00,0.010000,0.250000,projection",
        "total,water,3,300.00,0.030000,0.750000,projection",
        "total,'=wood,1,100.00,0.010000,0.250000,projection",
    ]


def test_a_scene_without_a_place_leaves_areas_empty_also_those_of_all_together(tmp_path: Path):
    here = ClassAreas(1, (1, 1), Place(UTM, (10.0, 0, 500_000, 0, -10.0, 2_700_000)))
    nowhere = ClassAreas(1, (1, 1), None)
    for areas in (here, nowhere):
        areas.add(0, np.zeros((1, 1), np.uint8))
    path = tmp_path / "class_areas.csv"
    write_class_areas(path, {"here": here, "nowhere": nowhere}, ["water"])
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "here,water,1,100.00,0.010000,1.000000,projection",
        'nowhere,water,1,,,1.000000,"no place, no area"',
        'total,water,2,,,1.000000,"projection; no place, no area"',
    ]
