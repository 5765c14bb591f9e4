"""Which tiles weights have learned from: found again by name or by pixels, and what is said of them."""

from pathlib import Path

import pytest

from utils.digests import NO_PIXELS
from utils.errors import DataError
from utils.evaluation.notes import on_known_classes, on_seen_tiles
from utils.runs.origin import Origin, SeenTiles

ONE, TWO, THREE = ("1" * 16, "2" * 16, "3" * 16)
SEEN = SeenTiles.of("self", ["a", "b", "c"], [ONE, TWO, NO_PIXELS])
TEST = Path("test.txt")


def test_tiles_are_known_by_name_or_by_pixels():
    assert SEEN.among(["a", "x", "y"], [THREE, TWO, NO_PIXELS]) == {0, 1}  # one colour says nothing
    assert SeenTiles.of("masks", ["a"]).among(["a", "b"], [ONE, TWO]) == {0}


def test_a_tile_counts_once_in_the_strongest_way():
    scenes = SeenTiles.of("scenes", ["b", "d"], [TWO, THREE])
    origin = Origin("backbone.pth", "0" * 64, (SEEN, scenes, SeenTiles.of("masks", ["d"])))
    names = ["a", "b", "d", "e"]
    assert origin.counts(names, [NO_PIXELS] * 4) == {"masks": 1, "scenes": 1, "self": 1}
    assert origin.counts(names, [NO_PIXELS] * 4, ("scenes",)) == {"scenes": 2}
    assert origin.counts(["z"], [NO_PIXELS]) == {}


def test_what_is_said_follows_from_what_was_learned():
    scenes = SeenTiles.of("scenes", ["b"])
    origin = Origin("backbone.pth", "0" * 64, (SEEN, scenes))
    lines = on_seen_tiles(["a", "b", "c", "x"], [NO_PIXELS] * 4, origin, TEST)
    assert lines == [
        "1 of 4 tiles of test.txt, by name or by pixels, was pre-trained on with their scene labels (backbone.pth): "
        "scores on them are optimistic",
        "2 of 4 tiles of test.txt, by name or by pixels, were pre-trained on without labels (backbone.pth): scores on "
        "them may be optimistic",
    ]
    line = on_known_classes(["a", "b"], [NO_PIXELS] * 2, origin, TEST)
    assert line.startswith("1 of 2 tiles of test.txt was pre-trained on with their scene labels (backbone.pth)")
    assert on_known_classes(["a"], [NO_PIXELS], origin, TEST) == ""


def test_it_reads_back_as_it_was_written():
    origin = Origin("w.pth", "ab", (SEEN, SeenTiles.of("masks", ["d"])))
    assert Origin.from_json(origin.as_json()) == origin
    assert SEEN.digest != SeenTiles.of("self", ["a", "b", "d"], SEEN.pixels).digest


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("x", "expected a file, its digest"),
        ({"file": "w", "sha256": "a"}, "expected a file, its digest"),
        ({"file": "w", "sha256": "a", "seen": ["x"]}, "expected a table"),
        ({"file": "w", "sha256": "a", "seen": [{"how": "guessed", "names": "", "pixels": ""}]}, "expected a table"),
        ({"file": "w", "sha256": "a", "seen": [{"how": "self", "names": "xyz", "pixels": ""}]}, "16 hexadecimal digits"),
        ({"file": "w", "sha256": "a", "seen": [{"how": "self", "names": ONE + TWO, "pixels": ONE}]}, "but 1 images"),
    ],
)
def test_what_it_is_not_is_refused(raw: object, words: str):
    with pytest.raises(DataError, match=words):
        Origin.from_json(raw)
