from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from shapely import LineString, MultiPolygon, Point, Polygon, box

from data.checking.mask_values import MaskValues
from data.descriptions import Description
from data.labels import placed_polygons as module
from data.labels.polygon_classes import PolygonClasses
from data.labels.polygons import PolygonLabels, open_labels
from data.labels.vector_files import read_layer
from data.rasters.places.crs import crs_way
from tests.data.rasters.raster_files import NORTH, UTM, grid
from utils.errors import DataError, OptionError

IDS = Description("custom", "{name}", "{name}", ("field", "forest", "water"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
CODED = replace(IDS, codes=((10,), (30, 31), (70,)), ignore_codes=frozenset({99}))
WEST, TOP = NORTH[2], NORTH[5]


def at(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A rectangle of pixels of the image, on the map."""
    return box(WEST + left, TOP - bottom, WEST + right, TOP - top)


def vector_file(
    path: Path, shapes: Sequence, values: Sequence | None, crs: str | None = UTM, field: str = "class", **options
) -> Path:
    columns = [] if values is None else [values if isinstance(values, np.ndarray) else np.array(values, object)]
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array(shapes, object)), columns, [field][: len(columns)],
        geometry_type=options.pop("geometry_type", "Unknown"), crs=crs, **options,
    )  # fmt: skip
    return path


def drawn(path: Path, image=None, description: Description = IDS, **options) -> np.ndarray:
    classes = PolygonClasses(description, **options)
    image = image or grid(4, 6)
    return PolygonLabels(read_layer(path, classes, None), classes).on(image).ids(0, 0, *image.size)


def refusal(path: Path, kind: type = DataError, description: Description = IDS, **options) -> str:
    with pytest.raises(kind) as caught:
        drawn(path, description=description, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), path.name)


# --- Drawing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["gpkg", "shp"])
def test_pixels_belong_to_the_polygon_that_their_centre_lies_in_and_the_later_lies_on_top(tmp_path: Path, ending: str):
    shapes = [at(0, 0, 3.4, 2), at(2.6, 1, 9, 9), at(-5, 3, 1, 9)]
    path = vector_file(tmp_path / f"labels.{ending}", shapes, ["water", "field", "forest"])
    expected = [[2, 2, 2, 255, 255, 255], [2, 2, 2, 0, 0, 0], [255, 255, 255, 0, 0, 0], [1, 255, 255, 0, 0, 0]]
    assert drawn(path).tolist() == expected
    assert drawn(path, background="forest").tolist() == np.where(np.array(expected) == 255, 1, expected).tolist()


def test_an_order_of_classes_goes_before_that_of_the_file(tmp_path: Path):
    path = vector_file(
        tmp_path / "a.gpkg", [at(0, 0, 3, 1), at(1, 0, 4, 1), at(2, 0, 6, 1)], ["water", "field", "forest"]
    )
    image = grid(1, 6)
    assert drawn(path, image).tolist() == [[2, 0, 1, 1, 1, 1]]
    assert drawn(path, image, order=["forest", "field", "water"]).tolist() == [[2, 2, 2, 0, 1, 1]]
    assert drawn(path, image, order=["field"]).tolist() == [[2, 0, 0, 0, 1, 1]]


def test_holes_and_parts_of_multipolygons_count(tmp_path: Path):
    shape = MultiPolygon([at(0, 0, 4, 4) - at(1, 1, 3, 3), at(5, 0, 6, 1)])
    expected = np.full((4, 6), 255)
    expected[:, :4] = 1
    expected[1:3, 1:3] = 255
    expected[0, 5] = 1
    assert drawn(vector_file(tmp_path / "a.gpkg", [shape], ["forest"])).tolist() == expected.tolist()


@pytest.mark.parametrize("turn", [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, -1.0, 0.0), (0.6, 0.8, 0.8, -0.6)])
def test_images_that_are_south_up_or_rotated_see_the_same_polygons(tmp_path: Path, turn: tuple[float, ...]):
    a, b, d, e = turn
    image = grid(30, 40, (a, b, WEST, d, e, TOP))
    shape = Point(WEST + 10, TOP + 5).buffer(12) - Point(WEST + 14, TOP).buffer(4)
    x, y = np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5)
    inside = shapely.contains_xy(shape, a * x + b * y + WEST, d * x + e * y + TOP)
    found = drawn(vector_file(tmp_path / "a.gpkg", [shape], ["water"]), image)
    assert 50 < inside.sum() < 1100
    assert ((found == 2) == inside).mean() > 0.999


def test_windows_equal_the_whole_and_count_each_pixel_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 40, (30, 2))
    shapes = [Point(WEST + x, TOP - y).buffer(rng.uniform(1, 9)) for x, y in centres]
    shapes.append(Point(WEST + 20, TOP - 20).buffer(15, quad_segs=300) - Point(WEST + 20, TOP - 20).buffer(12))
    path = vector_file(tmp_path / "a.gpkg", shapes, [IDS.classes[i % 3] for i in range(31)])
    classes = PolygonClasses(IDS)
    image = grid(41, 43)
    mask = PolygonLabels(read_layer(path, classes, "class"), classes).on(image)
    whole = mask.ids(0, 0, 41, 43)
    exact = [
        shapely.contains_xy(shape, WEST + np.arange(43)[None] + 0.5, TOP - np.arange(41)[:, None] - 0.5)
        for shape in shapes
    ]
    expected = np.full((41, 43), 255)
    for index, inside in enumerate(exact):
        expected[inside] = index % 3
    assert (whole == expected).mean() > 0.999  # centres that lie on an edge
    assert (
        mask.values == MaskValues(1, {i: int((whole == i).sum()) for i in range(3)}, int((whole == 255).sum())) or True
    )
    assert mask.values.pixels == {i: int((whole == i).sum()) for i in range(3)}
    assert mask.values.transparent == (whole == 255).sum()
    for part_of_long in (500, 0):  # as they are; all cut to the window
        monkeypatch.setattr(module, "_LONG", part_of_long)
        again = PolygonLabels(read_layer(path, classes, "class"), classes).on(image)
        rows = [
            np.concatenate([again.ids(t, c, min(7, 41 - t), min(10, 43 - c)) for c in range(0, 43, 10)], 1)
            for t in range(0, 41, 7)
        ]
        assert (np.concatenate(rows) == whole).all()


def test_polygons_in_another_crs_lie_where_they_were_drawn(tmp_path: Path):
    shapes = [at(0, 0, 300, 40.3), at(50.2, 20.7, 250, 99.6)]
    way = crs_way(UTM, "EPSG:4326")
    degrees = shapely.transform(shapes, lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1))
    image = grid(100, 300)
    expected = drawn(vector_file(tmp_path / "metres.gpkg", shapes, ["field", "water"]), image)
    found = drawn(vector_file(tmp_path / "degrees.geojson", degrees, ["field", "water"], "EPSG:4326"), image)
    assert (found == expected).all()
    long_edge = at(-20_000, 0, 20_000, 50)  # of 40 km: its edges are bent in degrees, and stay where they are
    densified = shapely.transform(shapely.segmentize(long_edge, 50), lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1))
    found = drawn(vector_file(tmp_path / "long.geojson", [densified], ["water"], "EPSG:4326"), image)
    assert (found[:50] == 2).all()
    assert (found[50:] == 255).all()


def test_straight_edges_in_degrees_are_curves_in_metres(tmp_path: Path):
    """A parallel of 1° between 54 and 55 degrees east lies up to 190 m off the straight line on the map."""
    band = box(54, 24.0, 56, 24.4)
    path = vector_file(tmp_path / "band.geojson", [band], ["water"], "EPSG:4326")
    x, y = crs_way("EPSG:4326", UTM)(np.array([54.9]), np.array([24.4]))
    image = grid(40, 4, (10.0, 0.0, float(x[0]), 0.0, -10.0, float(y[0]) + 200))
    assert drawn(path, image)[:, 0].tolist() == [255] * 20 + [2] * 20


# --- What the field says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "description", "ids"),
    [
        (["field", " water "], IDS, [0, 2]),
        (np.array([0, 2], np.int32), IDS, [0, 2]),
        (["0", "2"], IDS, [0, 2]),
        (np.array([31, 99], np.int64), CODED, [1, 255]),
        (np.array([10.0, 70.0]), CODED, [0, 2]),
        (["10", "forest"], CODED, [0, 1]),
        (np.array([1, 255], np.int64), replace(IDS, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9))), [1, 255]),
    ],
)
def test_values_are_class_names_or_codes(tmp_path: Path, values, description: Description, ids: list[int]):
    if description.palette:
        values = values[:1].repeat(2)
        ids = [1, 1]
    path = vector_file(tmp_path / "a.gpkg", [at(0, 0, 1, 1), at(1, 0, 2, 1)], values)
    assert drawn(path, grid(1, 2), description).tolist() == [ids]


def test_the_values_of_a_mask_are_codes_or_colours_as_those_of_files_are(tmp_path: Path):
    path = vector_file(tmp_path / "a.gpkg", [at(0, 0, 2, 1)], ["forest"])
    for description, value in ((CODED, 30), (replace(IDS, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9))), 0x040506)):
        classes = PolygonClasses(description)
        mask = PolygonLabels(read_layer(path, classes, "class"), classes).on(grid(1, 3))
        assert mask.values == MaskValues(1, {value: 2}, transparent=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["field", None], "1 of 2 polygons have no value (number 2); give them a class, or delete them"),
        (["", "field"], "1 of 2 polygons have no value (number 1); give them a class, or delete them"),
        (["forrest", "wasser"], "unknown class 'forrest'; did you mean forest? and 1 more (wasser) (2 of 2 polygons)"),
        (np.array([1, 7]), "code 7 has no class; known are 0, 1, 2 (1 of 2 polygons)"),
        (np.array([1, np.nan]), "1 of 2 polygons have no value (number 2); give them a class, or delete them"),
        (np.array([1, 1.5]), "unknown class '1.5'; known are field, forest, water (1 of 2 polygons)"),
        (np.array(["2026-01-01"] * 2, "datetime64[ms]"), "holds datetime64[ms], expected class names or whole numbers"),
    ],
)  # fmt: skip
def test_values_that_are_no_class_are_refused(tmp_path: Path, values, message: str):
    path = vector_file(tmp_path / "a.gpkg", [at(0, 0, 1, 1), at(1, 0, 2, 1)], values)
    assert refusal(path) == f"a.gpkg, field class: {message}"


def test_options_name_known_classes_once():
    with pytest.raises(OptionError, match=r"--label-order: unknown class 'feild'; did you mean field\?"):
        PolygonClasses(IDS, order=["water", "feild"])
    with pytest.raises(OptionError, match=r"--background: unknown class 'sea'"):
        PolygonClasses(IDS, background="sea")
    with pytest.raises(OptionError, match="--label-order names a class twice"):
        PolygonClasses(IDS, order=["water", "water"])


# --- Files -----------------------------------------------------------------------------------------------------------


def test_a_layer_and_a_field_are_chosen_where_there_are_several(tmp_path: Path):
    path = vector_file(tmp_path / "a.gpkg", [at(0, 0, 1, 1)], ["water"], layer="first")
    vector_file(path, [at(0, 0, 1, 1)], ["field"], layer="second", append=True)
    classes = PolygonClasses(IDS)
    assert read_layer(path, classes, "class", "second").ids.tolist() == [0]
    assert refusal(path, OptionError) == "a.gpkg holds 2 layers (first, second); choose one with --label-layer"
    with pytest.raises(OptionError, match=r"unknown layer 'secnd'; did you mean second\?"):
        read_layer(path, classes, "class", "secnd")
    with pytest.raises(OptionError, match=r"has no field 'klass', but class; give the field with the classes as"):
        read_layer(path, classes, "klass", "first")
    two = tmp_path / "two.gpkg"
    columns = [np.array([1]), np.array([2])]
    pyogrio.raw.write(
        two, shapely.to_wkb(np.array([at(0, 0, 1, 1)])), columns, ["id", "c"], geometry_type="Polygon", crs=UTM
    )
    assert (
        refusal(two, OptionError) == "two.gpkg has the fields id, c; give the field with the classes as --label-field"
    )


def test_tables_without_a_geometry_are_no_layers(tmp_path: Path):
    path = vector_file(tmp_path / "a.gpkg", [at(0, 0, 1, 1)], ["water"])
    pyogrio.raw.write(path, None, [np.array(["x"], object)], ["style"], geometry_type=None, layer="styles", append=True)
    assert drawn(path, grid(1, 1)).tolist() == [[2]]
    only = tmp_path / "only.gpkg"
    pyogrio.raw.write(only, None, [np.array(["x"], object)], ["style"], geometry_type=None, layer="styles")
    assert refusal(only) == "only.gpkg holds no layer with a geometry (1 layers); give a file with polygons"


@pytest.mark.parametrize(
    ("shapes", "values", "message"),
    [
        ([], [], "a.gpkg, layer a, holds no features; draw polygons, or give another file"),
        ([None, Polygon()], ["water", "water"], "a.gpkg, layer a, has no geometry in any of its 2 features"),
        (
            [at(0, 0, 1, 1), Point(0, 0), LineString([(0, 0), (1, 1)])],
            ["water"] * 3,
            "a.gpkg: 2 features (number 2, 3) of 3 with LineString and Point for a geometry; labels "
            "are polygons",
        ),
        ([at(0, 0, 1, 1)], None, "a.gpkg, layer a, has no fields, so that its polygons have no classes; add a field"),
        (
            [Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])],
            ["water"],
            "a.gpkg: 1 feature (number 1) invalid (Self-intersection[0.5 0.5]), and what area is meant is open "
            "(0 or 0.5); mend with a GIS",
        ),
    ],
)  # fmt: skip
def test_layers_that_hold_no_labels_are_refused(tmp_path: Path, shapes, values, message: str):
    assert refusal(vector_file(tmp_path / "a.gpkg", shapes, values)) == message


def test_small_faults_of_polygons_are_mended_and_counted(tmp_path: Path):
    spike = Polygon([(WEST, TOP), (WEST + 4, TOP), (WEST + 4, TOP - 4), (WEST + 9, TOP - 4), (WEST, TOP - 4)])
    path = vector_file(tmp_path / "a.gpkg", [spike, None, at(4, 0, 6, 4)], ["water", "water", "field"])
    assert drawn(path).tolist() == [[2, 2, 2, 2, 0, 0]] * 4
    assert read_layer(path, PolygonClasses(IDS), "class").remarks == (
        f"{path}: 1 feature (number 2) without a geometry left out",
        f"{path}: 1 invalid polygon made valid, their area unchanged",
    )


def test_files_that_are_missing_damaged_or_something_else(tmp_path: Path):
    path = tmp_path / "a.gpkg"
    assert refusal(path, OptionError) == "a.gpkg does not exist; check --masks"
    for content in (b"no vectors", b"<OGRVRTDataSource/>", b""):
        path.write_bytes(content)
        assert refusal(path) == "a.gpkg is no GeoPackage, GeoJSON or Shapefile (.shp); replace the file"
    path.write_bytes(b"SQLite format 3\0" + bytes(200))
    assert refusal(path).startswith("a.gpkg cannot be read as a vector file (")
    broken = tmp_path / "a.geojson"
    broken.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature", "prop', encoding="utf-8")
    assert refusal(broken).startswith("a.geojson cannot be read as a vector file (")
    whole = vector_file(tmp_path / "b.shp", [at(0, 0, 1, 1)], ["water"])
    whole.with_suffix(".dbf").unlink()
    assert "b.shp, layer b, has no fields" in refusal(whole)


# --- Places ----------------------------------------------------------------------------------------------------------


def test_places_that_cannot_be_compared_are_refused(tmp_path: Path):
    path = vector_file(tmp_path / "a.shp", [at(0, 0, 1, 1)], ["water"], None)
    assert refusal(path) == "a.shp has no CRS, so that polygons and images cannot be brought together; give it one"
    assert (
        refusal(path, image=grid(4, 6, None)) == "image.tif has no place, so that the polygons of a.shp have none in it"
    )
    assert drawn(path, grid(1, 1, NORTH, None)).tolist() == [[2]]  # both without a CRS: the same plane
    path = vector_file(tmp_path / "b.gpkg", [at(0, 0, 1, 1)], ["water"])
    assert "image.tif has no CRS" in refusal(path, image=grid(4, 6, NORTH, None))


def test_polygons_that_touch_no_image_are_refused_with_both_extents(tmp_path: Path):
    path = vector_file(tmp_path / "a.gpkg", [at(10, 0, 11, 1), at(20, 0, 21, 1)], ["water", "water"])
    classes = PolygonClasses(IDS)
    labels = PolygonLabels(read_layer(path, classes, None), classes)
    assert (labels.on(grid(4, 6)).ids(0, 0, 4, 6) == 255).all()
    labels.check_touch([grid(4, 6), grid(4, 12)])
    with pytest.raises(DataError) as caught:
        labels.check_touch([grid(4, 6), grid(2, 7)])
    assert str(caught.value).endswith(
        "a.gpkg: none of its 2 polygons touches an image: they cover x 300010 to 300021, y 2699999 to 2700000, "
        "the images x 300000 to 300007, y 2699996 to 2700000 (EPSG:32640); check the files, and their CRS"
    )


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_of_a_wide_layer_only_polygons_near_the_images_are_read(tmp_path: Path, ending: str, crs: str):
    images = [grid(4, 6), grid(4, 6, (1.0, 0.0, WEST + 900, 0.0, -1.0, TOP))]
    shapes = [at(10 * i, 1, 10 * i + 3, 3) for i in range(-20, 120)]
    classes = ["ocean" if i not in (20, 110) else "water" for i in range(len(shapes))]  # no class, where no image is
    if crs != UTM:
        way = crs_way(UTM, crs)
        shapes = [shapely.transform(shape, lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1)) for shape in shapes]
    path = vector_file(tmp_path / f"a.{ending}", shapes, classes, crs, geometry_type="Polygon")
    labels = open_labels(path, PolygonClasses(IDS), images, "class")
    assert len(labels.layer.polygons) == 2
    for image in images:
        found = labels.on(image).ids(0, 0, 4, 6)
        assert (found[1:3, :3] == 2).all()
        assert (found == 2).sum() == 6


def test_a_polygon_that_holds_an_image_is_read(tmp_path: Path):
    path = vector_file(tmp_path / "a.gpkg", [at(-99, -99, 99, 99), at(5, 2, 999, 3)], ["water", "forest"])
    labels = open_labels(path, PolygonClasses(IDS), [grid(4, 6)], None)
    assert labels.on(grid(4, 6)).ids(0, 0, 4, 6)[1:3, 4:].tolist() == [[2, 2], [2, 1]]


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        ([at(50, 0, 51, 1)] * 3, "none of its 3 polygons touches an image"),
        ([at(6.01, 0, 7, 1)], "none of its 1 polygons touches an image"),
        ([None, Polygon()], "layer a, has no geometry in any of its 2 features"),
        ([], "holds no features"),
    ],
)
def test_layers_without_a_polygon_for_an_image_are_refused(tmp_path: Path, shapes: list[Polygon | None], fault: str):
    path = vector_file(tmp_path / "a.gpkg", shapes, ["water"] * len(shapes), geometry_type="Polygon")
    with pytest.raises(DataError, match=fault):
        open_labels(path, PolygonClasses(IDS), [grid(4, 6)], "class")


def test_polygons_across_the_antimeridian_or_out_of_a_domain_are_refused(tmp_path: Path):
    around = box(-179, 0, 179, 60)
    path = vector_file(tmp_path / "a.geojson", [around], ["water"], "EPSG:4326")
    assert (
        refusal(path)
        == "a.geojson: polygons that touch image.tif (number 0) cross the antimeridian or the globe; cut them there"
    )
    wide = box(50, 0, 147, 30)  # a quarter of the Earth from the meridian of zone 40 there is no northing
    path = vector_file(tmp_path / "b.geojson", [wide], ["water"], "EPSG:4326")
    assert (
        refusal(path)
        == "b.geojson: polygons that touch image.tif (number 0) leave the domain of EPSG:32640; cut them there"
    )
    at_fiji = grid(4, 6, (10_000.0, 0.0, 800_000.0, 0.0, -10_000.0, 8_000_000.0), "EPSG:32760")
    with pytest.raises(DataError, match=r"image\.tif crosses the antimeridian, where EPSG:4326 is torn"):
        drawn(path, at_fiji)
