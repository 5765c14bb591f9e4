"""What is written: the report, its pictures and its tables."""

import os
import re
import signal
from html.parser import HTMLParser

import pytest
from PIL import Image

from tests.conftest import CUSTOM, write_list
from tests.tools.auto_evaluate.conftest import PICTURES, STEPS, argv, summary_of
from tools import auto_evaluate
from utils.evaluation import tile_lists
from utils.evaluation.metric import CLASS_SCORES
from utils.evaluation.tile_lists import ListScorer


class Parts(HTMLParser):
    """What a page refers to, its words, and whether its tags are balanced."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_report_goes_in_the_order_of_a_user_s_questions(results):
    assert re.findall("<h2>(.*?)</h2>", (results / "report.html").read_text()) == [
        "How good is it", "Can it be trusted where it is sure", "How much area each class has",
        "Where it is right and wrong", "Which checkpoint", "Sizes, times and options",
    ]  # fmt: skip


def test_report_is_one_file_with_everything_in_it(results):
    text = (results / "report.html").read_text()
    parts = Parts(text)
    assert parts.open == []
    assert len(parts.references) == len(PICTURES)
    assert all(reference.startswith("data:image/png;base64,") for reference in parts.references)
    assert not re.search(r"https?:|@import|url\(|<script", text)
    words = " ".join(parts.words)
    for expected in (*CUSTOM["classes"], "200", "--save-dir", "test.txt", "val.txt", "parameters"):
        assert expected in words


def test_pictures_and_events_are_there(results):
    for name in PICTURES:
        with Image.open(results / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 300
    assert list((results / "tensorboard").glob("events*"))


def test_one_checkpoint_has_no_curve_and_is_not_called_the_best(tiny, run, tmp_path):
    assert auto_evaluate.main(argv(tiny, run, tmp_path, calibrated=True, start_eval=7, end_eval=7)) == 0
    assert not (tmp_path / "miou.png").exists()
    text = (tmp_path / "report.html").read_text()
    assert "step 7, the only checkpoint evaluated" in text
    assert "best of" not in text
    assert "Which checkpoint" not in text
    assert len(Parts(text).references) == len(PICTURES) - 1


def test_the_report_writes_three_decimals_and_explains_its_columns(results):
    text = (results / "report.html").read_text()
    assert not re.search(r">0\.\d{4}", text)
    for row in summary_of(results)["classes"]:
        cells = "".join(f"<td>{'–' if row[score] is None else f'{row[score]:.3f}'}</td>" for score in CLASS_SCORES)
        assert f"{row['name']}</td>{cells}" in text
    assert "Producer&#x27;s accuracy (recall)" in text
    assert "User&#x27;s accuracy (precision)" in text


@pytest.mark.parametrize(("moment", "tested"), [("last checkpoint", False), ("test list", True)])
def test_asked_to_end_late_it_leaves_its_report(tiny, run, tmp_path, monkeypatch, capsys, moment, tested):
    test_list = write_list(tmp_path / "test.txt", tiny.names[4:])
    original = ListScorer.evaluate

    def evaluate(self, step):
        if self.tiles.path == test_list if moment == "test list" else step == STEPS[-1]:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, step)

    monkeypatch.setattr(ListScorer, "evaluate", evaluate)
    assert auto_evaluate.main(argv(tiny, run, tmp_path / "out", "--all", test_list=test_list)) == 143
    summary = summary_of(tmp_path / "out")
    assert (summary["test_list"] is not None) == tested
    assert ("terminated before the test list was scored" in summary["notes"]) != tested
    assert (tmp_path / "out" / "report.html").is_file()


def test_predictions_that_were_not_kept_are_made_again(tiny, run, tmp_path, monkeypatch):
    for name, limit in {"kept": 10**9, "again": 0}.items():
        monkeypatch.setattr(tile_lists, "_KEPT_BYTES", limit)
        assert auto_evaluate.main(argv(tiny, run, tmp_path / name, "--all", "--flip")) == 0
    assert (tmp_path / "kept" / "tiles.png").read_bytes() == (tmp_path / "again" / "tiles.png").read_bytes()
