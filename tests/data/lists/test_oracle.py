from dataclasses import replace
from pathlib import Path

import pytest

from data.dataset_json import load_description
from data.lists.oracle import known_labels, read_answers, read_minutes, with_scene_classes
from tests.conftest import CUSTOM, TinySet
from utils.errors import DataError
from utils.settings import SettingsError


def test_people_come_beside_the_data_set_and_alone(custom_set: TinySet, tmp_path: Path):
    description, to_label = load_description("custom", custom_set.folder), tmp_path / "to_label.csv"
    to_label.write_text("name,label\ntile0,wet\n")

    def labels(oracle: str | None) -> dict[str, str]:
        return known_labels(oracle, description, custom_set.folder, custom_set.names, to_label)

    assert labels("people") == {"tile0": "wet"}
    assert labels(None) == labels("dataset") == {"tile0": "wet", "tile1": "wet", "tile2": "dry", "tile3": "wet"}
    with pytest.raises(SettingsError, match=r"oracle nobody\.csv is neither dataset nor people nor a CSV file"):
        labels("nobody.csv")


def test_scene_classes_are_the_set_s_own_or_given(custom_set: TinySet):
    description = load_description("custom", custom_set.folder)
    without = replace(description, scene_classes=None)
    assert with_scene_classes(description, None).scene_classes == ("dry", "wet")
    assert with_scene_classes(without, ("a", "b")).scene_classes == ("a", "b")
    with pytest.raises(SettingsError, match="scene_classes a,b contradicts the data set, whose scene classes are dry"):
        with_scene_classes(description, ("a", "b"))
    assert without.title == CUSTOM["name"]
    with pytest.raises(SettingsError, match=f"data set '{without.title}' names no scene classes; give scene_classes"):
        with_scene_classes(without, None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name;label;predicted;score;minutes\r\ntile0;wet;dry;0,5;0,25\r\n001;dry;;;\r\n", []),
        (b"sep=;\r\nname;label;minutes\r\ntile0;wet;0.25\r\n001;dry;\r\n", []),
        (b"\xef\xbb\xbfname\tlabel\tminutes\ntile0\twet\t.25\n001\tdry\t\n", []),
        ("label\tname\tminutes\r\nwet\ttile0\t0,25\r\ndry\t001\tquick\r\n".encode("utf-16"), []),
        (
            b"NAME,Minutes, Label \n TILE0 ,0.25,Wet\n1,,DRY\n",
            ["2 scene classes were read as the known one: 'Wet' as 'wet', 'DRY' as 'dry'",
             "2 names were read as the known one: 'TILE0' as 'tile0', '1' as '001'"],
        ),
        (
            b"name,label,minutes,seen by\ntile0,wet,0.25,J\xfcrgen\n001,dry,,\n",
            ["is not UTF-8 and was read as Latin-1 (Windows-1252)"],
        ),
    ],
    ids=["semicolons", "sep", "tabs", "utf-16", "case", "latin-1"],
)  # fmt: skip
def test_answers_are_read_as_spreadsheets_write_them(custom_set: TinySet, tmp_path: Path, content: bytes, told: list):
    description, path = load_description("custom", custom_set.folder), tmp_path / "to_label.csv"
    path.write_bytes(content)
    remarks: list[str] = []
    names = ["tile0", "001", "tile2"]
    assert read_answers([path], description, names, remarks.append) == {"tile0": "wet", "001": "dry"}
    assert [remark.removeprefix(f"{path}") for remark in remarks] == [
        f": {text}" if "read as the known" in text else f" {text}" for text in told
    ]
    assert read_minutes([path], description, names) == {"tile0": 0.25}


def test_what_was_meant_has_to_be_clear(custom_set: TinySet, tmp_path: Path):
    description, path = load_description("custom", custom_set.folder), tmp_path / "to_label.csv"
    path.write_text("name,label\nTILE,wet\nother,wet\n01,damp\n")
    with pytest.raises(DataError) as caught:
        read_answers([path], description, ["tile", "Tile", "1"])
    assert "3 labels cannot be used" in str(caught.value)
    assert "line 2: 'TILE' is not in the list" in str(caught.value)
    assert "line 4: '1' has unknown scene class 'damp'; known are dry, wet" in str(caught.value)
