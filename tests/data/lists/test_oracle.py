from dataclasses import replace
from pathlib import Path

import pytest

from data.dataset_json import load_description
from data.lists.oracle import known_labels, with_scene_classes
from tests.conftest import CUSTOM, TinySet
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
