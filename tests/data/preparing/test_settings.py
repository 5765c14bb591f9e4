from pathlib import Path

import pytest

from data.preparing.settings import Cut, DemoSettings, ScenesSettings, Target
from utils.settings import SettingsError

TARGET = Target(Path("out"))


def scenes(**changes: object) -> ScenesSettings:
    return ScenesSettings(TARGET, Path("images"), **changes)  # type: ignore[arg-type]


def test_tiles_follow_one_another_unless_a_stride_is_given():
    assert (Cut(256).step, Cut(256, 128).step) == (256, 128)
    assert DemoSettings(TARGET).dataset == "UCM"


def test_classes_come_with_colours_or_with_values():
    coloured = scenes(palette="land=#102030,water=#000000", ignore_colours=[(1, 2, 3)]).pixel_classes()
    assert coloured.palette == {"land": (16, 32, 48), "water": (0, 0, 0)}
    assert coloured.ignore_colours == [(1, 2, 3)]
    of_ids = scenes(classes=(["land", "water"], {"land": [1], "water": [2]}), ignore_codes=[0]).pixel_classes()
    assert (of_ids.names, of_ids.codes, of_ids.ignore_codes) == (["land", "water"], {"land": [1], "water": [2]}, [0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Target(Path("out"), test_share=1), "test_share is 1, expected a number of at least 0 and below 1"),
        (lambda: Cut(256, 300), "stride 300 exceeds tile_size 256 and would leave gaps"),
        (lambda: scenes(), "expected palette for masks of colours or classes for masks of ids, found neither"),
        (lambda: scenes(palette="a=#000000", classes=(["a"], None)), "found both"),
        (lambda: scenes(palette="a=#000000", ignore_codes=[0]), "ignore_codes are values of masks of ids"),
        (
            lambda: scenes(classes=(["a"], None), cut=Cut(scene_labels="dominant")),
            "scene_labels dominant counts the classes of masks; give masks",
        ),
    ],
)
def test_contradictions_are_refused_in_words_of_fields(make, message: str):
    with pytest.raises(SettingsError, match=message):
        make()
