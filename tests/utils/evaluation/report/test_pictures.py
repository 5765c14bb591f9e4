import pytest
import torch

from utils.evaluation.report.pictures import extreme_tiles


def tiles_with(scores: list[float | None]) -> torch.Tensor:
    """Confusion matrices of two classes whose first one has these IoUs; None: no label."""
    counts = torch.zeros(len(scores), 2, 2, dtype=torch.int32)
    for row, score in zip(counts, scores, strict=True):
        if score is not None:
            row[0, 0], row[0, 1] = round(100 * score), 100 - round(100 * score)
    return counts


def test_best_median_and_worst_tiles_are_pictured():
    names = [f"tile{number}" for number in range(5)]
    pictured = extreme_tiles(tiles_with([0.5, None, 0.9, 0.1, 0.4]), names)
    assert [tile for _, tile in pictured] == [2, 0, 3]
    assert [caption.split(":")[0] for caption, _ in pictured] == ["best", "median", "worst"]
    assert pictured[0][0] == "best: tile2\nmean IoU 0.900"


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [0]), (2, [1, 0]), (3, [2, 1, 0])])
def test_few_tiles_are_pictured_once(count, expected):
    pictured = extreme_tiles(tiles_with([(n + 1) / 10 for n in range(count)]), [str(n) for n in range(count)])
    assert [tile for _, tile in pictured] == expected


def test_of_many_tiles_two_of_each_kind_are_pictured():
    pictured = extreme_tiles(tiles_with([n / 30 for n in range(30)]), [str(n) for n in range(30)])
    assert [tile for _, tile in pictured] == [29, 28, 15, 14, 1, 0]
