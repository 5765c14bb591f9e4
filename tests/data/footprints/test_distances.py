import numpy as np
import pytest
from pyproj import Geod

from data.footprints.distances import Nearness, nearness, too_near
from data.footprints.records import TileRecord
from data.rasters.places.crs import crs_way
from tests.data.footprints.test_records import tile
from tests.data.rasters.raster_files import UTM


def row_of(lists: str, step: int = 10, **options) -> list[TileRecord]:
    """Tiles of 10 pixels beside each other: a for train, b for test, - for no list."""
    names = {"a": "train", "b": "test", "v": "val", "-": ""}
    return [tile(f"t{i}", 0, step * i, list=names[kind], **options) for i, kind in enumerate(lists)]


@pytest.mark.parametrize("placed", [True, False])
def test_training_tiles_nearer_than_the_gap_are_named(placed: bool):
    tiles = row_of("aaa-baaa", placed=placed)
    assert too_near(tiles, 0) == []
    assert too_near(tiles, 1) == ["t5"]  # it touches
    assert too_near(tiles, 10) == ["t5"]  # t2 and t6 are 10 away, which is not nearer
    assert too_near(tiles, 10.5) == ["t2", "t5", "t6"]
    assert too_near(tiles, 21) == ["t1", "t2", "t5", "t6", "t7"]


def test_tiles_without_a_place_are_near_those_of_their_own_scene_alone():
    tiles = [tile("a", list="train", placed=False), tile("b", list="test", placed=False, scene="other")]
    assert too_near(tiles, 100) == []
    assert nearness(tiles) == [Nearness("train", "test", None, None, 0, 0.0, 0)]


def test_distance_and_overlap_of_lists():
    assert nearness(row_of("a-b")) == [Nearness("train", "test", 10.0, None, 0, 0.0, 0)]
    assert nearness(row_of("ab")) == [Nearness("train", "test", 0.0, None, 0, 0.0, 0)]
    assert nearness(row_of("a--b", placed=False)) == [Nearness("train", "test", None, 20.0, 0, 0.0, 0)]
    overlapping = row_of("aba---------b", step=6)  # 4 columns on each side of the first b, 2 of them in both
    assert nearness(overlapping) == [Nearness("train", "test", 0.0, None, 80, 0.4, 1)]
    twice = [tile("a", list="train"), tile("b", 2, 0, list="train"), tile("c", 4, 0, list="test")]
    assert nearness(twice) == [Nearness("train", "test", 0.0, None, 80, 0.8, 1)]  # 6 rows of a are in b, too
    three = row_of("avb")
    assert [(n.first, n.second, n.metres) for n in nearness(three)] == [
        ("train", "test", 10.0), ("train", "val", 0.0), ("test", "val", 0.0),
    ]  # fmt: skip


def in_other_crs(record: TileRecord, crs: str, easting: float, northing: float, **options) -> TileRecord:
    """A tile of 10 pixels of one metre whose upper left corner lies at a place of EPSG:32640."""
    x, y = crs_way(UTM, crs)(np.array([easting]), np.array([northing]))
    place = (1.0, 0.0, float(x[0]), 0.0, -1.0, float(y[0]))
    return TileRecord(record.name, "other", 0, 0, 10, 10, crs=crs, transform=place, **options)


def test_tiles_in_two_zones_are_as_far_apart_as_the_ellipsoid_says():
    ours = tile("a", list="train")
    theirs = in_other_crs(tile("b"), "EPSG:32639", 300_000 + 510, 2_700_000, list="test")
    (found,) = nearness([ours, theirs])
    corners = [crs_way(UTM, "EPSG:4326")(300_000 + e, 2_700_000.0) for e in (10, 510)]
    expected = Geod(ellps="WGS84").inv(*map(float, (*corners[0], *corners[1])))[2]
    assert found.metres == pytest.approx(expected, abs=0.6)  # the grid of zone 39 is turned by some 3 degrees there
    assert too_near([ours, theirs], expected - 2) == []
    assert too_near([ours, theirs], expected + 2) == ["a"]


def test_overlap_is_found_across_crs():
    ours = tile("a", side=100, list="train")
    theirs = in_other_crs(tile("b"), "EPSG:32639", 300_050, 2_699_950, list="test")
    (found,) = nearness([ours, theirs])
    assert (found.metres, found.overlap, found.tiles) == (0.0, 100, 1)


def test_metres_on_the_ground_not_those_of_a_map_that_stretches():
    mercator = (1.0, 0.0, 1_000_000.0, 0.0, -1.0, 8_399_738.0)  # at 60 degrees north a metre of it is half a metre
    away = (1.0, 0.0, 1_000_110.0, 0.0, -1.0, 8_399_738.0)
    tiles = [
        tile("a", list="train", crs="EPSG:3857", transform=mercator),
        tile("b", list="test", crs="EPSG:3857", transform=away),
    ]
    assert nearness(tiles)[0].metres == pytest.approx(50, abs=0.2)


def test_neighbours_across_the_antimeridian_and_far_ones():
    degrees = 1e-4, 0.0, 0.0, -1e-4
    a, b, d, e = degrees
    west = tile("a", list="train", crs="EPSG:4326", transform=(a, b, 179.9985, d, e, -17.0))
    east = tile("b", list="test", crs="EPSG:4326", transform=(a, b, -179.9995, d, e, -17.0))
    assert nearness([west, east])[0].metres == pytest.approx(1e-3 * 106_480, rel=0.01)
    far = tile("c", list="test", crs="EPSG:4326", transform=(a, b, 10.0, d, e, 50.0))
    assert nearness([west, far])[0].metres is None
    assert too_near([west, far], 1000) == []
