from PIL import Image

from utils.runs.log import plot_curves


def width(log, picture, panels):
    plot_curves(log, picture, panels)
    with Image.open(picture) as drawn:
        return drawn.width


def test_panels_without_a_number_are_left_out(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss,score\n10,1.5,\n20,1.25,\n")
    one = width(log, tmp_path / "one.png", {"losses": ["loss"]})
    assert width(log, tmp_path / "two.png", {"losses": ["loss"], "validation": ["score"]}) == one
    log.write_text("step,loss,score\n10,1.5,\n20,1.25,0.5\n")
    assert width(log, tmp_path / "both.png", {"losses": ["loss"], "validation": ["score"]}) == 2 * one


def test_an_empty_log_gives_an_empty_picture(tmp_path):
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss\n")
    assert width(log, tmp_path / "none.png", {"losses": ["loss"]}) > 0
