import json
from pathlib import Path
from typing import Any

import pytest

from data.dataset_json import load_description, parse_description, read_description
from data.descriptions import DEEPGLOBE, UCM
from tests.conftest import CUSTOM
from utils.errors import DataError, OptionError
from utils.imagery.colours import distinct_colours

COLOURED = CUSTOM | {
    "palette": {"water": "#0000FF", "field": "#FFFF00", "forest": "#00FF00"},
    "ignore_colours": ["#000000"],
    "group": r"^(.+)_\d+$",
    "tile_size": 320,
}


def test_built_in_names_are_found_in_any_case(tmp_path: Path):
    assert load_description("UCM", tmp_path) is UCM
    assert load_description("DeepGlobe", tmp_path) is DEEPGLOBE


def test_an_unknown_name_offers_the_nearest(tmp_path: Path):
    with pytest.raises(OptionError, match=r"unknown dataset 'deepglob'; did you mean deepglobe\?"):
        load_description("deepglob", tmp_path)


def test_a_custom_set_without_its_file_is_an_option_error_that_says_where_it_belongs(tmp_path: Path):
    with pytest.raises(OptionError, match=r"no .*dataset\.json"):
        load_description("custom", tmp_path)


def test_every_key_arrives_and_colours_follow_the_order_of_the_classes(tmp_path: Path):
    (tmp_path / "dataset.json").write_text("\ufeff" + json.dumps(COLOURED), encoding="utf-8")
    description = load_description("Custom", tmp_path)
    assert description.name == "custom"
    assert description.images == "images/{name}.png"
    assert description.masks == "masks/{name}.png"
    assert description.classes == ("field", "forest", "water")
    assert description.palette == description.colours == ((255, 255, 0), (0, 255, 0), (0, 0, 255))
    assert description.ignore_colours == ((0, 0, 0),)
    assert description.scene_classes == ("dry", "wet")
    assert description.scene_labels == "scene_labels.csv"
    assert description.groups_of(["north_3"])["north_3"] == "north"
    assert description.tile_size == 320
    assert description.size_tolerance == 0
    assert not description.binary_channels


def test_five_keys_are_enough():
    description = parse_description({key: CUSTOM[key] for key in ("version", "name", "images", "masks", "classes")})
    assert description.palette is None
    assert description.ignore_colours == ()
    assert description.scene_classes is description.scene_labels is None
    assert description.group is None
    assert description.tile_size is None


@pytest.mark.parametrize("key", ["version", "name", "images", "masks", "classes"])
def test_a_missing_key_is_named(key: str):
    with pytest.raises(DataError, match=f"`{key}` is missing"):
        parse_description({k: v for k, v in CUSTOM.items() if k != key})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3 is not known"),
        ({"exif": "apply"}, "belongs to version 2"),
        ({"version": 2, "exif": "turn"}, "`exif` must be"),
        ({"version": 2, "exif": ["apply"]}, "`exif` must be"),
        ({"images": "images/a\0{name}.png"}, "`images` holds a NUL character"),
        ({"name": 7}, "`name` must be text"),
        ({"tilesize": 320}, r"unknown key 'tilesize'; did you mean tile_size\?"),
        ({"images": "images/a.png"}, "`images` must be a path with {name}"),
        ({"masks": "../masks/{name}.png"}, "`masks` must stay below the data folder"),
        ({"images": "/images/{name}.png"}, "`images` must stay below the data folder"),
        ({"images": None}, "`images` must be a path with {name}"),
        ({"classes": ["field"]}, "2 to 254 names, found 1"),
        ({"classes": [f"class {i}" for i in range(255)]}, "2 to 254 names, found 255"),
        ({"classes": ["field", "water", "field"]}, "repeats field"),
        ({"classes": ["field", ""]}, "list of names"),
        ({"classes": "field"}, "list of names"),
        ({"palette": ["#000000"]}, "`palette` must map each class"),
        ({"palette": {"field": "#FFFF00", "forest": "#00FF00"}}, "differ in water"),
        ({"palette": {"field": "#FFFF00", "forest": "#00FF00", "water": "blue"}}, "#RRGGBB, found 'blue'"),
        ({"palette": {"field": "#FFFF00", "forest": "#00FF00", "water": "#00ff00"}}, "two classes the same colour"),
        ({"ignore_colours": ["#00FF00"]}, "#00FF00 is both a class and an ignored colour"),
        ({"ignore_colours": "#000000"}, "must be a list"),
        ({"palette": None}, "`ignore_colours` needs a `palette`"),
        ({"scene_classes": ["dry"]}, "at least 2"),
        ({"scene_classes": None}, "`scene_labels` needs `scene_classes`"),
        ({"scene_labels": "../labels.csv"}, "below the data folder"),
        ({"scene_labels": "labels.xlsx"}, "must name a .csv"),
        ({"group": "("}, "regular expression"),
        ({"group": 5}, "regular expression"),
        ({"tile_size": 8}, "16 to 16384"),
        ({"tile_size": 320.0}, "16 to 16384"),
        ({"tile_size": True}, "16 to 16384"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(change: dict[str, Any], message: str):
    with pytest.raises(DataError, match=message):
        parse_description(COLOURED | change)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{\n"version": 1,\n}', "line 3: not JSON"),
        (b"", "line 1: not JSON"),
        (b'{"name": "\xff"}', "not UTF-8"),
        (b"[1]", "expected an object"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"version": ' + b"9" * 5000 + b"}", "numbers too long"),
    ],
    ids=["comma", "empty", "bytes", "list", "deep", "digits"],
)
def test_a_file_that_is_no_description_is_named(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_description(path)
    assert str(caught.value).startswith(str(path))


def test_classes_without_a_palette_get_colours_that_differ():
    colours = distinct_colours(20)
    assert len(set(colours)) == 20
    assert all(0 <= value <= 255 for colour in colours for value in colour)
    assert colours[:5] == distinct_colours(5)


@pytest.mark.parametrize(
    ("change", "exif"),
    [
        ({}, "apply"),
        ({"version": 2}, "apply"),
        ({"version": 2, "exif": "apply"}, "apply"),
        ({"version": 2, "exif": "ignore"}, "ignore"),
    ],
)
def test_orientation_is_applied_unless_version_2_says_otherwise(change: dict[str, Any], exif: str):
    assert parse_description(CUSTOM | change).exif == exif


# --- codes ------------------------------------------------------------------------------------------------------------

CODED = CUSTOM | {"version": 2, "codes": {"water": [255], "field": [10, 300], "forest": [0]}, "ignore_codes": [7]}


def test_codes_of_version_2_follow_the_order_of_the_classes():
    description = parse_description(CODED)
    assert description.codes == ((10, 300), (0,), (255,))
    assert description.ignore_codes == {7}
    assert parse_description(CUSTOM | {"version": 2}) == parse_description(CUSTOM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, 'key `codes` belongs to version 2; write "version": 2'),
        ({"codes": {"field": [1], "forest": [2]}}, "`codes` must map each class"),
        ({"codes": [1, 2, 3]}, "`codes` must map each class"),
        ({"codes": {"field": 1, "forest": [2], "water": [3]}}, "`codes` of field must be a list of whole numbers"),
        ({"codes": {"field": [1.0], "forest": [2], "water": [3]}}, "0 to 65535"),
        ({"codes": {"field": [65536], "forest": [2], "water": [3]}}, "0 to 65535"),
        ({"codes": {"field": [True], "forest": [2], "water": [3]}}, "0 to 65535"),
        ({"codes": {"field": [], "forest": [2], "water": [3]}}, "`codes` of field is empty"),
        ({"codes": {"field": [2], "forest": [2], "water": [3]}}, "code 2 belongs to field and forest"),
        ({"ignore_codes": [255]}, "code 255 is both water and ignored"),
        ({"ignore_codes": 7}, "`ignore_codes` must be a list"),
        ({"codes": None, "ignore_codes": [0]}, "code 0 is both field and ignored.*CODE=field"),
        ({"palette": {"field": "#FFFF00", "forest": "#00FF00", "water": "#0000FF"}}, "with a `palette` leave them out"),
        ({"no_data": 0}, "unknown key 'no_data'.*did you mean"),
        ({"ranges": [[0, 1]]}, "`ranges` is .*, expected 3 pairs"),
    ],
)
def test_codes_that_cannot_be_used_are_named(change: dict[str, Any], message: str):
    with pytest.raises(DataError, match=message):
        parse_description(CODED | change)
