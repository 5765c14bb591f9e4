import base64
import io
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from utils.drawing.scene_label_page import MINUTES, TEMPLATE, PageTile, scene_label_page

HOSTILE = ["</script><script>alert(1)</script>", 'a"b', "<!--", "@@TILES@@", "it's &amp; <b>", "b\udcff"]


def page_of(classes: list[str], rows: list[list[str]], tiles: list[PageTile], size: tuple[int, int] = (32, 48)) -> str:
    pixels = np.full((*size, 3), 90, np.uint8)
    return scene_label_page("<title>", "key", Path("to_label.csv"), classes, classes, rows, 1, tiles, lambda _: pixels)


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_no_name_is_taken_for_markup():
    rows = [["name", "label"], *([name, ""] for name in HOSTILE)]
    page = page_of(HOSTILE, rows, [PageTile(name, row, name) for row, name in enumerate(HOSTILE, start=1)])
    assert page.count("<script") == 1 + len(HOSTILE) + 1  # data, pictures, and the page's own
    assert page.count("<!--") == 0
    data = data_of(page)
    assert data["classes"] == [*HOSTILE[:-1], "b\\udcff"]
    assert [tile["name"] for tile in data["tiles"]] == data["classes"]
    assert data["rows"][0] == ["name", "label", MINUTES]
    assert data["rows"][1] == [HOSTILE[0], "", ""]
    assert data["minutesColumn"] == 2


def test_minutes_go_where_people_have_them_already():
    rows = [["name", "label", "Minutes", "note"], ["a", "", "", "=mine"]]
    data = data_of(page_of(["x", "y"], rows, [PageTile("a", 1)]))
    assert (data["rows"], data["minutesColumn"]) == (rows, 2)


def test_pictures_are_inside_and_smaller_where_there_are_many():
    sides = []
    for count in (2, 2000):
        rows = [["name", "label"], *([f"t{i}", ""] for i in range(count))]
        page = page_of(["x", "y"], rows, [PageTile(f"t{i}", i + 1) for i in range(count)], (8, 400))
        text = re.findall(r'id="tile-1">([^<]*)</script>', page)[0]
        sides.append(Image.open(io.BytesIO(base64.b64decode(text))).width)
    assert sides == [400, 224]


def test_nothing_is_fetched():
    template = TEMPLATE.read_text(encoding="utf-8")
    assert "default-src 'none'" in template
    assert not re.search(r"https?:|src=\"|@import|fetch\(|XMLHttp", template)
