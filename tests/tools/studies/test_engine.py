"""Which job begins when, and where; Parsl itself is stood in for by threads."""

import json
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.studies import engine
from tools.studies.commands import CELL, SELECTION, Job, Step
from tools.studies.engine import Engine, Places, places_here, run_jobs
from tools.studies.jobs import StudyJobs
from tools.studies.run_job import DONE, NOT_YET, write_state
from utils.errors import OptionError
from utils.studies.cells import Cell
from utils.studies.parts import FoldSettings, StudyData, StudyNetwork
from utils.studies.settings import StudySettings

CELLS = [Cell("town", "a", "tiny", "n1", strategy, "supervised", 1) for strategy in ("random", "margin")]


@pytest.fixture
def jobs(tmp_path):
    """Two selections and two cells, one for each."""

    def job(name: str, kind: str, cell: Cell, *needs: str) -> Job:
        return Job(name, kind, (Step("select", "x.py", ("--a", "1"), tmp_path, tmp_path / "x"),), (cell,), needs)

    listed = []
    for cell in CELLS:
        listed.append(job(f"selections/{cell.strategy}", SELECTION, cell))
        listed.append(job(cell.name, CELL, cell, f"selections/{cell.strategy}"))
    network = StudyNetwork("tiny", "tiny")
    data = StudyData("town", "custom", tmp_path, folds=FoldSettings())
    study = StudySettings("small", (data,), ("random", "margin"), ("supervised",), (network,), (1,), counts=(1,))
    return StudyJobs(study, tmp_path / "study", {}, {}, CELLS, listed)


def stand_in(monkeypatch, codes: dict[str, int]) -> list[str]:
    """Threads in place of Parsl, whose processes end with these codes; returns the names of jobs as they begin."""
    begun: list[str] = []

    @contextmanager
    def launching(_: Engine):
        with ThreadPoolExecutor(1) as pool:

            def launch(argv: list[str]) -> Future[int]:
                file = Path(argv[2])
                name = json.loads(file.read_text())["name"]
                begun.append(name)
                code = codes.get(name, DONE)
                if code == DONE:
                    write_state(file.parent, {"select": {"done": True, "words": ["--a", "1"]}})
                return pool.submit(lambda: code)

            yield launch

    monkeypatch.setattr(engine, "launching", launching)
    return begun


def test_each_job_begins_once_what_it_needs_is_done(jobs, monkeypatch, capsys):
    begun = stand_in(monkeypatch, {})
    progress = run_jobs(jobs, jobs.jobs, Engine())
    assert sorted(begun) == sorted(job.name for job in jobs.jobs)
    for job in jobs.jobs:
        assert all(begun.index(need) < begun.index(job.name) for need in job.needs)
    assert (len(progress.done), progress.failed, progress.waiting) == (4, [], [])
    assert "4/4 done" in capsys.readouterr().out


def test_what_needs_a_failed_job_waits_and_the_others_go_on(jobs, monkeypatch, capsys):
    begun = stand_in(monkeypatch, {"selections/random": 1})
    progress = run_jobs(jobs, jobs.jobs, Engine())
    assert CELLS[0].name not in begun
    assert (progress.failed, progress.waiting) == (["selections/random"], [CELLS[0].name])
    assert "FAILED  selections/random: it said nothing" in capsys.readouterr().out


def test_what_was_interrupted_is_gone_on_with_later(jobs, monkeypatch):
    stand_in(monkeypatch, {CELLS[1].name: NOT_YET})
    progress = run_jobs(jobs, jobs.jobs, Engine())
    assert progress.waiting == [CELLS[1].name]


def test_without_parsl_the_message_says_how_to_get_it(jobs, monkeypatch):
    monkeypatch.setitem(sys.modules, "parsl", None)
    with pytest.raises(OptionError, match=r"requirements-study\.txt"):
        run_jobs(jobs, jobs.jobs, Engine())


def test_jobs_side_by_side_share_the_cores(monkeypatch):
    monkeypatch.setattr(engine, "_cores", lambda: [0, 1, 2, 3, 4, 5])
    monkeypatch.setattr(engine, "_gpus", lambda: [])
    assert [place[1] for place in places_here(Engine())] == ["0,1", "2,3", "4,5"]
    assert [place[3] for place in places_here(Engine(side_by_side=2))] == ["3", "3"]
    assert [place[1] for place in places_here(Engine(side_by_side=7))] == ["0"] + [str(n) for n in range(6)]
    monkeypatch.setattr(engine, "_gpus", lambda: ["2", "3"])
    assert [place[-2:] for place in places_here(Engine())] == [["--gpu", "2"], ["--gpu", "3"]]


def test_gpus_are_those_that_were_lent(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-ab")
    assert engine._gpus() == ["1", "GPU-ab"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert engine._gpus() == []


def test_an_end_ends_what_runs_and_nothing_else_begins(monkeypatch):
    monkeypatch.setattr(engine, "_gpus", lambda: [])
    places = Places(Engine(side_by_side=1))
    script = "import sys, time; print(sys.argv[1:]); time.sleep(60)"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(places.call, [sys.executable, "-c", script])
        while not places._running:
            pass
        places.end()
        assert running.result(timeout=30) != 0
    assert places.call([sys.executable, "-c", ""]) == NOT_YET


def test_a_configuration_that_cannot_be_used(tmp_path):
    path = tmp_path / "slurm.py"
    path.write_text("x = 1")
    with pytest.raises(OptionError, match="makes no `config`"):
        engine._config_of(path)
    path.write_text("config = no_such_name")
    with pytest.raises(OptionError, match="cannot be run"):
        engine._config_of(path)


def test_parsl_runs_processes_side_by_side(monkeypatch):
    pytest.importorskip("parsl")  # of requirements-study.txt
    monkeypatch.setattr(engine, "_gpus", lambda: [])
    script = "import sys; sys.exit(int(sys.argv[1]))"
    with engine.launching(Engine(side_by_side=2)) as launch:
        futures = [launch([sys.executable, "-c", script, str(code)]) for code in (0, 75, 1)]
        assert [future.result(timeout=60) for future in futures] == [0, 75, 1]
