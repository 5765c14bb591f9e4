"""Names and colours of classes in tools, and the way back to ids."""

import pytest

from data.labelling.classes import KEYS, ToolClasses
from data.labelling.settings import LabelSetSettings
from data.labelling.tiles import LabelTiles
from tests.conftest import write_custom
from utils.errors import DataError


@pytest.fixture
def classes_of(tmp_path):
    def make(*ignored: str, **description: object) -> ToolClasses:
        write_custom(tmp_path / "set", 1, **description)
        return ToolClasses(LabelTiles.open(LabelSetSettings(tmp_path / "set")).description, ignored)

    return make


def test_names_come_back_in_any_case_and_with_other_blanks(classes_of):
    classes = classes_of(classes=["bare  soil", "Forest", "forest"])
    assert classes.ids_of("f", ["Bare soil", "Forest", "forest"]) == {"Bare soil": 0, "Forest": 1, "forest": 2}
    with pytest.raises(DataError, match="unknown class 'FOREST'"):  # either of two
        classes.ids_of("f", ["FOREST"])


def test_names_that_mean_no_class(classes_of):
    classes = classes_of("cloud")
    assert set(classes.ids_of("f", ["background", "Unlabeled", "CLOUD", "_background_"]).values()) == {255}
    with pytest.raises(DataError, match=r"f: unknown class 'shade'.* and 1 more \(haze\)"):
        classes.ids_of("f", ["shade", "haze", "water"])


def test_a_class_called_background_has_another_name_in_tools(classes_of):
    classes = classes_of(classes=["Background", "water"])
    assert classes.names == ("Background class", "water")
    assert classes.ids_of("f", ["Background class", "Background", "background"]) == {
        "Background class": 0, "Background": 0, "background": 0,
    }  # fmt: skip


def test_colours_differ_and_none_is_black(classes_of):
    palette = {"field": "#000000", "forest": "#405060", "water": "#708090"}
    classes = classes_of(palette=palette)
    assert classes.colours[1:] == ((0x40, 0x50, 0x60), (0x70, 0x80, 0x90))
    assert len({*classes.colours, (0, 0, 0)}) == 4


def test_keys_run_out(classes_of):
    classes = classes_of(classes=[f"class {k}" for k in range(40)])
    assert len(set(KEYS)) == len(KEYS)
    assert classes.keys[:11] == tuple("1234567890q")
    assert classes.keys[len(KEYS) :] == ("",) * (40 - len(KEYS))
    assert len({*classes.colours}) == 40
