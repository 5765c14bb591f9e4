from dataclasses import replace

import numpy as np
import pytest

from data.checking.mask_values import OTHERS, MaskValues, kept, remarks
from data.descriptions import DEEPGLOBE, UCM, Description

IDS = Description("custom", "{name}", "{name}", ("grass", "water", "road"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
TWO = replace(IDS, classes=("background", "building"))
COLOURS = replace(IDS, palette=((255, 0, 0), (0, 128, 0), (0, 0, 255)))


def line_on(pixels: dict[int, int], description: Description, **others: int) -> str:
    """The one remark on masks that hold these pixels."""
    lines = remarks(MaskValues(3, pixels, **others), description)
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("pixels", "description", "words", "advice"),
    [
        ({0: 70, 255: 30}, TWO, 'building never occurs and 255 (30.0% of the pixels) is read as "no class"',
         "--classes 0=background,255=building "),
        ({1: 60, 2: 39, 3: 1}, IDS, "grass never occurs and 3 (1.0%", "--classes 1=grass,2=water,3=road "),
        ({0: 10, 1: 60, 2: 29, 3: 1}, replace(IDS, classes=("a", "b", "c")), "", ""),
        ({0: 10, 1: 60, 2: 20, 3: 10}, IDS, "3 (10.0% of the pixels) is", "1=grass,2=water,3=road --ignore-codes 0 "),
        ({1: 60, 2: 40}, IDS, "grass never occurs; found 1 (60.0%), 2 (40.0%)", "1=grass,2=water,3=road "),
        ({0: 60, 2: 40}, IDS, "water never occurs; found 0 (60.0%), 2 (40.0%)", None),
        ({10: 60, 30: 20, 50: 20}, IDS, "10, 30, 50 (100.0% of the pixels) are", "10=grass,30=water,50=road"),
        ({0: 10, 1: 60, 2: 20, 7: 10}, IDS, "7 (10.0% of the pixels) is", "--ignore-codes 7 "),
        ({0: 9, 10: 51, 30: 20, 50: 20}, IDS, "water, road never occur", "10=grass,30=water,50=road --ignore-codes 0 "),
        ({0: 50, 1: 20, 2: 20, 255: 10}, IDS, "255 (10.0% of the pixels)", "--ignore-codes 255 "),
        ({4: 50, 5: 50}, IDS, "grass, water, road never occur", "CODE=name"),
        ({0xFF0000: 50, 0x008000: 20, 0x0000FF: 20, 0x00FFFF: 10}, COLOURS, "#00FFFF (10.0% of the pixels)",
         "--ignore-colours '#00FFFF'"),
    ],
)  # fmt: skip
def test_values_without_a_meaning_are_named_with_the_option_that_gives_one(pixels, description, words, advice):
    if not words:
        assert remarks(MaskValues(3, pixels), description) == []  # 1 % is not above 1 %
        return
    line = line_on(pixels, description)
    assert line.startswith("in 3 masks ")
    assert words in line
    assert ("to give them a meaning" in line or "--ignore-colours" in line) == (advice is not None)
    assert advice is None or advice in line


def test_the_keys_of_dataset_json_stand_beside_the_option():
    line = line_on({0: 10, 10: 50, 30: 20, 50: 20}, IDS)
    assert (
        '"codes": {"grass": [10], "water": [30], "road": [50]}, "ignore_codes": [0] in dataset.json, version 2' in line
    )


@pytest.mark.parametrize(
    ("pixels", "description"),
    [
        ({0: 50, 3: 50}, UCM),
        ({0: 99, 3: 9900, 255: 99}, UCM),
        ({0: 50, 0x00FFFF: 50}, DEEPGLOBE),
        ({0: 50, 1: 50, 2: 20, 255: 30}, replace(IDS, ignore_codes=frozenset({255}))),
        ({10: 50, 20: 1, 255: 1}, replace(IDS, codes=((10,), (20,), (255,)))),
        ({}, IDS),
    ],
)
def test_declared_values_and_short_lists_of_known_sets_need_no_word(pixels, description):
    assert remarks(MaskValues(3, pixels), description) == []


def test_strange_values_of_a_known_set_are_no_question_of_options():
    assert line_on({1: 90, 40: 10}, UCM).endswith("found 1 (90.0%), 40 (10.0%); check that these are the masks of ucm")


def test_transparent_near_and_matched_pixels_are_counted():
    assert "transparent (50.0%)" in line_on({0: 25, 1: 25}, IDS, transparent=50)
    assert "2.00% of the mask pixels (2)" in line_on({0xFF0000: 50, 0x008000: 20, 0x0000FF: 30}, COLOURS, near=2)
    assert line_on({0: 25, 1: 25, 2: 50}, IDS, matched=2).startswith(
        "2 of 3 palette masks order their colours otherwise"
    )


def test_values_add_up_and_survive_json():
    values = MaskValues(1, {0: 5, 300: 2}, near=1) + MaskValues(2, {0: 5}, transparent=3, matched=1)
    assert values == MaskValues(3, {0: 10, 300: 2}, 1, 3, 1)
    assert MaskValues.from_json(values.as_json()) == values
    assert values.total == 15


def test_few_of_many_values_are_kept_apart():
    counts = kept({int(value): int(value) for value in np.arange(1, 101)})
    assert len(counts) == 33
    assert counts[100] == 100
    assert sum(counts.values()) == 5050
    assert counts[OTHERS] == 68 * 69 // 2
