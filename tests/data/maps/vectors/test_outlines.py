from pathlib import Path

import numpy as np
import pytest
import shapely
from rasterio.features import rasterize

from data.maps.vectors.outlines import Regions, regions_of
from tests.data.rasters.raster_files import write_raster
from utils.errors import DataError


def found(path: Path, ids: np.ndarray, rows: int = 1000) -> Regions:
    write_raster(path / "ids.tif", ids)
    parts = list(regions_of(path / "ids.tif", rows * ids.shape[1]))
    return Regions(np.concatenate([p.polygons for p in parts]), np.concatenate([p.ids for p in parts]))


def shapes_of(regions: Regions) -> set[tuple[int, bytes]]:
    return {
        (int(index), shapely.to_wkb(shapely.normalize(polygon)))
        for polygon, index in zip(regions.polygons, regions.ids, strict=True)
    }


@pytest.mark.parametrize("rows", [1, 2, 5, 13])
@pytest.mark.parametrize("cell", [1, 4])
def test_bands_of_any_height_give_the_polygons_of_the_whole(tmp_path: Path, rows: int, cell: int):
    random = np.random.default_rng(cell)
    ids = np.kron(random.choice(np.array([0, 1, 255], np.uint8), (40 // cell, 28 // cell)), np.ones((cell, cell)))
    whole, banded = found(tmp_path, ids.astype(np.uint8)), found(tmp_path, ids.astype(np.uint8), rows)
    assert len(banded.ids) == len(whole.ids)
    assert shapely.is_valid(banded.polygons).all()
    assert shapes_of(banded) == shapes_of(whole)


def test_polygons_cover_the_pixels_of_their_class_and_no_others(tmp_path: Path):
    ids = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (30, 41))
    regions = found(tmp_path, ids, rows=7)
    drawn = rasterize(zip(regions.polygons, regions.ids.tolist(), strict=True), ids.shape, fill=255, dtype="uint8")
    np.testing.assert_array_equal(drawn, ids)
    for index in range(3):
        assert shapely.area(regions.polygons[regions.ids == index]).sum() == (ids == index).sum()


def test_a_spiral_and_what_it_encloses_are_two_regions(tmp_path: Path):
    ids = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 1],
            [0, 1, 1, 1, 0, 1],
            [0, 1, 0, 0, 0, 1],
            [0, 1, 1, 1, 1, 1],
        ],
        np.uint8,
    )
    regions = found(tmp_path, ids, rows=1)
    assert sorted(zip(regions.ids.tolist(), shapely.area(regions.polygons).tolist(), strict=True)) == [(0, 12), (1, 18)]


def test_a_region_has_no_points_on_straight_lines(tmp_path: Path):
    (polygon,) = found(tmp_path, np.zeros((9, 5), np.uint8), rows=2).polygons
    assert len(polygon.exterior.coords) == 5


def test_a_map_without_data_has_no_regions(tmp_path: Path):
    assert len(found(tmp_path, np.full((9, 5), 255, np.uint8), rows=2).ids) == 0


def test_a_damaged_map_is_named(tmp_path: Path):
    (tmp_path / "ids.tif").write_bytes(b"II*\0nothing")
    with pytest.raises(DataError, match=r"ids\.tif cannot be read"):
        list(regions_of(tmp_path / "ids.tif"))
