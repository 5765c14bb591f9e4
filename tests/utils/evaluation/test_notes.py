from pathlib import Path

from utils.evaluation.notes import count_labelled, on_drafted_masks, on_labelled_tiles, on_overlapping_tiles

PATH = Path("lists/val.txt")


def test_tiles_that_were_learned_from_are_counted():
    assert count_labelled(["a", "b", "c"], ["c", "d", "a"]) == 2
    assert on_labelled_tiles(["a", "b", "c"], ["c", "d", "a"], PATH) == (
        "2 of 3 tiles of lists/val.txt were labelled training tiles of this run: scores on them are optimistic"
    )
    assert "1 of 2 tiles of lists/val.txt was a labelled training tile" in on_labelled_tiles(["a", "b"], {"a"}, PATH)
    assert on_labelled_tiles(["a"], [], PATH) == on_labelled_tiles(["a"], ["b"], PATH) == ""


def test_tiles_that_overlap_are_counted():
    assert on_overlapping_tiles(2, ["a", "b", "c"], PATH) == (
        "2 of 3 tiles of lists/val.txt overlap: a pixel of a scene is scored once, in the tile whose centre is nearest"
    )
    assert on_overlapping_tiles(0, ["a"], PATH) == on_overlapping_tiles(None, ["a"], PATH) == ""


def test_masks_that_began_as_a_draft_are_counted():
    assert on_drafted_masks(["a", "b", "c"], {"c", "d"}, PATH) == (
        "1 of 3 masks of lists/val.txt began as a draft of a model: scores on them favour that model"
    )
    assert on_drafted_masks(["a"], {"b"}, PATH) == on_drafted_masks(["a"], [], PATH) == ""
