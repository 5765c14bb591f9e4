"""Hours of a study: by like commands that have ended, else by rates."""

from dataclasses import replace

import pytest

from tests.tools.studies.conftest import leave, lists_of
from tools.studies.commands import CELL, SELECTION
from tools.studies.jobs import jobs_of
from tools.studies.planning import outlook
from tools.studies.timing.hours import hours_in_words, kinds_needed
from tools.studies.timing.rates import Rates, read_timings, write_timings
from tools.studies.timing.work import FITTED, POOLED, SCORED, STEP, Lists, kind_of, work_of
from utils.compute.machine import this_machine
from utils.errors import DataError


def test_like_commands_that_have_ended_say_the_hours(make, tmp_path):
    jobs = jobs_of(make(seeds=(1, 2, 3)), tmp_path / "study")
    ahead = outlook(jobs, None)
    assert (len(ahead.done), len(ahead.left), ahead.time.total) == (0, len(jobs.jobs), None)
    said = "\n".join(hours_in_words(ahead.time, 1))
    assert "not known of choosing by random of town, tiny; training supervised on town, tiny" in said
    assert "plan --time" in said
    for job in jobs.jobs[:6]:
        for step in job.steps:
            leave(job, step, jobs.folder, 36.0)
    ahead = outlook(jobs, None)
    assert len(ahead.done) == 6
    assert ahead.time.total == pytest.approx(sum(len(job.steps) for job in ahead.left) / 100)
    lines = list(hours_in_words(ahead.time, 2))
    assert (
        lines[0]
        == f"hours: {ahead.time.total:.1f} one after the other, about {ahead.time.total / 2:.1f} with 2 at a time"
    )
    assert lines[1].endswith("commands: measured on 10 ended commands of the same kinds")
    assert ahead.disk > outlook(jobs, "best").disk > outlook(jobs, "none").disk == 0


def test_what_commands_have_to_do(make, tmp_path):
    select = {"num_epochs": 3, "alpha": 0.5, "beta": 0.5}
    jobs = jobs_of(make(options={"train": {"num_steps": 40}, "select": select}), tmp_path / "study")
    selection = next(job for job in jobs.jobs if job.kind == SELECTION)
    cell = next(job for job in jobs.jobs if job.kind == CELL)
    assert work_of(cell, cell.steps[1], Lists(jobs)) is None  # without its lists
    lists_of(jobs, tmp_path)
    found = Lists(jobs)
    # 4 of 8 are asked for, one at a time, after an initial pool of 2; so 2, 3, 4 and 5 tiles are fitted, three times
    assert work_of(selection, selection.steps[0], found) == {FITTED: 3 * (2 + 3 + 4 + 5), POOLED: 6 + 5 + 4 + 3}
    assert work_of(cell, cell.steps[0], found) == {STEP: 40, SCORED: 0}
    assert work_of(cell, cell.steps[1], found) == {SCORED: 2 * 4}  # the score, and its confidence


def test_validation_counts(make, tmp_path):
    study = make(options={"train": {"num_steps": 40, "eval_every": 15, "save_pred_every": 10}})
    areas = tuple(replace(area, val=area.test) for area in study.data[0].areas)
    jobs = jobs_of(replace(study, data=(replace(study.data[0], areas=areas),)), tmp_path / "study")
    lists_of(jobs, tmp_path)
    cell = next(job for job in jobs.jobs if job.kind == CELL)
    train, best, last = cell.steps
    assert work_of(cell, train, Lists(jobs)) == {STEP: 40, SCORED: 3 * 4}
    assert work_of(cell, best, Lists(jobs)) == {SCORED: 4 * 4 + 4 + 8}  # each checkpoint, the test list, both again
    assert kinds_needed(cell, train) == [kind_of(cell, train), kind_of(cell, best)]
    assert kind_of(cell, best) == kind_of(cell, last)


def test_hours_by_rates(make, tmp_path):
    """An interrupted training and an ended evaluation and selection of other cells say what the rest takes."""
    jobs = jobs_of(
        make(strategies=("random",), methods=("supervised",), rules=(), ratios=(), counts=(2, 4)), tmp_path / "study"
    )
    lists_of(jobs, tmp_path)
    first = jobs.jobs[0]
    leave(first, first.steps[0], jobs.folder, 99.0, done=False)
    leave(first, first.steps[1], jobs.folder, 8.0)
    time = outlook(jobs, None).time
    trainings, evaluations = 8, 7
    assert not time.unknown
    assert (time.by_ended, time.extrapolated) == (3, trainings + evaluations - 3)  # evaluations with 2 labels; the rest
    assert time.seconds == pytest.approx(trainings * 40 * 1.0 + 3 * 8.0 + (evaluations - 3) * 8 * 1.0)
    said = "\n".join(hours_in_words(time, 1))
    assert "12 commands: extrapolated from rates on box; hours on other machines are unmeasured" in said
    assert "training supervised on town, tiny: 1 s a training step (1 measured), 0 s besides" in said


def test_rates_of_this_machine_win_and_start_up_counts(make, tmp_path):
    jobs = jobs_of(make(strategies=("random",), methods=("supervised",), rules=()), tmp_path / "study")
    lists_of(jobs, tmp_path)
    job = jobs.jobs[0]
    train, score = (kind_of(job, step) for step in job.steps)
    rates = [
        Rates(train, "training", 10.0, {STEP: 0.5}, {STEP: 15}, this_machine(), ""),
        Rates(score, "scoring", 3.0, {SCORED: 0.25}, {SCORED: 32}, this_machine(), ""),
        Rates(train, "training", 99.0, {STEP: 9.0}, {STEP: 15}, "another", ""),
    ]
    jobs.folder.mkdir()
    write_timings(jobs.folder, rates)
    assert read_timings(jobs.folder) == rates
    assert outlook(jobs, None).time.seconds == pytest.approx(4 * (10 + 40 * 0.5 + 3 + 8 * 0.25))
    write_timings(jobs.folder, rates[2:])
    assert len(outlook(jobs, None).time.unknown) == 4  # nobody timed scoring
    (jobs.folder / "timings.json").write_text('{"rates": [{}]}')
    with pytest.raises(DataError, match=r"timings\.json holds no rates"):
        read_timings(jobs.folder)


def test_another_batch_size_is_another_kind(make, tmp_path):
    kinds = set()
    for size in (4, 8):
        (job, *_) = jobs_of(make(strategies=("random",), options={"train": {"batch_size": size}}), tmp_path / "s").jobs
        kinds.add(kind_of(job, job.steps[0]))
    assert len(kinds) == 2
