import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from tests.conftest import picture
from utils.drawing.pictures import colourise, overlay
from utils.evaluation.maps import MapFolder

COLOURS = ((10, 20, 30), (200, 0, 0))


def test_maps_of_arrays_come_at_the_size_of_their_files(tmp_path: Path):
    pixels, ids = picture(0, (8, 10)), np.zeros((8, 10), np.uint8)
    ids[:2] = 1
    filed = picture(1, (16, 20))
    same = SimpleNamespace(name="a", file_size=lambda: (8, 10), read_as_filed=lambda: pixels)
    larger = SimpleNamespace(name="deep/b", file_size=lambda: (16, 20), read_as_filed=lambda: filed)
    folder = MapFolder(tmp_path / "maps", ("field", "water"), COLOURS, ids_only=False)
    with folder.claim():
        folder.begin_with([same, larger], {"options": {}})
        folder.write(same, pixels, ids)
        folder.write(larger, pixels, ids)
        folder.finish()
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "ids" / "a.png")), ids)
    whole = ids.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "ids" / "deep" / "b.png")), whole)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "colour" / "a.png")), colourise(ids, COLOURS))
    expected = overlay(filed, whole, COLOURS)
    np.testing.assert_array_equal(np.array(Image.open(folder.path / "overlay" / "deep" / "b.png")), expected)
    assert json.loads(folder.record.read_text())["images"] == ["a", "deep/b"]
    rows = list(csv.DictReader(folder.shares.open(encoding="utf-8")))
    assert [(row["height"], row["water"]) for row in rows] == [("8", "0.250000"), ("16", "0.250000")]
    np.testing.assert_allclose(folder.total_shares(), (0.75, 0.25))
