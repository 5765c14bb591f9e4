"""What a selection leaves to look at."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from utils.selection.results import _caption

TILES: Any = SimpleNamespace(classes=["sea", "town"], names=["a", "b"], class_name=lambda _: "sea")


@pytest.mark.parametrize(
    ("utility", "shown"), [(-0.00042, "score -0.00042"), (0.25, "score 0.25"), (1.386294, "score 1.39"), (0, "score 0")]
)
def test_a_caption_shows_figures_that_tell_tiles_apart(utility: float, shown: str):
    """Margins of a classifier that knows little are a thousandth and less."""
    prediction = cast(Any, SimpleNamespace(scene=1, probability=0.104, utility=utility))
    assert _caption(TILES, 2, 1, prediction) == f"2. b\nsea\nseen as town\np 0.10, {shown}"
