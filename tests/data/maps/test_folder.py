import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from data.maps.background import WritingMaps
from data.maps.folder import MapFolder
from data.maps.images import MapImage
from data.maps.settings import MapOutputs
from tests.conftest import picture
from utils.drawing.pictures import colourise, overlay
from utils.evaluation.strips import MapStrip

COLOURS = ((10, 20, 30), (200, 0, 0))
CLASSES = ("field", "water")


def image_of(name: str, filed: np.ndarray) -> MapImage:
    size = (filed.shape[0], filed.shape[1])
    return MapImage(name, Path(f"{name}.png"), NotImplemented, lambda: size, lambda: filed)


def test_maps_of_pictures_come_at_the_size_of_their_files(tmp_path: Path):
    pixels, ids = picture(0, (8, 10)), np.zeros((8, 10), np.uint8)
    ids[:2] = 1
    filed = picture(1, (16, 20))
    same, larger = image_of("a", pixels), image_of("deep/b", filed)
    confidence = np.full((8, 10), 0.75, np.float32)
    folder = MapFolder(tmp_path / "maps", CLASSES, COLOURS, MapOutputs(confidence=True))
    with folder.claim():
        folder.begin_with([same, larger], {"options": {}})
        with WritingMaps(folder) as maps:
            maps.write(same, MapStrip(0, ids, confidence))
            maps.write(larger, MapStrip(0, ids[:3], confidence[:3], is_last=False))
            maps.write(larger, MapStrip(3, ids[3:], confidence[3:]))
        folder.finish()
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "ids" / "a.png")), ids)
    whole = ids.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "ids" / "deep" / "b.png")), whole)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "colour" / "a.png")), colourise(ids, COLOURS))
    expected = overlay(filed, whole, COLOURS)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "overlay" / "deep" / "b.png")), expected)
    assert (np.array(Image.open(folder.path / "confidence" / "deep" / "b.png")) == 75).all()
    assert json.loads(folder.record.read_text())["images"] == ["a", "deep/b"]
    rows = list(csv.DictReader(folder.shares.open(encoding="utf-8")))
    assert [(row["height"], row["water"]) for row in rows] == [("8", "0.250000"), ("16", "0.250000")]
    np.testing.assert_allclose(folder.total_shares(), (0.75, 0.25))
    assert not (folder.path / "class_areas.csv").exists()


def test_pixels_without_data_count_for_no_class(tmp_path: Path):
    image, ids = image_of("a", picture(0, (4, 10))), np.full((4, 10), 255, np.uint8)
    ids[0] = 1
    folder = MapFolder(tmp_path / "maps", CLASSES, COLOURS)
    with folder.claim():
        folder.begin_with([image], {"options": {}})
        with WritingMaps(folder) as maps:
            maps.write(image, MapStrip(0, ids))
        folder.finish()
    assert next(csv.DictReader(folder.shares.open(encoding="utf-8")))["water"] == "1.000000"


def test_a_map_that_is_given_up_leaves_nothing(tmp_path: Path):
    first, second = image_of("a", picture(0, (4, 10))), image_of("b", picture(0, (4, 10)))
    folder = MapFolder(tmp_path / "maps", CLASSES, COLOURS)
    with folder.claim():
        folder.begin_with([first, second], {"options": {}})
        with WritingMaps(folder) as maps:
            maps.write(first, MapStrip(0, np.zeros((2, 10), np.uint8), is_last=False))
            maps.discard()
            maps.write(second, MapStrip(0, np.zeros((4, 10), np.uint8)))
        folder.finish()
    assert [path.name for path in (folder.path / "ids").iterdir()] == ["b.png"]
    assert list(folder.pixels) == ["b"]
