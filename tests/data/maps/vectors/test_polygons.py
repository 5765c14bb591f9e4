import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely

from data.maps.areas import ClassAreas
from data.maps.vectors.polygons import FIELDS, PolygonCount, PolygonFile, why_no_polygons
from data.maps.writing.raster_map import MapFiles
from data.rasters.places.crs import same_crs
from data.rasters.places.place import GroundPoint, Place
from tests.data.maps.map_files import CLASSES, COLOURS, NORTH, UTM, ids_of, written
from utils.errors import DataError

DEGREES = Place(pyproj.CRS.from_epsg(4326).to_wkt(), (0.001, 0, 25, 0, -0.001, 48))
MERCATOR = Place(pyproj.CRS.from_epsg(3857).to_wkt(), (10.0, 0, 1_000_000, 0, -10.0, 8_400_000))


def map_file(path: Path, ids: np.ndarray, place: Place | None) -> ClassAreas:
    return written(MapFiles(path), ids, place).areas


def layer(path: Path, name: str = "map") -> tuple[dict, np.ndarray, dict[str, np.ndarray]]:
    meta, _, geometries, columns = pyogrio.raw.read(path, layer=name)
    return meta, shapely.from_wkb(geometries), dict(zip(meta["fields"].tolist(), columns, strict=True))


@pytest.mark.parametrize(
    "place",
    [NORTH, DEGREES, MERCATOR, Place(UTM, (8.0, 6.0, 5e5, 6.0, -8.0, 2.7e6)), Place(UTM, (1, 0, 5e5, 0, 1, 2.7e6))],
)
def test_polygons_and_map_agree_on_the_area_of_each_class(tmp_path: Path, place: Place):
    areas = map_file(tmp_path / "map.tif", ids_of((60, 50)), place)
    with PolygonFile(tmp_path / "map.gpkg", CLASSES, COLOURS) as file:
        count = file.add("scene", tmp_path / "map.tif")
        file.finish()
    meta, polygons, fields = layer(tmp_path / "map.gpkg")
    assert tuple(fields) == FIELDS
    assert count == PolygonCount(len(polygons), 0)
    assert shapely.is_valid(polygons).all()
    assert same_crs(meta["crs"], place.crs)
    assert areas.square_metres is not None
    for index, name in enumerate(CLASSES):
        is_class = fields["class"] == name
        assert (fields["id"][is_class] == index).all()
        assert fields["area_m2"][is_class].sum() == pytest.approx(areas.square_metres[index], rel=1e-6)
        if place.crs == UTM:  # also by their coordinates
            assert shapely.area(polygons[is_class]).sum() == pytest.approx(areas.square_metres[index], rel=1e-6)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_smaller_polygons_than_the_least_area_are_left_out_and_counted(tmp_path: Path):
    ids = np.zeros((20, 20), np.uint8)
    ids[3, 3] = ids[9, 9:11] = 1
    map_file(tmp_path / "map.tif", ids, NORTH)
    with PolygonFile(tmp_path / "map.gpkg", CLASSES, COLOURS, min_area=200.0) as file:
        assert file.add("scene", tmp_path / "map.tif") == PolygonCount(2, 1, 100.0)
        file.finish()
    assert sorted(layer(tmp_path / "map.gpkg")[2]["area_m2"].tolist()) == [200, 39_700]


def test_scenes_of_one_crs_share_a_layer_and_others_have_their_own(tmp_path: Path):
    one = np.zeros((4, 4), np.uint8)
    for name, place in (("a", NORTH), ("b", DEGREES), ("c", NORTH)):
        map_file(tmp_path / f"{name}.tif", one, place)
    map_file(tmp_path / "empty.tif", np.full((4, 4), 255, np.uint8), MERCATOR)
    path = tmp_path / "deep" / "maps.gpkg"
    with PolygonFile(path, CLASSES, COLOURS) as file:
        for name in ("a", "b", "c", "empty"):
            file.add(name, tmp_path / f"{name}.tif")
        file.finish()
    names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    assert names == ["map", "map_EPSG_4326", "map_EPSG_3857"]
    assert layer(path)[2]["scene"].tolist() == ["a", "c"]
    assert layer(path, "map_EPSG_4326")[2]["scene"].tolist() == ["b"]
    assert len(layer(path, "map_EPSG_3857")[1]) == 0


def test_styles_lie_in_the_file_and_beside_it(tmp_path: Path):
    map_file(tmp_path / "map.tif", ids_of((5, 5)), NORTH)
    with PolygonFile(tmp_path / "polygons.gpkg", CLASSES, COLOURS) as file:
        file.add("scene", tmp_path / "map.tif")
        file.finish()
    style = (tmp_path / "polygons.qml").read_text(encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "polygons.gpkg")) as found:
        rows = found.execute("SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles")
        assert rows.fetchall() == [("map", "geom", style, 1)]
        assert found.execute("PRAGMA user_version").fetchone() == (10_200,)  # older programs warn of newer
        assert (
            found.execute("SELECT update_time FROM layer_styles").fetchone()[0].endswith("Z")
        )  # as the standard has it


def test_the_style_of_another_file_of_that_name_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    map_file(tmp_path / "map.tif", ids_of((5, 5)), NORTH)
    raster_style = (tmp_path / "map.qml").read_text(encoding="utf-8")
    for name in ("map.gpkg", "other.gpkg", "other.gpkg"):
        with PolygonFile(tmp_path / name, CLASSES, COLOURS) as file:
            file.add("scene", tmp_path / "map.tif")
            file.finish()
    assert (tmp_path / "map.qml").read_text(encoding="utf-8") == raster_style
    assert capsys.readouterr().err.count("stays, as it is not of these polygons") == 1


def test_a_scene_without_a_crs_has_polygons_without_areas(tmp_path: Path):
    map_file(tmp_path / "map.tif", np.zeros((4, 4), np.uint8), Place("", (1.0, 0, 5, 0, -1.0, 7)))
    with PolygonFile(tmp_path / "map.gpkg", CLASSES, COLOURS) as file:
        assert file.add("scene", tmp_path / "map.tif").written == 1
        file.finish()
    assert np.isnan(layer(tmp_path / "map.gpkg")[2]["area_m2"]).all()


@pytest.mark.parametrize(
    ("place", "min_area", "reason"),
    [
        (None, 0, "has no place"),
        (Place(UTM, (1, 0, 5, 0, -1, 7), (GroundPoint(0, 0, 1, 1),)), 0, "control points alone; warp it"),
        (Place("", (1, 0, 5, 0, -1, 7)), 1.0, "has no CRS that says what its units are, so that min_area cannot be"),
    ],
)
def test_a_scene_that_can_have_no_polygons_is_refused(place: Place | None, min_area: float, reason: str):
    assert reason in str(why_no_polygons(place, min_area))


def test_after_an_error_the_file_before_is_as_it_was(tmp_path: Path):
    path = tmp_path / "map.gpkg"
    path.write_bytes(b"before")
    map_file(tmp_path / "map.tif", np.zeros((4, 4), np.uint8), NORTH)
    map_file(tmp_path / "nowhere.tif", np.zeros((4, 4), np.uint8), None)
    with suppress(KeyboardInterrupt), PolygonFile(path, CLASSES, COLOURS) as file:
        file.add("scene", tmp_path / "map.tif")
        with pytest.raises(DataError, match="nowhere has no place"):
            file.add("nowhere", tmp_path / "nowhere.tif")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before"
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    gone, alive, other = (
        tmp_path / f".{name}.part" for name in ("map.gpkg.4194300-ab", "map.gpkg.1-ab", "my.gpkg.4194300-ab")
    )
    for folder in (gone, alive, other):
        folder.mkdir()
    with PolygonFile(tmp_path / "map.gpkg", CLASSES, COLOURS):
        pass
    assert [folder.exists() for folder in (gone, alive, other)] == [False, True, True]
