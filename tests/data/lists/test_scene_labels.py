import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.descriptions import DEEPGLOBE, UCM, Description
from data.lists.scene_labels import read_class_map, read_label_csv, read_scene_labels
from tests.conftest import TinySet
from utils.errors import DataError

CUSTOM = Description(
    "custom",
    "images/{name}.jpg",
    "masks/{name}.png",
    ("a", "b"),
    ((0, 0, 0), (1, 1, 1)),
    scene_classes=("dry", "wet"),
    scene_labels="labels.csv",
)


def test_ucm_labels_are_the_letters_of_the_name(tmp_path: Path):
    names = ["forest07", "mobilehomepark00", "Beach12", "north/river3"]
    assert read_scene_labels(UCM, tmp_path, names) == {
        "forest07": "forest",
        "mobilehomepark00": "mobilehomepark",
        "Beach12": "beach",
        "north/river3": "river",
    }


@pytest.mark.parametrize("name", ["forrest07", "07", "forest/07"])
def test_a_ucm_name_without_a_class_is_an_error(tmp_path: Path, name: str):
    with pytest.raises(DataError, match=f"tile '{name}' does not begin with a scene class"):
        read_scene_labels(UCM, tmp_path, [name])


def test_deepglobe_labels_are_read_beside_the_data_for_the_names_asked_for(deepglobe_set: TinySet):
    labels = read_scene_labels(DEEPGLOBE, deepglobe_set.folder, ["103", "101", "999"])
    assert labels == {"103": "forest_land", "101": "agriculture_land"}


def test_an_unknown_class_in_the_map_is_named_with_the_nearest(tmp_path: Path):
    (tmp_path / "class_map.json").write_text(json.dumps({"7": "forest"}))
    with pytest.raises(
        DataError, match=r"class_map\.json: '7' has unknown scene class 'forest'; did you mean forest_l"
    ):
        read_scene_labels(DEEPGLOBE, tmp_path, ["1"])


@pytest.mark.parametrize("content", ["", "[1]", '{"7": 3}', "{", "[" * 100_000])
def test_a_map_of_another_form_is_an_error(tmp_path: Path, content: str):
    (tmp_path / "class_map.json").write_text(content)
    with pytest.raises(DataError, match=r"class_map\.json.* expected \{tile id: scene class\}"):
        read_class_map(tmp_path / "class_map.json")


def test_sets_without_labels_have_none(tmp_path: Path):
    assert read_scene_labels(CUSTOM, tmp_path, ["a"]) == {}
    assert read_scene_labels(DEEPGLOBE, tmp_path, ["a"]) == {}
    assert read_scene_labels(replace(CUSTOM, scene_labels=None), tmp_path, ["a"]) == {}


def test_names_in_a_csv_may_carry_image_endings_as_in_lists(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("name,label\na.jpg,dry\nb,wet\n")
    assert read_scene_labels(CUSTOM, tmp_path, ["a", "b", "c"]) == {"a": "dry", "b": "wet"}


@pytest.mark.parametrize(
    "content",
    [
        b"name,label\na,dry\nb c,wet\n",
        b"\xef\xbb\xbfname,label\r\na,dry\r\nb c,wet\r\n",
        b"name,label\ra,dry\rb c,wet\r",
        b" Label , Name ,note\n dry , a ,\n\n,,\nwet,b c,\n,d,not yet\n",
        b'name,label\n"a","dry"\n"b c",wet',
        b"name,label\na,dry\na,dry\nb c,wet\n",
    ],
    ids=["plain", "bom-crlf", "cr", "columns", "quotes", "repeated"],
)
def test_a_csv_is_read_as_programs_write_it(tmp_path: Path, content: bytes):
    (tmp_path / "labels.csv").write_bytes(content)
    assert read_label_csv(tmp_path / "labels.csv", ("dry", "wet")) == {"a": "dry", "b c": "wet"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected a header"),
        (b"a,dry\n", "line 1: expected a header with the columns name,label, found 'a,dry'"),
        (b"name,label\na,dry\nb\n", "line 3: expected 2 columns, found 1"),
        (b"name,label\n\na,wett\n", r"line 3: 'a' has unknown scene class 'wett'; did you mean wet\?"),
        (b"name,label\na,dry\nb,wet\na,wet\n", "line 4: 'a' is wet here and dry above"),
        (b'name,label,note\na,dry,"two\nlines"\nb,damp,\n', "line 4: 'b' has unknown scene class 'damp'"),
        (b"name,label\na,d\xfcrr\n", "line 2: 'a' has unknown scene class 'dürr'"),
        (b'name,label\n"a,dry\n', "not a readable CSV"),
    ],
)
def test_a_csv_that_cannot_be_used_is_named_with_the_line(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_label_csv(path, ("dry", "wet"))
    assert str(caught.value).startswith(str(path))


def test_classes_in_another_case_are_corrected_with_a_word(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_bytes("Name;Label\na;D\xdcRR \nb;wet_land\n".encode("latin-1"))
    with pytest.warns(UserWarning, match=r"2 scene classes were read as the known one: 'DÜRR' as 'dürr'") as told:
        assert read_label_csv(path, ("dürr", "wet land")) == {"a": "dürr", "b": "wet land"}
    assert "is not UTF-8 and was read as Latin-1" in str(told[0].message)
