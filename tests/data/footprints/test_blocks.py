import numpy as np
import pytest

from data.footprints.blocks import blocks, overlapping_scenes
from data.footprints.records import TileRecord
from data.rasters.places.crs import crs_way
from data.rasters.places.grids import Grid, Six
from tests.data.rasters.raster_files import NORTH, UTM, grid, shifted


def tiles_of(scene: str, image: Grid, side: int = 10) -> list[TileRecord]:
    height, width = image.size
    return [
        TileRecord(f"{scene}_{row}_{column}", scene, row, column, side, side)
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]


@pytest.mark.parametrize("place", [NORTH, None])
def test_tiles_lie_in_squares_that_begin_in_the_scenes_corner(place: Six | None):
    image = grid(40, 60, place)
    found = blocks({"s": image}, tiles_of("s", image), 20)
    expected = [f"s/{row // 2}_{column // 2}" for row in range(4) for column in range(6)]
    assert found == expected
    assert blocks({"s": image}, tiles_of("s", image), None) == ["s"] * 24


def test_a_centre_on_a_border_belongs_to_the_block_that_begins_there():
    image = grid(10, 30)
    assert blocks({"s": image}, tiles_of("s", image), 5) == ["s/1_1", "s/1_3", "s/1_5"]


def test_metres_are_counted_not_pixels():
    feet = "EPSG:2263"  # New York, US survey feet
    image = grid(20, 20, (10.0, 0.0, 980_000.0, 0.0, -10.0, 200_000.0), feet)  # pixels of 3.048 m
    assert set(blocks({"s": image}, tiles_of("s", image), 31)) == {"s/0_0", "s/0_1", "s/1_0", "s/1_1"}
    degrees = grid(20, 20, (1e-3, 0.0, 10.0, 0.0, -1e-3, 60.0), "EPSG:4326")  # 56 m by 111 m
    found = blocks({"s": degrees}, tiles_of("s", degrees), 800)
    assert found == ["s/0_0", "s/0_1", "s/2_0", "s/2_1"]  # centres at 278 m and 834 m; 557 m and 1671 m


def test_scenes_that_overlap_share_blocks_also_through_a_third_and_in_other_crs():
    x, y = crs_way(UTM, "EPSG:32639")(np.array([300_090.0]), np.array([2_700_000.0]))
    scenes = {
        "c": grid(100, 100),
        "b": grid(100, 100, shifted(0, 100)),  # touches c, and overlaps the next
        "a": grid(100, 100, (1.0, 0.0, float(x[0]), 0.0, -1.0, float(y[0])), "EPSG:32639"),
        "d": grid(100, 100, shifted(0, 2000)),
        "e": grid(100, 100, None),
        "f": grid(100, 100, None),
    }
    assert overlapping_scenes(scenes) == [["a", "b", "c"], ["d"], ["e"], ["f"]]
    assert overlapping_scenes({name: scenes[name] for name in "bc"}) == [["b"], ["c"]]
    tiles = [*tiles_of("b", scenes["b"], 50), *tiles_of("c", scenes["c"], 50), *tiles_of("d", scenes["d"], 100)]
    together = {name: scenes[name] for name in "abcd"}
    assert blocks(together, tiles, None) == ["a"] * 8 + ["d"]
    assert len(set(blocks(together, tiles, 1000))) == 2
    found = blocks({"b": grid(100, 100, shifted(0, 90)), "c": scenes["c"]}, tiles[:8], 100)
    assert found == ["b/0_1", "b/0_1", "b/0_1", "b/0_1", "b/0_0", "b/0_0", "b/0_0", "b/0_0"]


def test_a_crs_with_a_datum_shift_counts_in_its_own_metres():
    gauss = "+proj=tmerc +lon_0=9 +k=1 +x_0=3500000 +ellps=bessel +towgs84=598,74,418,0.2,0.05,-2.5,6.7 +type=crs"
    image = grid(40, 40, (1.0, 0.0, 3_500_000.0, 0.0, -1.0, 5_500_000.0), gauss)
    found = blocks({"s": image}, tiles_of("s", image), 20)
    assert found == [f"s/{row // 2}_{column // 2}" for row in range(4) for column in range(4)]
