"""Bands by number, description and colour; what is taken when nobody asks."""

from pathlib import Path

import pytest

from data.rasters.bands import check_same_bands, choose_bands, left_out, listing
from data.rasters.scene import Band
from utils.errors import DataError, OptionError


def bands(*words: str, dtype: str = "uint8") -> tuple[Band, ...]:
    """Each word is `interpretation`, `name:interpretation`, or either with `*` for a mask."""
    found = []
    for index, word in enumerate(words, start=1):
        name, _, interpretation = word.strip("*").rpartition(":")
        name = name or (f"band {index}" if interpretation == "undefined" else interpretation)
        found.append(Band(index, name, interpretation, dtype, 8, word.endswith("*")))
    return tuple(found)


SENTINEL = bands("B02:undefined", "B03:undefined", "B04:undefined", "B08:nir")


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        (bands("blue", "green", "red", "alpha*"), None, [3, 2, 1]),
        (bands("red", "green", "blue", "alpha"), None, [1, 2, 3]),
        (bands("red", "green", "blue", "nir"), None, [1, 2, 3]),
        (bands("gray", "undefined", "undefined"), None, [1, 2, 3]),
        (bands("gray", "alpha*"), None, [1]),
        (bands("undefined", "undefined", "undefined", "alpha*"), None, [1, 2, 3]),
        (SENTINEL, "4,3,2", [4, 3, 2]),
        (SENTINEL, "b08, B04 ,1", [4, 3, 1]),
        (SENTINEL, "NIR", [4]),
        (bands("red", "green", "blue", "alpha*"), "Blue,ALPHA", [3, 4]),
        (bands("gray"), "grey", [1]),
        (bands("3:undefined", "x:undefined", "y:undefined"), "3", [3]),
    ],
)
def test_choice(given: tuple[Band, ...], asked: str | None, expected: list[int]):
    assert [band.index for band in choose_bands(given, asked)] == expected


@pytest.mark.parametrize(
    ("given", "asked", "message"),
    [
        (SENTINEL, None, "has 4 bands and does not say .+ --bands 3,2,1, from 1 B02, 2 B03, 3 B04, 4 B08 \\(nir\\)"),
        (bands("gray", "undefined"), None, "has 2 bands"),
        (bands("red", "red", "green", "blue"), None, "has 4 bands"),
        (SENTINEL, "5", "has no such band; it has 1 B02"),
        (SENTINEL, "0", "has no such band"),
        (SENTINEL, "B09", "unknown band 'B09'; did you mean B08"),
        (SENTINEL, "1,,2", "holds an empty name"),
        (SENTINEL, "1,B02", "names band 1 twice"),
        (bands("a:red", "a:green"), "a", "has 2 bands of that name"),
        (SENTINEL, "undefined", "unknown band 'undefined'"),
    ],
)
def test_choices_that_are_refused(given: tuple[Band, ...], asked: str | None, message: str):
    with pytest.raises(OptionError, match=message):
        choose_bands(given, asked, Path("a.tif"))


def test_bands_that_are_neither_used_nor_masks_are_left_out():
    given = bands("red", "green", "blue", "alpha", "gray", "alpha*")
    assert listing(left_out(given, given[:3])) == "4 alpha, 5 gray"


def test_scenes_of_other_bands_do_not_mix():
    check_same_bands(SENTINEL, SENTINEL, Path("a.tif"), Path("b.tif"))
    with pytest.raises(DataError, match=r"b.tif gives the bands 1 red uint8.+ but a.tif gives 1 B02 uint8"):
        check_same_bands(SENTINEL, bands("red"), Path("a.tif"), Path("b.tif"))
    with pytest.raises(DataError, match="uint16"):
        check_same_bands(bands("red"), bands("red", dtype="uint16"), Path("a.tif"), Path("b.tif"))
