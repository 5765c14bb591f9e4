"""What describes a data set: its dataset.json, its scene labels and an oracle's, DeepGlobe's class map."""

import json

import pytest

from tests.conftest import CUSTOM, PALETTE, PUBLISHED, picture, write_deepglobe
from tests.files import image_file


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in CUSTOM.items() if name != key}


def line_of(**changes: object) -> bytes:
    return json.dumps(CUSTOM | changes).encode()


BAD_DESCRIPTIONS = {
    "empty": (b"", "line 1: not JSON"),
    "malformed": (b'{\n  "version": 1,\n  "name" "tiny"\n}', "line 3: not JSON"),
    "cut": (line_of()[:40], "line 1: not JSON"),
    "not UTF-8": (b'{"name": "\xff"}', "not UTF-8"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "a list": (b"[1, 2]", "expected an object"),
    **{f"without {key}": (json.dumps(without(key)).encode(), f"`{key}` is missing") for key in list(CUSTOM)[:5]},
    "version": (line_of(version=3), "version 3 is not known"),
    "unknown key": (line_of(palete=None), "did you mean palette"),
    "repeated class": (line_of(classes=["field", "forest", "field"]), "`classes` repeats field"),
    "one class": (line_of(classes=["field"]), "2 to 254"),
    "classes as text": (line_of(classes="field"), "must be a list"),
    "repeated colour": (line_of(palette=PALETTE | {"water": "#102030"}), "same colour"),
    "unknown class in palette": (line_of(palette=PALETTE | {"sea": "#000000"}), "differ in sea"),
    "class without a colour": (line_of(palette={"field": "#102030"}), "differ in forest, water"),
    "bad colour": (line_of(palette=PALETTE | {"water": "blue"}), "#RRGGBB, found 'blue'"),
    "ignored class colour": (line_of(palette=PALETTE, ignore_colours=["#102030"]), "both a class and an ignored"),
    "template without a name": (line_of(images="images/tile.png"), "{name}"),
    "template that leaves the folder": (line_of(masks="../{name}.png"), "below the data folder"),
    "absolute template": (line_of(images="/etc/{name}"), "below the data folder"),
    "tile size": (line_of(tile_size="320"), "`tile_size`"),
    "pattern": (line_of(group="("), "regular expression"),
    "labels without classes": (line_of(scene_classes=None), "needs `scene_classes`"),
    "labels that leave the folder": (line_of(scene_labels="../labels.csv"), "below the data folder"),
}


@pytest.mark.parametrize("kind", BAD_DESCRIPTIONS)
def test_dataset_json_is_refused(argv, refused, custom_set, kind):
    content, words = BAD_DESCRIPTIONS[kind]
    (custom_set.folder / "dataset.json").write_bytes(content)
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set))
    assert words in line
    assert "dataset.json" in line


@pytest.mark.parametrize("command", PUBLISHED)
def test_missing_dataset_json_is_an_option_error(argv, refused, custom_set, command):
    (custom_set.folder / "dataset.json").unlink()
    assert "dataset.json" in refused(2, command, argv(command, custom_set))


BAD_LABELS = {
    "empty": (b"", "line 1: expected a header"),
    "no header": (b"tile0,dry\ntile1,wet\n", "line 1: expected a header"),
    "unknown class": (
        b"name,label\ntile0,dry\ntile1,wett\n",
        "line 3: 'tile1' has unknown scene class 'wett'; did you",
    ),
    "contradiction": (b"name,label\ntile0,dry\ntile0,wet\n", "line 3: 'tile0' is wet here and dry above"),
    "too few columns": (b"name,label\ntile0\n", "line 2: expected 2 columns"),
    "not UTF-8, which is taken for Latin-1": (b"name,label\ntile0,\xff\n", "'tile0' has unknown scene class 'ÿ'"),
    "open quote": (b'name,label\n"tile0,dry\n', "not a readable CSV"),
    "a picture": (image_file(picture(0, (32, 32))), "scene_labels.csv"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_scene_labels_are_refused(argv, refused, custom_set, kind):
    content, words = BAD_LABELS[kind]
    (custom_set.folder / "scene_labels.csv").write_bytes(content)
    assert words in refused(1, "train_AL", argv("train_AL", custom_set))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not readable JSON"),
        (b"[]", "expected {tile id: scene class}"),
        (b'{"100": "sea"}', "unknown scene class"),
    ],
)
def test_class_map_is_refused(argv, refused, tmp_path, content, words):
    tiny = write_deepglobe(tmp_path / "deepglobe", count=2)
    (tiny.folder / "class_map.json").write_bytes(content)
    assert words in refused(1, "train_AL", argv("train_AL", tiny))


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "answers.csv"),
        (b"", 1, "line 1: expected a header"),
        (b"name,label\ntile0,moist\n", 1, "line 2: 'tile0' has unknown scene class 'moist'"),
        (b"name,label\ntile0,dry\ntile0,wet\n", 1, "line 3"),
        (b"name,label\n\xff\n", 1, "line 2: expected 2 columns, found 1"),
    ],
)
def test_labels_of_an_oracle_are_refused(argv, refused, custom_set, tmp_path, content, code, words):
    if content is not None:
        (tmp_path / "answers.csv").write_bytes(content)
    assert words in refused(code, "train_AL", argv("train_AL", custom_set, oracle=tmp_path / "answers.csv"))
