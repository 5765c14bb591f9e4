import json

import cv2
import numpy as np
import pytest

from data.dataset_json import read_description
from data.footprints.of_set import read_records
from data.footprints.records import TileRecord, write_tiles_csv
from data.lists.fold_folder import write_fold_folder
from data.lists.folds import folds_of
from data.reader import TileReader
from tests.conftest import write_list
from tests.data.rasters.raster_files import write_raster
from utils.errors import DataError
from utils.studies.parts import FoldSettings

SIDE = 32
NAMES = [f"{area}_{number}" for area in ("east", "west") for number in range(2)]
AREAS = {"east": (1000, 5000), "west": (200, 300)}  # lowest and highest value of its tiles
ON_ALL = {"ranges": [[200, 5000]] * 2, "mean": [0.3] * 2, "std": [0.2] * 2, "stretch": [0, 100]}


def tile(name: str) -> np.ndarray:
    """Two bands: all values of the area evenly, and its lowest one with a few of its highest."""
    low, high = AREAS[name.split("_")[0]]
    even = np.linspace(low, high, SIDE * SIDE).reshape(SIDE, SIDE)
    return np.stack([even, np.where(even > high - (high - low) / 8, high, low)]).astype(np.uint16)


@pytest.fixture
def town(tmp_path):
    """Four tiles of 16 bits whose ranges were measured on both areas."""
    folder = tmp_path / "town"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for name in NAMES:
        write_raster(folder / "images" / f"{name}.tif", tile(name))
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), np.zeros((SIDE, SIDE), np.uint8))
    describe(folder)
    write_list(folder / "train.txt", NAMES)
    write_tiles_csv(folder / "tiles.csv", [TileRecord(n, n[:4], 0, 0, SIDE, SIDE, list="train") for n in NAMES])
    return folder


def describe(folder, **changes) -> None:
    content = {
        **{"version": 2, "name": "town", "images": "images/{name}.tif", "masks": "masks/{name}.png"},
        **{"classes": ["land", "water"], "group": "^([a-z]+)_", **ON_ALL},
        "bands": [{"index": 1, "name": "nir"}, {"index": 2, "name": "swir"}],
    } | changes
    (folder / "dataset.json").write_text(json.dumps({k: v for k, v in content.items() if v != "left out"}))


def west_trains(town):
    """The fold that is tested in the east."""
    fold = folds_of(FoldSettings(val_share=0), "custom", town)[0]
    assert (fold.area, set(fold.train)) == ("east", {"west_0", "west_1"})
    return fold


def test_ranges_and_normalisation_are_those_of_the_training_tiles(town, tmp_path):
    fold = west_trains(town)
    assert fold.needs_folder
    write_fold_folder(tmp_path / "fold", town, fold.lists)
    bands = read_description(tmp_path / "fold" / "dataset.json").bands
    assert bands.ranges == ((200.0, 300.0),) * 2
    assert bands.mean == pytest.approx((0.5, 1 / 8), abs=0.01)
    assert bands.std == pytest.approx((12**-0.5, (7 / 64) ** 0.5), abs=0.01)


def test_the_folder_is_a_data_set_whose_tiles_are_links(town, tmp_path):
    fold = west_trains(town)
    for _ in range(2):  # the same again changes nothing
        write_fold_folder(tmp_path / "fold", town, fold.lists)
    reader = TileReader(read_description(tmp_path / "fold" / "dataset.json"), tmp_path / "fold", (SIDE, SIDE))
    image = reader.image_as_filed("west_1")
    assert (image[..., 0].min(), image[..., 0].max()) == (0, 255)
    assert reader.mask("west_1").shape == (SIDE, SIDE)
    assert (tmp_path / "fold" / "images").is_symlink()
    lists = {record.name: record.list for record in read_records(tmp_path / "fold")}
    assert lists == {"east_0": "test", "east_1": "test", "west_0": "train", "west_1": "train"}
    assert not (tmp_path / "fold" / "train.txt").exists()  # the fold's own lists belong there


def test_given_ranges_stay_and_normalisation_is_measured(town, tmp_path):
    describe(town, stretch=None)
    fold = west_trains(town)
    write_fold_folder(tmp_path / "fold", town, fold.lists)
    bands = read_description(tmp_path / "fold" / "dataset.json").bands
    assert bands.ranges == ((200.0, 5000.0),) * 2
    assert bands.mean[0] == pytest.approx(50 / 4800, abs=0.003)


def test_rgb_tiles_with_given_ranges_need_no_folder(town):
    rgb = [{"index": number, "name": name} for number, name in enumerate(("red", "green", "blue"), start=1)]
    describe(town, bands=rgb, ranges=[[0, 5000]] * 3, mean=None, std=None, stretch=None)
    assert not west_trains(town).needs_folder


def test_ranges_of_unknown_origin_are_refused(town):
    describe(town, stretch="left out")
    with pytest.raises(DataError, match="may have been measured on the test area too"):
        west_trains(town)


@pytest.mark.parametrize("stretch", ["2,98", [98, 2], [2], [True, 98]])
def test_a_stretch_is_two_percentages(town, stretch):
    describe(town, stretch=stretch)
    with pytest.raises(DataError, match="`stretch` must be two percentages"):
        read_description(town / "dataset.json")


def test_a_folder_of_other_tiles_is_refused(town, tmp_path):
    fold = west_trains(town)
    write_fold_folder(tmp_path / "fold", town, fold.lists)
    write_raster(town / "images" / "west_0.tif", 2 * tile("west_0"))
    with pytest.raises(DataError, match="another data set than today's"):
        write_fold_folder(tmp_path / "fold", town, fold.lists)
