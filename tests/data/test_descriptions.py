import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.descriptions import DEEPGLOBE, UCM, Description, leaves_folder
from utils.errors import DataError
from utils.imagery.colours import format_colour, parse_colour


def test_ucm_has_seventeen_classes_behind_an_unused_id():
    assert UCM.num_classes == 18
    assert UCM.classes[0] == "unused"
    assert [UCM.classes.index(name) for name in ("airplane", "bare soil", "trees", "water")] == [1, 2, 16, 17]
    assert UCM.ignore_ids == {0}


def test_ucm_has_twenty_one_scene_classes_and_tiles_of_256():
    assert UCM.scene_classes is not None
    assert len(set(UCM.scene_classes)) == 21
    assert UCM.tile_size == 256


def test_deepglobe_has_six_classes_in_the_published_order_and_tiles_of_320():
    assert DEEPGLOBE.classes == ("urban land", "agriculture land", "rangeland", "forest land", "water", "barren land")
    assert [format_colour(colour) for colour in DEEPGLOBE.palette or ()] == [
        "#00FFFF",
        "#FFFF00",
        "#FF00FF",
        "#00FF00",
        "#0000FF",
        "#FFFFFF",
    ]
    assert DEEPGLOBE.ignore_colours == ((0, 0, 0),)
    assert DEEPGLOBE.tile_size == 320


@pytest.mark.parametrize("description", [UCM, DEEPGLOBE], ids=lambda d: d.name)
def test_every_class_has_a_colour_of_its_own(description: Description):
    assert len(set(description.colours)) == len(description.colours) == description.num_classes


def test_a_colour_is_read_in_the_order_red_green_blue():
    assert parse_colour("#0A10ff") == (10, 16, 255)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_colour_survives_writing_and_reading(colour: tuple[int, int, int]):
    assert parse_colour(format_colour(colour)) == colour


@pytest.mark.parametrize("text", ["0A10FF", "#12345", "#1234567", "#GG0000", "red", "", None, 255])
def test_other_ways_to_write_a_colour_are_refused(text: object):
    with pytest.raises(DataError, match="#RRGGBB"):
        parse_colour(text)


@pytest.mark.parametrize(
    "path", ["..", "../a", "a/../b", "a/..", "a\\..\\b", "/a", "\\a", "\\\\server\\a", "C:\\a", "c:a", "a\0b"]
)
def test_paths_that_lead_out_of_a_folder_are_recognised(path: str):
    assert leaves_folder(path)


@pytest.mark.parametrize("path", ["a", "a/b.png", "a..b", "..a/b", "a b", "scene:1", "ä/{name}.tif"])
def test_paths_below_a_folder_are_let_pass(path: str):
    assert not leaves_folder(path)


@pytest.mark.parametrize(
    ("pattern", "name", "scene"),
    [
        (r"^(.+)_\d+_\d+$", "north_0_320", "north"),
        (r"^[a-z]+", "north_0_320", "north"),
        (r"^(.+)_\d+_\d+$", "north", None),
        (r"^(\d+)?[a-z]", "north", None),
        (None, "north_0_320", None),
    ],
)
def test_the_scene_of_a_tile_is_the_match_or_its_first_group(pattern: str | None, name: str, scene: str | None):
    description = Description("custom", "{name}.png", "{name}.png", ("a", "b"), ((0, 0, 0), (1, 1, 1)), group=pattern)
    assert description.groups_of([name])[name] == scene


def test_the_legend_leaves_out_ids_that_mean_no_class():
    names, colours = UCM.legend
    assert names == list(UCM.classes[1:])
    assert colours == list(UCM.colours[1:])
    assert UCM.used_ids == list(range(1, 18))


def test_a_set_that_ignores_a_label_has_one_class_less_to_use():
    assert UCM.ignoring(255) is UCM
    ignoring = UCM.ignoring(3)
    assert ignoring.used_ids == [1, 2, *range(4, 18)]
    assert ignoring.classes == UCM.classes
    assert ignoring.ignoring(99).ignore_ids == {0, 3, 99}
