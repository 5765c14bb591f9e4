"""Timing short versions of commands; what they would leave is written in their place."""

import json
from pathlib import Path

import pytest

from tests.tools.studies.conftest import leave, lists_of
from tools.studies.commands import CELL, SELECTION, Job, Step
from tools.studies.engine import Engine
from tools.studies.jobs import StudyJobs, jobs_of
from tools.studies.planning import outlook
from tools.studies.run_job import DONE, FAILED
from tools.studies.timing import stopwatch
from tools.studies.timing.rates import read_timings
from tools.studies.timing.short_versions import short_evaluation, short_selection, short_training
from tools.studies.timing.stopwatch import time_kinds
from tools.studies.timing.work import FITTED, POOLED, SCORED, STEP, Lists, options_in, work_of
from utils.runs.lock import FolderLock, FolderTakenError
from utils.studies.parts import CellRule


@pytest.fixture
def jobs(make, tmp_path):
    """A study whose lists are there."""
    jobs = jobs_of(make(seeds=(1,)), tmp_path / "study")
    lists_of(jobs, tmp_path)
    return jobs


class Timed:
    """Times a study whose commands only leave what they would leave.

    Args:
        jobs: of the study.

    Attributes:
        begun: commands that were run, each with its steps of training, and what was asked of the places.
        outcomes: exit codes or errors of commands by their title; the others end well.
    """

    def __init__(self, jobs: StudyJobs) -> None:
        self.jobs = jobs
        self.begun: list[str] = []
        self.outcomes: dict[str, int | type[BaseException]] = {}

    def __call__(self, **outcomes: int | type[BaseException]) -> list[str]:
        self.outcomes = outcomes
        self.begun.clear()
        return time_kinds(self.jobs, outlook(self.jobs, None).commands, 5.0, Engine())

    def call(self, argv: list[str]) -> int:
        """In place of a job's process."""
        file = Path(argv[2])
        raw = json.loads(file.read_text())
        steps = [Step(**{**step, **{n: Path(step[n]) for n in ("folder", "result")}}) for step in raw["steps"]]
        self.begun.append(" ".join([steps[-1].title, options_in(steps[-1].words).get("num-steps") or ""]).strip())
        (file.parent / "log.txt").write_text("error: no such weights\n")
        outcome = self.outcomes.get(steps[-1].title, DONE)
        if not isinstance(outcome, int):
            raise outcome
        for step in steps if outcome == DONE else []:
            leave(Job(raw["name"], raw["kind"], tuple(steps), ()), step, self.jobs.folder / stopwatch.FOLDER, 100.0)
        return outcome

    def end(self) -> None:
        self.begun.append("asked to end")

    def wait(self) -> None:
        self.begun.append("waited")


@pytest.fixture
def run(jobs: StudyJobs, monkeypatch: pytest.MonkeyPatch) -> Timed:
    timed = Timed(jobs)
    monkeypatch.setattr(stopwatch, "Places", lambda _: timed)
    return timed


def test_each_kind_is_timed_once_and_the_plan_knows_all_hours(jobs, run, capsys):
    assert run() == []
    assert run.begun == ["train 1", "select", "train 20", "last", "train 20", "select"]
    assert sorted(path.name for path in jobs.folder.iterdir()) == ["timings.json"]
    rates = {each.called: each for each in read_timings(jobs.folder)}
    training = rates["training s4gan on town, tiny"]
    assert (training.seconds, training.measured, training.start) == ({STEP: 1.0}, {STEP: 1}, 98.0)  # 100 s, 2 steps
    assert rates["scoring town, tiny"].seconds == {SCORED: 1.0}
    assert rates["choosing by margin of town, tiny"].seconds == {FITTED: 1.0, POOLED: 1.0}
    assert not outlook(jobs, None).time.unknown
    assert "1 s a training step (1 measured), 2 min besides" in capsys.readouterr().out
    assert run() == []
    assert run.begun == []


def test_a_failure_is_told_with_its_log_and_the_others_are_timed(jobs, run, capsys):
    (fault,) = run(last=FAILED)
    log = jobs.folder / "timing_town_east_tiny_0.5_random_supervised_seed1.log"
    assert fault == f"FAILED: error: no such weights; {log} holds what it said"
    assert log.is_file()
    assert fault in capsys.readouterr().out
    assert len(read_timings(jobs.folder)) == 4
    assert run() == []
    assert not log.exists()


def test_an_interruption_keeps_what_was_timed_and_cleans_up(jobs, run):
    with pytest.raises(KeyboardInterrupt, match="what was timed so far is kept"):
        run(last=KeyboardInterrupt)
    assert run.begun[-2:] == ["asked to end", "waited"]
    assert sorted(path.name for path in jobs.folder.iterdir()) == ["timings.json"]
    assert len(read_timings(jobs.folder)) == 2


def test_a_study_that_runs_is_not_timed(jobs, run):
    jobs.folder.mkdir()
    lock = FolderLock(jobs.folder)
    lock.acquire("")
    with pytest.raises(FolderTakenError):
        run()
    lock.release()


def test_short_versions_change_only_how_much_is_done(make, tmp_path):
    train = {"num_steps": 900, "st_start": 400, "batch_size": 6}
    rules = (CellRule({"method": "s4gan"}, {"train": {"threshold_st": 0.6}}),)
    select = {"num_epochs": 50, "include_initial_pool": True, "batch_size": 3}
    jobs = jobs_of(
        make(methods=("s4gan",), rules=rules, options={"train": train, "select": select}), tmp_path / "study"
    )
    lists_of(jobs, tmp_path, training=1000, test=100)
    lists, scratch = Lists(jobs), tmp_path / "scratch"
    cell = next(job for job in jobs.jobs if job.kind == CELL)
    short = short_training(cell, scratch / "run")
    assert {"--batch-size 6", "--num-steps 20", "--labeled-ratio 0.5"} <= pairs(short.words)
    assert not {"st-start", "active-learning", "val-list"} & options_in(short.words).keys()
    score = short_evaluation(cell.steps[1], scratch / "run", scratch / "last", lists)
    assert "all" in options_in(score.words)
    names = (scratch / "last.txt").read_text().split()
    assert (len(names), names[0], names[-1]) == (32, "tile0", "tile96")
    assert work_of(Job("x", CELL, (short, score), ()), score, lists) == {SCORED: 2 * 32 + 32}
    selection = next(job for job in jobs.jobs if job.kind == SELECTION)
    chosen = short_selection(selection, scratch / "choice", lists)
    assert {"--batch-size 3", "--num-epochs 1", "--budget 64"} <= pairs(chosen.words)
    assert work_of(selection, chosen, lists) == {FITTED: 64 + 96, POOLED: 192 + 160}


def pairs(words: tuple[str, ...]) -> set[str]:
    return {f"--{name} {value}" for name, value in options_in(words).items()}


def test_a_busy_machine_is_said(monkeypatch, capsys):
    monkeypatch.setattr(stopwatch, "usable_cores", lambda: 2)
    for load, said in ((0.5, ""), (7.0, "note: the machine is busy (load 7.0 on 2 cores)")):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        stopwatch.say_load()
        found = capsys.readouterr().out
        assert found.startswith(said)
        assert bool(found) == bool(said)


def test_without_its_lists_nothing_is_run(jobs, run, tmp_path):
    for path in tmp_path.glob("*east.txt"):
        path.unlink()
    faults = run()
    assert len(faults) == 5
    assert all("prepare the data set as the study's file says" in fault for fault in faults)
    assert run.begun == []
