import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from utils.drawing import curves
from utils.drawing.curves import CurvePanel, plot_curves

LOSS, SCORE = CurvePanel("losses", {"loss": "loss"}), CurvePanel("validation", {"score": "mean IoU"})
BOTH = CurvePanel("scores", {"real": "masks drawn by people", "fake": "predicted maps"}, is_share=True)


def width(log, picture, panels):
    plot_curves(log, picture, panels)
    with Image.open(picture) as drawn:
        return drawn.width


def test_panels_without_a_number_are_left_out(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss,score\n10,1.5,\n20,1.25,\n")
    one = width(log, tmp_path / "one.png", [LOSS])
    assert width(log, tmp_path / "two.png", [LOSS, SCORE]) == one
    log.write_text("step,loss,score\n10,1.5,\n20,1.25,0.5\n")
    assert width(log, tmp_path / "both.png", [LOSS, SCORE]) == 2 * one


def test_an_empty_log_gives_an_empty_picture(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss\n")
    assert width(log, tmp_path / "none.png", [LOSS]) > 0


@pytest.fixture
def figure(monkeypatch) -> list[Figure]:
    """The figures that were drawn, in place of their files."""
    drawn: list[Figure] = []
    monkeypatch.setattr(curves, "save_figure", lambda _, figure: drawn.append(figure))
    return drawn


def test_legends_stand_in_words_below_the_lines(tmp_path, figure):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss,real,fake\n10,0,0.9,0.8\n20,0,0.1,0.2\n")
    plot_curves(log, tmp_path / "curves.png", [BOTH, LOSS, LOSS, LOSS, LOSS])
    scores, zeros, *_ = figure[0].axes
    figure[0].draw_without_rendering()
    assert scores.get_title("left") == "scores"
    legend = scores.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [*BOTH.columns.values()]
    assert legend.get_window_extent().y1 < scores.get_window_extent().y0
    assert zeros.get_legend() is None
    assert zeros.get_ylim()[0] == pytest.approx(-0.03)
    assert [axis.axison for axis in figure[0].axes] == [True] * 5 + [False] * 3  # two rows of four


def test_parts_of_a_whole_are_areas_in_their_colours(tmp_path, figure):
    """From steps where all parts are known; a white class shows by its edge."""
    log = tmp_path / "metrics.csv"
    log.write_text("step,a,b\n10,,\n20,0.25,0.75\n30,0.5,0.5\n")
    panel = CurvePanel("classes", {"a": "land", "b": "sea"}, is_share=True, colours=((255, 255, 255), (10, 20, 30)))
    plot_curves(log, tmp_path / "curves.png", [panel])
    axis = figure[0].axes[0]
    lower, upper = axis.collections
    assert [to_hex(area.get_facecolor()[0]) for area in (lower, upper)] == ["#ffffff", "#0a141e"]
    edges = upper.get_paths()[0].vertices
    assert {tuple(point) for point in edges} == {(20, 0.25), (20, 1), (30, 0.5), (30, 1)}
    assert axis.get_legend() is None


def test_titles_are_broken_into_lines_that_fit_their_panel(tmp_path, figure):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss\n1,1\n4,2\n")
    plot_curves(log, tmp_path / "curves.png", [CurvePanel("word " * 20, {"loss": "loss"})], axis_name="labelled tiles")
    axis = figure[0].axes[0]
    assert max(map(len, axis.get_title("left").split("\n"))) <= 34
    assert axis.get_xlabel() == "labelled tiles"
    assert np.array_equal(axis.get_xticks() % 1, np.zeros(len(axis.get_xticks())))
