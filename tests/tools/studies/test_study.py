"""A whole study, from its file to its page: the commands themselves, run in this process instead of in others."""

import contextlib
import csv
import importlib
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_custom, write_image, write_list
from tools import study
from tools.studies import engine, run_job
from tools.studies.run_job import JobRun

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STUDY = """
name = "whole"
title = "A whole study"
strategies = ["margin"]
methods = ["supervised", "s4gan"]
counts = [2]
seeds = [1]

[[data]]
name = "town"
dataset = "custom"
data_dir = "{folder}"

[[data.areas]]
name = "east"
train = "{folder}/train.txt"
test = "{folder}/test.txt"

[[networks]]
backbone = "tiny"
weights = "none"
classifier = "tiny"
classifier_weights = "none"

[select]
alpha = 1
beta = 1
num_epochs = 1
input_size = [32, 32]
num_workers = 0

[train]
num_steps = 2
batch_size = 2
input_size = [32, 32]
num_workers = 0

[evaluate]
no_calibration = true
num_workers = 0

[[cells]]
where = {{ method = "s4gan" }}
train = {{ threshold_st = 0.6 }}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The study of a data set in which two of the training tiles are the same picture."""
    made = write_custom(tmp_path / "set", 8)
    plain = np.full((32, 32, 3), 90, np.uint8)
    for name in made.names[:6]:
        write_image(made.folder / "images" / f"{name}.png", plain)
    write_list(made.folder / "train.txt", made.names[:6])
    write_list(made.folder / "test.txt", made.names[6:])
    ledger = "round,name,kind,source,draft,minutes,time\n0,tile1,mask,qgis,no,3.5,\n"
    (made.folder / "ledger.csv").write_text(ledger)
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(folder=made.folder.as_posix()))
    return path


@pytest.fixture
def in_this_process(monkeypatch) -> Iterator[None]:
    """Jobs, and their commands, run where the test does; the process's signals are its own again afterwards."""

    def command(job: JobRun, argv: list[str]) -> tuple[int, bool]:
        main = importlib.import_module(f"tools.{Path(argv[1]).stem}").main
        with (
            (job.folder / run_job.LOG).open("a") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            return main(argv[2:]), False

    @contextmanager
    def launching(_: engine.Engine) -> Iterator[Callable[[list[str]], "Future[int]"]]:
        def launch(argv: list[str]) -> "Future[int]":
            future: Future[int] = Future()
            future.set_result(run_job.main(argv[2:]))
            return future

        yield launch

    monkeypatch.setattr(JobRun, "_command", command)
    monkeypatch.setattr(engine, "launching", launching)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("in_this_process")
def test_a_study_from_its_file_to_its_page(file, tmp_path, capsys):
    where = ["--studies-dir", str(tmp_path / "studies")]
    folder = tmp_path / "studies" / "whole"
    assert study.main(["report", str(file), *where]) == 0
    assert "note: nothing has been scored yet, 2 runs are missing" in capsys.readouterr().out
    assert "all 2 runs are missing" in (folder / "report.html").read_text()

    assert study.main(["run", str(file), *where, "--keep-checkpoints", "none"]) == 0
    assert "3 jobs done, 0 failed" in capsys.readouterr().out
    assert study.main(["report", str(file), *where]) == 0
    assert "missing" not in capsys.readouterr().out
    rows = list(csv.DictReader((folder / "scores.csv").open()))
    assert [(row["method"], row["state"], row["masks"], row["step"]) for row in rows] == [
        ("supervised", "done", "2", "2"),
        ("s4gan", "done", "2", "2"),
    ]
    assert all(0 <= float(row["mean_iou"]) <= 1 for row in rows)
    page = (folder / "report.html").read_text()
    assert "s4gan against supervised" in page
    assert "<td>margin, town, 2 tiles labelled</td><td>2</td><td>2.0</td><td>2.0</td>" in page  # twins, all of them
    assert page.count("<td>7</td>") == 2  # 2 masks of 3.5 minutes, for each method

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("metrics.csv")}
    assert study.main(["run", str(file), *where]) == 0  # nothing is repeated
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("metrics.csv")}
