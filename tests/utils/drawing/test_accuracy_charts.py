from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.drawing.accuracy_charts import save_areas, save_reliability
from utils.drawing.scene_picture import confidence_colours


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.verify()
        return picture.size


def test_reliability_is_drawn_with_empty_bins_and_with_one(tmp_path: Path):
    curve = ([0.0] * 12 + [0.2, 0.3, 0.5], [None] * 12 + [0.83, 0.9, 0.97], [None] * 12 + [0.6, 0.7, 0.9])
    one = ([0.0] * 14 + [1.0], [None] * 14 + [1.0], [None] * 14 + [1.0])
    save_reliability(tmp_path / "chart.png", "Title", [("before", curve), ("after", one)])
    assert size_of(tmp_path / "chart.png")[0] < 700  # letters can be read where a page is 400 pixels wide


@pytest.mark.parametrize("count", [1, 3, 40])
def test_areas_are_drawn_for_few_and_many_classes(tmp_path: Path, count: int):
    shares = [1 / count] * count
    ends = [(None, None), *[(0.9 * share, 1.2 * share) for share in shares[1:]]]
    save_areas(tmp_path / "chart.png", "Title", [f"class {n}" for n in range(count)], shares, shares, ends)
    assert size_of(tmp_path / "chart.png")[0] < 700


def test_confidence_goes_from_dark_to_light():
    brightness = confidence_colours(np.linspace(0.25, 1, 20)[None], 0.25).mean(axis=2)[0]
    assert (np.diff(brightness) > 0).all()
