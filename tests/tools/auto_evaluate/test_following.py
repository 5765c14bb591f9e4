"""Checkpoints of a training that goes on: what an evaluation waits for, and when it ends."""

import shutil
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import TinySet, error_line
from tests.tools.auto_evaluate.conftest import STEPS, argv, rows_of, score_of, summary_of, write_plan, write_run
from tools import auto_evaluate
from utils.evaluation import checkpoints as checkpoints_module
from utils.runs import interrupt


def test_following_waits_for_the_checkpoints_of_a_training(tiny, run, tmp_path, monkeypatch):
    """Step 2 never comes; the first checkpoint, the best one here, has gone when the last one comes."""
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    folder = write_run(tmp_path / "run", ())
    sources = dict(zip((1, 3, 4), sorted(STEPS, key=lambda step: -score_of(run, tiny, step)), strict=True))

    def train() -> None:
        for step, source in sources.items():
            part = folder / f".checkpoint{step}.pth.1-ab.part"
            whole = (run / f"checkpoint{source}.pth").read_bytes()
            part.write_bytes(whole[:1000])
            time.sleep(0.1)
            part.write_bytes(whole)
            part.rename(folder / f"checkpoint{step}.pth")
            wait_for(lambda step=step: step in known_steps(tmp_path / "out"))
            if step == 3:
                (folder / "checkpoint1.pth").unlink()

    training = threading.Thread(target=train)
    training.start()
    options = argv(tiny, folder, tmp_path / "out", "--follow", start_eval=1, end_eval=4, step_eval=1)
    code = auto_evaluate.main([*options, "--test-list", str(tiny.list_path)])
    training.join()
    assert code == 4
    assert list(rows_of(tmp_path / "out")) == [1, 3, 4]
    summary = summary_of(tmp_path / "out")
    assert summary["skipped"] == [{"step": 2, "reason": "not there"}]
    assert summary["chosen"]["step"] == 1
    assert summary["test_list"]["scores"] == summary["data_list"]["scores"]


def known_steps(out: Path) -> list[int]:
    return list(rows_of(out)) if (out / "scores.csv").is_file() else []


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_following_ends_at_its_time_limit_with_what_there_is(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    out, now = tmp_path / "out", time.monotonic
    late = partial(interrupt.StopRequest, clock=lambda: now() + 3600 * len(known_steps(out)))
    monkeypatch.setattr(auto_evaluate, "StopRequest", late)
    options = {"start_eval": 7, "end_eval": 14, "step_eval": 7, "max_hours": 1}
    folder = write_run(tmp_path / "run", (7,))
    assert auto_evaluate.main(argv(tiny, folder, out, "--follow", **options)) == 4
    assert "--max-hours was reached before 1 checkpoints: 14" in capsys.readouterr().err
    assert list(rows_of(tmp_path / "out")) == [7]
    assert (tmp_path / "out" / "report.html").is_file()


def test_following_waits_for_a_training_to_begin(tiny, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    looks = iter(range(10**6))

    def look_again(seconds: float) -> None:
        if next(looks) == 3:
            shutil.copytree(run, tmp_path / "run")

    monkeypatch.setattr(checkpoints_module, "time", SimpleNamespace(sleep=look_again))
    options = argv(tiny, tmp_path / "run", tmp_path / "out", "--follow", start_eval=7, end_eval=7, step_eval=7)
    assert auto_evaluate.main(options) == 0
    assert f"waiting for a training to begin in {tmp_path / 'run'}" in capsys.readouterr().out
    assert list(rows_of(tmp_path / "out")) == [7]


def test_following_says_that_no_training_began(tiny, tmp_path, capsys):
    options = argv(tiny, tmp_path / "run", tmp_path / "out", "--follow", max_hours=1e-9)
    assert "no training had begun" in error_line(capsys, 1, auto_evaluate.main, options)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").write_text("")
    assert "is a file" in error_line(capsys, 2, auto_evaluate.main, options)


def test_following_all_ends_with_the_last_step(tiny, run, tmp_path):
    options = {"end_eval": 200, "start_eval": 1}
    assert auto_evaluate.main(argv(tiny, run, tmp_path, "--follow", "--all", **options)) == 0
    assert list(rows_of(tmp_path)) == list(STEPS)


def follow(tiny: TinySet, run: Path, out: Path, code: int, **options: object) -> list[int]:
    """Steps that a following evaluation comes to; it may not wait: a look more than there should be fails."""
    assert auto_evaluate.main(argv(tiny, run, out, "--follow", **options)) == code
    return known_steps(out)


@pytest.fixture
def impatient(monkeypatch):
    def wait(seconds: float) -> None:
        raise AssertionError("waits for what never comes")

    monkeypatch.setattr(checkpoints_module, "time", SimpleNamespace(sleep=wait))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("plan", "given", "code", "expected"),
    [
        ({"num_steps": 30, "save_pred_every": 7}, {}, 4, [7, 30]),  # 14, 21 and 28 were not kept
        ({"num_steps": 30, "save_pred_every": 30}, {}, 0, [30]),
        ({"num_steps": 30, "save_pred_every": 100}, {}, 0, [30]),  # written at the end, whatever the distance
        ({"num_steps": 30, "save_pred_every": 7}, {"end_eval": 20000, "start_eval": 30, "step_eval": 10}, 0, [30]),
        ({"num_steps": 30}, {"end_eval": 16, "start_eval": 7, "step_eval": 7}, 4, [7]),
    ],
)
def test_following_ends_with_the_run(tiny, tmp_path, plan, given, code, expected):
    run = write_run(tmp_path / "run", (7, 30))
    write_plan(run, **plan)
    assert follow(tiny, run, tmp_path / "out", code, **given) == expected


def test_following_refuses_a_range_that_the_run_never_reaches(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", (7,))
    write_plan(run, num_steps=200, save_pred_every=50)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--follow", start_eval=300))
    assert "--start-eval 300 is never reached" in line
    assert "ends with step 200" in line


def test_following_gives_up_on_a_folder_where_nothing_happens(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints_module, "POLL_SECONDS", 0.02)
    run = write_run(tmp_path / "run", (7,))
    write_plan(run, num_steps=14, save_pred_every=7)
    assert follow(tiny, run, tmp_path / "out", 4, max_idle_minutes=0.002) == [7]
    said = capsys.readouterr().err
    assert f"nothing in {run} has changed for 0.002 minutes" in said
    assert "before 1 checkpoints: 14" in said
