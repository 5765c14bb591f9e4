from data.footprints.overlaps import overlapping_pairs
from data.footprints.records import TileRecord


def record(name: str, column: int, scene: str = "town", side: int = 32) -> TileRecord:
    return TileRecord(name, scene, 0, column, side, side)


def test_tiles_that_share_half_of_the_smaller_one_or_more():
    tiles = [record("a", 0), record("half", 16), record("less", 49), record("other", 0, scene="sea")]
    inside = record("inside", 60, side=8)  # a quarter of a side, and all of it within "less"
    assert sorted(overlapping_pairs([*tiles, inside])) == [("a", "half"), ("less", "inside")]
    assert list(overlapping_pairs(tiles, least=0.51)) == []
