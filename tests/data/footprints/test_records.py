from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from rasterio.warp import transform

from data.footprints.records import TileRecord, in_degrees, read_tiles_csv, write_gpkg, write_tiles_csv
from tests.data.rasters.raster_files import NORTH, UTM, shifted
from utils.errors import DataError

LOCAL = 'LOCAL_CS["site, \\"A\\"",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'.replace('\\"', "'")


def tile(name: str, row: int = 0, column: int = 0, side: int = 10, **options) -> TileRecord:
    place = {"crs": UTM, "transform": shifted(row, column)} if options.pop("placed", True) else {}
    return TileRecord(name, options.pop("scene", "s"), row, column, side, side, **{**place, **options})


# --- tiles.csv -------------------------------------------------------------------------------------------------------


def test_a_table_reads_as_it_was_written(tmp_path: Path):
    records = (
        tile("=cmd", 3, 4, valid=0.75, block="s/0_1", list="train"),
        tile("b", crs=LOCAL, transform=(-0.1, 1 / 3, 1e-17, 2.0, -0.3, 2_700_000.123456789), valid=1.0),
        tile("ü,c", placed=False, list="val"),
    )
    write_tiles_csv(tmp_path / "tiles.csv", records)
    assert read_tiles_csv(tmp_path / "tiles.csv") == records
    lines = (tmp_path / "tiles.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "name,scene,row,column,height,width,crs,transform,valid,block,list"
    assert lines[1] == "'=cmd,s,3,4,10,10,EPSG:32640,1.0 0.0 300004.0 0.0 -1.0 2699997.0,0.75,s/0_1,train"


def test_a_crs_is_written_as_its_code_where_it_has_one(tmp_path: Path):
    from pyproj import CRS

    write_tiles_csv(tmp_path / "tiles.csv", [tile("a", crs=CRS.from_epsg(32640).to_wkt())])
    assert read_tiles_csv(tmp_path / "tiles.csv")[0].crs == "EPSG:32640"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("valid,", "walid,"), r"line 1: no column valid; expected name,scene"),
        (("3,4,10,10", "3,-4,10,10"), r"line 2: column is '-4', expected a whole number of pixels"),
        (("3,4,10,10", "3,4,0,10"), r"line 2: height is '0', expected a whole number"),
        (("1.0 0.0 300004.0", "1.0 0.0"), r"line 2: transform is '.*' and valid '1.0'; expected six numbers or none"),
        (("1.0 0.0 300004.0", "1.0 0.0 x"), r"line 2: could not convert string to float: 'x'; expected six numbers"),
        (("1.0,,", "1.5,,"), r"line 2: transform is '.*' and valid '1.5'"),
        (("\nb,", "\na,"), r"line 3: 'a' stands there already; remove one line"),
        (("1.0,,", "1.0,"), r"line 2: expected 11 columns, found 10"),
        (("a,s", '"a,s'), r"is not a readable CSV \(unexpected end of data\)"),
    ],
)
def test_damaged_tables_are_named_with_their_line(tmp_path: Path, changed: tuple[str, str], message: str):
    path = tmp_path / "tiles.csv"
    write_tiles_csv(path, [tile("a", 3, 4), tile("b")])
    path.write_text(path.read_text(encoding="utf-8").replace(*changed, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_tiles_csv(path)


# --- tiles.gpkg ------------------------------------------------------------------------------------------------------


def test_footprints_carry_list_shares_and_what_was_chosen(tmp_path: Path):
    path = tmp_path / "tiles.gpkg"
    records = [tile("a", list="train"), tile("b", 0, 10, list="test"), tile("c", placed=False)]
    assert write_gpkg(path, records, {"a": {"Water": 0.25, "water": 0.75}}, {"a"}) == 2
    meta, _, geometry, values = pyogrio.raw.read(path)
    assert meta["crs"] == "EPSG:4326"
    found = dict(zip(meta["fields"], (value.tolist() for value in values), strict=True))
    shares = found.pop("share_Water"), found.pop("share_water_2")
    assert [share[0] for share in shares] == [0.25, 0.75]
    assert np.isnan([share[1] for share in shares]).all()
    assert found == {"name": ["a", "b"], "scene": ["s", "s"], "list": ["train", "test"], "chosen": [True, False]}
    first, second = shapely.from_wkb(geometry)
    corners = transform(UTM, "EPSG:4326", [NORTH[2], NORTH[2] + 10] * 2, [NORTH[5]] * 2 + [NORTH[5] - 10] * 2)
    assert np.allclose(shapely.get_coordinates(first)[[0, 4, 12, 8]], np.array(corners).T, rtol=0, atol=1e-9)
    assert shapely.distance(first, second) == 0
    assert shapely.area(first) == pytest.approx(shapely.area(second), rel=1e-3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiles.gpkg"]


def test_tiles_across_the_antimeridian_have_two_parts(tmp_path: Path):
    path = tmp_path / "tiles.gpkg"
    at_fiji = (10_000.0, 0.0, 810_000.0, 0.0, -10_000.0, 8_000_000.0)
    write_gpkg(path, [tile("a", crs="EPSG:32760", transform=at_fiji)], {})
    (footprint,) = shapely.from_wkb(pyogrio.raw.read(path)[2])
    west, east = sorted(part.bounds for part in footprint.geoms)
    assert (west[0], east[2]) == (-180, 180)
    assert -179.5 < west[2] < -179
    assert 179.9 < east[0] < 180 or east[0] > 179


@pytest.mark.parametrize("beyond", [0.0, 1e-9])
def test_a_tile_that_ends_at_the_antimeridian_has_one_part(tmp_path: Path, beyond: float):
    points = np.array([[[179, 1], [179, 0], [180 - 360, 0], [180 - 360 + beyond, 0.5], [180 - 360, 1]]], float)
    (footprint,) = in_degrees(points)
    parts = shapely.get_parts(footprint)
    assert (shapely.get_type_id(parts) == 3).all()
    assert parts[0].bounds == (179, 0, 180, 1)
    assert len(parts) == (2 if beyond else 1)


def test_without_a_place_there_is_no_file(tmp_path: Path):
    (tmp_path / "tiles.gpkg").write_bytes(b"of before")
    assert write_gpkg(tmp_path / "tiles.gpkg", [tile("a", placed=False)], {}) == 0
    assert not (tmp_path / "tiles.gpkg").exists()
