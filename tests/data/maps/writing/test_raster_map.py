import json
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.windows import Window

from data.maps.writing.raster_map import MapFiles, MapWriter
from data.rasters.files.gdal import session
from data.rasters.places.crs import same_crs
from data.rasters.places.place import GroundPoint, Place
from data.rasters.scene import RasterScene
from tests.data.maps.map_files import CLASSES, COLOURS, NORTH, UTM, ids_of, written
from utils.errors import DataError, OptionError

SIZE = (300, 530)  # more than a tile of 512


def test_a_map_has_grid_colours_names_and_nodata_of_its_scene_and_overviews_by_mode(tmp_path: Path):
    ids = np.tile(np.array([[0, 2], [2, 2]], np.uint8), (300, 300))
    path = tmp_path / "deep" / "map.tif"
    writer = written(MapFiles(path), ids, heights=(1, 129, 300))
    with session(), rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["compress"] == "deflate"
        assert (file.dtypes, file.nodata, file.shape) == (("uint8",), 255, (600, 600))
        assert file.crs.to_epsg() == 32640
        assert tuple(file.transform)[:6] == NORTH.transform
        table = file.colormap(1)
        assert [table[index] for index in range(3)] == [(*colour, 255) for colour in COLOURS]
        assert json.loads(file.tags()["CLASSES"]) == list(CLASSES)
        np.testing.assert_array_equal(file.read(1), ids)
        assert file.overviews(1) == [2]
        with rasterio.open(path, overview_level=0) as small:
            assert (small.read(1) == 2).all()  # a mean would be 1
    assert writer.areas.pixels.tolist() == [90_000, 0, 270_000]
    assert writer.areas.square_metres is not None
    assert writer.areas.square_metres.tolist() == [9_000_000, 0, 27_000_000]
    assert sorted(file.name for file in path.parent.iterdir()) == ["map.qml", "map.tif", "map.tif.aux.xml"]
    names = ElementTree.parse(f"{path}.aux.xml").findall("PAMRasterBand[@band='1']/CategoryNames/Category")
    assert [name.text for name in names] == list(CLASSES)


def test_confidence_and_probabilities_are_percent_and_lack_data_where_the_map_does(tmp_path: Path):
    ids = ids_of(SIZE)
    shares = np.random.default_rng(1).random((3, *SIZE)).astype(np.float32)
    shares[:, ids == 255] = np.nan
    files = MapFiles(tmp_path / "a.tif", tmp_path / "a_confidence.tif", tmp_path / "a_probabilities.tif")
    written(files, ids, confidence=shares[0], probabilities=shares, heights=(128, 5))
    expected = np.where(ids == 255, 255, np.nan_to_num(np.rint(shares * 100)))
    with session():
        for path, bands in zip(files.all[1:], (expected[:1], expected), strict=True):
            with rasterio.open(path) as file:
                np.testing.assert_array_equal(file.read(), bands)
                assert set(file.nodatavals) == {255}
                assert same_crs(file.crs.to_wkt(), UTM)
    with rasterio.open(files.all[2]) as file:
        assert file.descriptions == CLASSES
    assert not (tmp_path / "a_confidence.tif.aux.xml").exists()


@pytest.mark.parametrize(
    "place",
    [
        Place(UTM, (8.0, 6.0, 500_000, 6.0, -8.0, 2_700_000)),  # rotated
        Place(UTM, (10.0, 0, 500_000, 0, 10.0, 2_700_000)),  # south up
        Place(pyproj.CRS.from_epsg(4326).to_wkt(), (0.1, 0, 10, 0, -0.1, 50)),
        Place("", (10.0, 0, 5, 0, -10.0, 7)),  # a world file alone
        Place(pyproj.CRS.from_proj4("+proj=laea +lat_0=51 +lon_0=9 +ellps=bessel").to_wkt(), (1, 0, 5, 0, -1, 7)),
        Place(pyproj.CRS.from_proj4("+proj=eqearth +lon_0=9").to_wkt(), (1, 0, 5, 0, -1, 7)),  # not in GeoTIFF
        None,
    ],
)
def test_every_kind_of_place_is_kept(tmp_path: Path, place: Place | None):
    written(MapFiles(tmp_path / "map.tif"), ids_of((20, 30)), place)
    with RasterScene.open(tmp_path / "map.tif") as scene:
        if place is None:
            assert scene.place is None
        else:
            assert scene.place is not None
            assert scene.place.transform == pytest.approx(place.transform)
            assert same_crs(scene.place.crs, place.crs)


def test_ground_control_points_stay_such(tmp_path: Path):
    points = tuple(GroundPoint(r, c, 500_000 + 10 * c + r, 2_700_000 - 9 * r) for r, c in ((0, 0), (0, 30), (20, 7)))
    place = Place(UTM, (10.0, 1.0, 500_000, 0, -9.0, 2_700_000), points)
    writer = written(MapFiles(tmp_path / "map.tif"), ids_of((20, 30)), place)
    with RasterScene.open(tmp_path / "map.tif") as scene:
        assert scene.place is not None
        assert scene.place.gcps == points
        assert same_crs(scene.place.crs, UTM)
    assert writer.areas.square_metres is None


def test_nothing_lies_under_the_names_until_all_is_made(tmp_path: Path):
    files = MapFiles(tmp_path / "map.tif", tmp_path / "sure.tif")
    ids = ids_of((40, 30))
    (tmp_path / "map.tif").write_bytes(b"the map before")
    with suppress(KeyboardInterrupt), MapWriter(files, ids.shape, NORTH, CLASSES, COLOURS) as writer:
        writer.write(0, ids[:30], confidence=np.ones((30, 30)))
        assert not (tmp_path / "sure.tif").exists()
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    assert (tmp_path / "map.tif").read_bytes() == b"the map before"


def test_names_and_statistics_of_a_file_before_do_not_stay(tmp_path: Path):
    path = tmp_path / "map.tif"
    (tmp_path / "map.tif.aux.xml").write_text("<PAMDataset><Metadata/></PAMDataset>")
    written(MapFiles(tmp_path / "ids.tif", path), ids_of((20, 30)), confidence=np.ones((20, 30)))
    assert not (tmp_path / "map.tif.aux.xml").exists()


def test_strips_that_do_not_follow_one_another_are_refused(tmp_path: Path):
    with MapWriter(MapFiles(tmp_path / "map.tif"), (40, 30), NORTH, CLASSES, COLOURS) as writer:
        writer.write(0, ids_of((10, 30)))
        with pytest.raises(ValueError, match="does not follow row 10"):
            writer.write(11, ids_of((10, 30)))
        with pytest.raises(ValueError, match="as wide as"):
            writer.write(10, ids_of((10, 29)))
        with pytest.raises(ValueError, match="10 of 40 rows"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="could not be written"):
        MapWriter(MapFiles(tmp_path / "file" / "map.tif"), (4, 4), NORTH, CLASSES, COLOURS)


def test_an_error_of_gdal_names_the_map_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*names: object, **options: object) -> None:
        raise rasterio.errors.RasterioIOError("Write error at scanline 3")

    monkeypatch.setattr("rasterio.shutil.copy", full)
    with pytest.raises(DataError, match=r"map\.tif could not be written \(Write error at scanline 3\); is the disk"):
        written(MapFiles(tmp_path / "map.tif"), ids_of((20, 30)))
    assert list(tmp_path.iterdir()) == []


def test_a_map_is_read_in_windows(tmp_path: Path):
    ids = ids_of(SIZE)
    written(MapFiles(tmp_path / "map.tif"), ids)
    with rasterio.open(tmp_path / "map.tif") as file:
        np.testing.assert_array_equal(file.read(1, window=Window(500, 250, 30, 50)), ids[250:, 500:])
