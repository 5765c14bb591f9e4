from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box

from data.maps.area_of_interest import AreaOfInterest
from data.maps.writing.raster_map import MapFiles
from data.rasters.opening import open_scene
from data.rasters.places.crs import crs_way
from data.rasters.places.place import GroundPoint, Place
from data.rasters.scene import RasterScene
from tests.data.labels.test_polygons import vector_file
from tests.data.maps.map_files import UTM as WKT
from tests.data.maps.map_files import written
from tests.data.rasters.raster_files import UTM, write_raster
from utils.errors import DataError, OptionError
from utils.wording import fields_called

TRANSFORM = (10.0, 0.0, 300_000.0, 0.0, -10.0, 2_700_000.0)
SIZE = (30, 40)


def at(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A rectangle of pixels of the scene, on the map."""
    return box(300_000 + 10 * left, 2_700_000 - 10 * bottom, 300_000 + 10 * right, 2_700_000 - 10 * top)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", np.ones(SIZE, np.uint8), TRANSFORM)


def mask_on(area: Path, scene: Path, metres_per_pixel: float | None = None) -> np.ndarray:
    with open_scene(scene, metres_per_pixel) as opened:
        return AreaOfInterest(area).on(opened).mask(0, 0, *opened.size)


def refusal(area: Path, scene: Path, kind: type = DataError) -> str:
    with pytest.raises(kind) as caught:
        mask_on(area, scene)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{area.parent}/", "")


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_pixels_whose_centre_lies_in_a_polygon_are_in_the_area(tmp_path: Path, scene: Path, ending: str):
    ring = at(5, 5, 20, 20) - at(8, 8, 12, 12)
    shapes = [MultiPolygon([ring, at(30.4, 0, 99, 3)]), at(9, 9, 10, 10), at(18, 18, 22.6, 21)]  # one in the hole
    crs = UTM
    if ending == "geojson":  # which is in degrees by its standard
        crs = "EPSG:4326"
        way = crs_way(UTM, crs)
        shapes = [shapely.transform(shape, lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1)) for shape in shapes]
    area = vector_file(tmp_path / f"area.{ending}", shapes, None if ending != "shp" else ["a", "b", "c"], crs)
    expected = np.zeros(SIZE, bool)
    expected[5:20, 5:20] = True
    expected[8:12, 8:12] = False
    expected[9, 9] = expected[:3, 30:] = expected[18:21, 18:23] = True
    np.testing.assert_array_equal(mask_on(area, scene), expected)
    with RasterScene.open(scene) as opened:
        found = AreaOfInterest(area).on(opened)
        np.testing.assert_array_equal(found.mask(7, 4, 12, 30), expected[7:19, 4:34])


def test_polygons_of_another_crs_are_brought_to_the_scene(tmp_path: Path, scene: Path):
    way = crs_way(UTM, "EPSG:3035")
    circle = Point(300_200, 2_699_850).buffer(101)
    there = shapely.transform(circle, lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1))
    found = mask_on(vector_file(tmp_path / "area.gpkg", [there], None, "EPSG:3035"), scene)
    x, y = np.meshgrid(300_005 + 10 * np.arange(40), 2_699_995 - 10 * np.arange(30))
    np.testing.assert_array_equal(found, shapely.contains_xy(circle, x, y))


def test_a_scene_at_another_scale_has_the_area_on_its_own_pixels(tmp_path: Path, scene: Path):
    area = vector_file(tmp_path / "area.gpkg", [at(0, 0, 20, 10)], None)
    expected = np.zeros((15, 20), bool)
    expected[:5, :10] = True
    np.testing.assert_array_equal(mask_on(area, scene, 20.0), expected)


def test_far_parts_of_a_polygon_that_have_no_place_on_the_scene_do_not_matter(tmp_path: Path):
    place = (0.01, 0.0, 170.0, 0.0, -0.01, 10.0)
    scene = write_raster(tmp_path / "scene.tif", np.ones(SIZE, np.uint8), place, "EPSG:4326")
    torn = MultiPolygon([box(-180, 0, -179, 20), box(170.1, 9.9, 180, 20)])  # an island state across 180°
    found = mask_on(vector_file(tmp_path / "area.gpkg", [torn], None, "EPSG:4326"), scene)
    assert found.sum() == 10 * 30
    assert found[:10, 10:].all()


def test_polygons_that_are_made_valid_are_told(tmp_path: Path, scene: Path):
    area = vector_file(tmp_path / "area.gpkg", [at(0, 0, 10, 10), None, _spiked()], None)
    assert AreaOfInterest(area).remarks == (
        f"{area}: 1 feature (number 2) without a geometry left out",
        f"{area}: 1 invalid polygon made valid, their area unchanged",
    )
    assert mask_on(area, scene).sum() == 100 + 25


def _spiked() -> Polygon:
    """A square with a line that leaves it and comes back."""
    (a, b, c, d), out = at(20, 20, 25, 25).exterior.coords[:-1], (300_400, 2_699_600)
    return Polygon([a, b, out, b, c, d])


def test_what_is_no_area_is_refused_in_one_line(tmp_path: Path, scene: Path):
    def area(shapes: list, crs: str | None = UTM, **options) -> Path:
        path = tmp_path / "area.gpkg"
        path.unlink(missing_ok=True)
        return vector_file(path, shapes, None, crs, **options)

    bow = Polygon([(300_000, 2_700_000), (300_100, 2_699_900), (300_100, 2_700_000), (300_000, 2_699_900)])
    assert "area.gpkg, layer area, holds no features" in refusal(area([]), scene)
    assert "with Point for a geometry; an area of interest is made of polygons" in refusal(
        area([Point(300_100, 2_699_900)]), scene
    )
    assert "what area is meant is open" in refusal(area([bow]), scene)
    assert refusal(area([at(0, 0, 9, 9)], None), scene).startswith("area.gpkg has no CRS, so that polygons")
    assert refusal(area([at(50, 0, 60, 10)]), scene) == (
        "area.gpkg: none of its 1 polygons touches scene.tif: they cover x 300500 to 300600, y 2699900 to 2700000, the "
        "scene x 300000 to 300400, y 2699700 to 2700000 (EPSG:32640); check the files, and their CRS"
    )
    assert "none of its 1 polygons touches scene.tif" in refusal(area([at(40, 0, 60, 10)]), scene)  # at its edge alone
    (tmp_path / "area.gpkg").write_bytes(b"PK\3\4")
    assert "is no GeoPackage, GeoJSON or Shapefile" in refusal(tmp_path / "area.gpkg", scene)


def test_a_file_that_is_not_there_or_of_several_layers_is_an_error_of_the_option(tmp_path: Path, scene: Path):
    with fields_called(lambda name: f"--{name}"):
        assert refusal(tmp_path / "area.gpkg", scene, OptionError) == "area.gpkg does not exist; check --aoi"
    for name in ("first", "second"):
        area = vector_file(tmp_path / "area.gpkg", [at(0, 0, 9, 9)], None, layer=name, append=name == "second")
    assert refusal(area, scene, OptionError) == (
        "area.gpkg holds 2 layers (first, second); save the one with the area in a file of its own"
    )


def test_a_scene_without_a_grid_is_refused(tmp_path: Path, scene: Path):
    area = vector_file(tmp_path / "area.gpkg", [at(0, 0, 9, 9)], None)
    nowhere = write_raster(tmp_path / "nowhere.tif", np.ones(SIZE, np.uint8))
    assert refusal(area, nowhere) == "nowhere.tif has no place, so that the polygons of area.gpkg have none in it"
    without = write_raster(tmp_path / "without.tif", np.ones(SIZE, np.uint8), TRANSFORM, None)
    assert refusal(area, without).startswith("without.tif has no CRS, so that polygons")


def test_a_scene_of_control_points_alone_is_refused(tmp_path: Path):
    points = tuple(GroundPoint(r, c, 300_000 + 10 * c, 2_700_000 - 9 * r) for r, c in ((0, 0), (0, 40), (30, 7)))
    scene = tmp_path / "gcps.tif"
    written(MapFiles(scene), np.zeros(SIZE, np.uint8), Place(WKT, TRANSFORM, points))
    area = vector_file(tmp_path / "area.gpkg", [at(0, 0, 9, 9)], None)
    assert "gcps.tif is placed by ground control points alone" in refusal(area, scene)
