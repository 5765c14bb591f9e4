import numpy as np
import pytest
from PIL import Image

from utils.drawing.charts import save_class_bars, save_confusion, save_score_curve
from utils.drawing.curves import CurvePanel, plot_curves
from utils.drawing.pictures import picture_grid, save_bars, save_picture, with_legend
from utils.runs.log import MetricsLog


def pixels_of(path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).reshape(-1, 3)


def count(path, colour: tuple[int, int, int]) -> int:
    return int((pixels_of(path) == colour).all(axis=1).sum())


BAR, MARK, BAND = (0x2A, 0x6F, 0x97), (0xD1, 0x49, 0x5B), (0xD9, 0xE5, 0xEC)


def test_score_curve_marks_the_chosen_step_and_draws_the_band(tmp_path):
    with_band, without = tmp_path / "band.png", tmp_path / "none.png"
    save_score_curve(with_band, "title", [1, 2, 3], [0.2, 0.5, 0.4], [(0.1, 0.3), (0.4, 0.6), (0.3, 0.5)], 2, 0.45)
    save_score_curve(without, "title", [1, 2, 3], [0.2, 0.5, 0.4], [(None, None)] * 3, 2)
    for path in (with_band, without):
        assert count(path, MARK) > 40
        assert count(path, BAR) > 100
    paler = [((pixels_of(path).astype(int) - BAND).__abs__().max(axis=1) < 6).sum() for path in (with_band, without)]
    assert paler[0] > 5000 > paler[1]


@pytest.mark.parametrize("scores", [[0.3, None], [None, 0.2], [None, None]])
def test_score_curve_of_few_or_empty_scores(tmp_path, scores):
    steps = list(range(1, len(scores) + 1))
    save_score_curve(tmp_path / "curve.png", "title", steps, scores, [(0.1, 0.4)] * len(scores), len(scores))
    pixels_of(tmp_path / "curve.png")


def test_confusion_is_by_row_and_leaves_out_classes_that_never_occur(tmp_path):
    counts = np.array([[1000, 0, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    save_confusion(tmp_path / "small.png", "title", counts, ["field", "never", "forest", "never either"])
    darkest = count(tmp_path / "small.png", (8, 48, 107))  # 100 % in matplotlib's Blues
    assert darkest > 2000
    halves = np.abs(pixels_of(tmp_path / "small.png").astype(int) - (106, 174, 214)).max(axis=1) < 3
    assert halves.sum() > 4000  # the rare class counts as much: its row is 50 % and 50 %


NO_ENDS = [(None, None)] * 3


def test_class_bars_are_as_long_as_the_scores(tmp_path):
    for name, ious in {"high": [0.8, 0.4, None], "low": [0.4, 0.2, None]}.items():
        save_class_bars(tmp_path / f"{name}.png", "title", ["field", "forest", "none"], ious, [0.7, 0.3, 0], NO_ENDS)
    high, low = (count(tmp_path / f"{name}.png", BAR) for name in ("high", "low"))
    assert high == pytest.approx(2 * low, rel=0.05)


def test_class_bars_show_the_intervals_there_are(tmp_path):
    ends = [(0.6, 0.9), (None, None), (None, None)]
    for name, intervals in {"with": ends, "without": NO_ENDS}.items():
        path = tmp_path / f"{name}.png"
        save_class_bars(path, "title", ["field", "forest", "none"], [0.8, 0.4, None], [0.7, 0.3, 0], intervals)
    assert count(tmp_path / "with.png", MARK) > 50
    assert count(tmp_path / "without.png", MARK) == 0


@pytest.mark.parametrize("name", [r"$\frac{$", "$x$ and $y$", "50 % \\alpha", "a_b^c", "caf\udce9", "a\nb"])
def test_a_class_may_be_called_anything(tmp_path, name):
    """Dollars are not taken for formulas, and what no font has does not end a run."""
    names = [name, "forest"]
    save_score_curve(tmp_path / "curve.png", name, [1, 2], [0.2, 0.5], [(0.1, 0.3), (0.4, 0.6)], 2)
    save_confusion(tmp_path / "confusion.png", name, np.array([[3, 1], [1, 3]]), names)
    save_class_bars(tmp_path / "classes.png", name, names, [0.2, 0.5], [0.5, 0.5], [(0.1, 0.3), (None, None)])
    save_bars(tmp_path / "bars.png", name, names, {name: [0.2, 0.8]})
    log = MetricsLog(tmp_path / "metrics.csv", [name], tmp_path / "events")
    log.write(1, {name: 0.5})
    log.close()
    plot_curves(tmp_path / "metrics.csv", tmp_path / "curves.png", [CurvePanel(name, {name: name})])
    save_picture(tmp_path / "grid.png", picture_grid([[np.zeros((4, 4, 3), np.uint8)]], [[name]]))
    save_picture(tmp_path / "legend.png", with_legend(Image.new("RGB", (4, 4)), names, [(0, 0, 0), (1, 1, 1)]))
    assert len(list(tmp_path.glob("*.png"))) == 7


def test_a_dollar_is_drawn_as_one(tmp_path):
    for title in ("$x$", "x"):
        save_bars(tmp_path / f"{len(title)}.png", title, ["a"], {"b": [1.0]})
    assert not np.array_equal(pixels_of(tmp_path / "3.png"), pixels_of(tmp_path / "1.png"))
