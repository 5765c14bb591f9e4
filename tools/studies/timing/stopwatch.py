"""Timing a study on this machine: a short version of each kind of command, in a folder that is removed afterwards.

Short versions are the published commands with the study's own options, but for what says how much is done: some
training steps, some tiles scored, some rounds of choosing. What they take is kept in `timings.json`, from which
`tools/studies/timing/hours.py` extrapolates. They run one after the other, in the place of one job.
"""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tools.studies.commands import Job, Step
from tools.studies.engine import Engine, Places, last_line, process_of, write_job
from tools.studies.jobs import StudyJobs, jobs_of
from tools.studies.run_job import FAILED, LOG, read_state
from tools.studies.timing.hours import Command, kinds_needed, like, say_rates, seconds_of_ended
from tools.studies.timing.rates import Rates, pace_of, read_timings, write_timings
from tools.studies.timing.short_versions import short_evaluation, short_pretraining, short_selection, short_training
from tools.studies.timing.work import (
    EVALUATE,
    PRETRAIN,
    SELECT,
    TRAIN,
    Kind,
    Lists,
    in_words,
    kind_of,
    options_in,
    work_of,
)
from utils.compute.machine import this_machine, usable_cores
from utils.console import say
from utils.errors import OptionError
from utils.runs.files import make_folder
from utils.runs.lock import FolderLock
from utils.studies.words import counted

FOLDER = "timing"  # in the study's folder, as long as it goes on


def time_kinds(jobs: StudyJobs, left: Sequence[Command], minutes: float, engine: Engine) -> list[str]:
    """Time a short version of each kind of command of which none has ended and that was not timed here before.

    Args:
        jobs: of the study.
        left: commands that are not done.
        minutes: after which a short version is asked to end; what it has logged by then counts.
        engine: as jobs are run.

    Returns:
        What failed, in words.

    Raises:
        KeyboardInterrupt: what was timed before is kept.
    """
    make_folder(jobs.folder)
    lock = FolderLock(jobs.folder)
    lock.acquire("give the study another name")  # a study that runs meanwhile would take the time of both
    scratch = jobs.folder / FOLDER
    try:
        for path in [scratch, *jobs.folder.glob(f"{FOLDER}_*.log")]:  # of earlier attempts
            _remove(path)
        return Stopwatch(jobs, scratch, minutes, engine).measure(kinds_to_time(jobs, left))
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; what was timed so far is kept, the same command goes on") from error
    finally:
        _remove(scratch)
        lock.release()


def say_load() -> None:
    """Say so where other work takes the machine's time: what is measured then is too long."""
    with suppress(AttributeError, OSError):  # Windows tells none
        load, cores = os.getloadavg()[0], usable_cores()
        if load > cores / 2:
            say(f"note: the machine is busy (load {load:.1f} on {counted(cores, 'core')}): hours will seem too many")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def kinds_to_time(jobs: StudyJobs, left: Sequence[Command]) -> list[Kind]:
    """Kinds whose rates are needed and not known, in the order of the commands; evaluations after trainings."""
    ended = seconds_of_ended(jobs)
    needed = [kind for job, step in left if like(job, step) not in ended for kind in kinds_needed(job, step)]
    here = this_machine()
    known = {each.kind for each in read_timings(jobs.folder) if each.machine == here}
    return [kind for kind in dict.fromkeys(needed) if kind not in known]


class Stopwatch:
    """Runs short versions of commands and keeps what they took.

    Args:
        jobs: of the study.
        scratch: folder that they work in.
        minutes: of one at most.
        engine: as jobs are run.
    """

    def __init__(self, jobs: StudyJobs, scratch: Path, minutes: float, engine: Engine) -> None:
        self.folder, self.minutes, self._scratch = jobs.folder, minutes, scratch
        self._jobs = jobs_of(jobs.study, scratch)  # the same commands in another folder
        self._jobs.write_lists()
        self._lists, self._places = Lists(self._jobs), Places(engine)
        self._filled: set[str] = set()

    def measure(self, kinds: Sequence[Kind]) -> list[str]:
        """Time kinds one after the other; returns what failed, in words."""
        failed = []
        if kinds:
            say_load()
        for number, kind in enumerate(kinds, start=1):
            job, step = next((j, s) for j in self._jobs.jobs for s in j.steps if kind_of(j, s) == kind)
            say(f"timing {number} of {len(kinds)}: {in_words(job, step)}")
            try:
                fault = self._time(job, step, kind)
            except OptionError as error:  # the data set is not prepared yet
                fault = str(error)
            if fault is not None:
                failed.append(fault)
                say(f"  {fault}")
        return failed

    def _time(self, job: Job, step: Step, kind: Kind) -> str | None:
        """Time a short version of a command; returns what went wrong, or None.

        Raises:
            OptionError: a list is not there.
        """
        short = self._short(job, step)
        self._lists.length(Path(options_in(step.words)["data-list"] or ""))
        self._fill_cache(job, kind.data)
        code = self._run(short)
        if code == FAILED:
            log = self.folder / f"{FOLDER}_{short.name.replace('/', '_')}.log"
            shutil.copyfile(self._scratch / short.name / LOG, log)
            return f"FAILED: {last_line(log)}; {log} holds what it said"
        record, command = read_state(self._scratch / short.name).get(step.title, {}), short.steps[-1]
        done = work_of(short, command, self._lists) if record.get("done") else None
        pace = pace_of(short, command, self._lists, done)
        if not pace.seconds:
            return f"nothing was measured in {self.minutes:g} minutes; --time-limit gives it more"
        start = pace.rest(float(record.get("seconds", 0.0)))
        rates = Rates(
            kind,
            in_words(job, step),
            start,
            pace.seconds,
            pace.measured,
            this_machine(),
            time.strftime("%Y-%m-%d %H:%M:%S"),
        )
        write_timings(self.folder, [*read_timings(self.folder), rates])
        say(f"  {say_rates(rates)}")
        return None

    def _fill_cache(self, job: Job, data: str) -> None:
        """Let a training of one step decode the tiles of a data set once, as the first job of the study would.

        Its outcome does not matter: what is wrong with the data set is wrong with what is timed next, which says so.
        """
        if data not in self._filled:
            self._filled.add(data)
            say(f"  first the tiles of {data} are decoded, which is not counted")
            cell = next(
                each for each in self._jobs.jobs if each.cells[0].data == data and each.steps[0].script == TRAIN
            )
            folder = self._scratch / f"fill-{data}"
            self._run(Job(folder.name, cell.kind, (short_training(cell, folder / "run", 1),), cell.cells))
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, short: Job) -> int:
        """Run a short job; returns its exit code."""
        file = write_job(short, self._scratch)
        try:
            return self._places.call([*process_of(file), "--deadline", f"{time.time() + 60 * self.minutes:.0f}"])
        except BaseException:
            self._places.end()
            self._places.wait()
            raise

    def _short(self, job: Job, step: Step) -> Job:
        """A job of the short version of a command; an evaluation comes after the training that it scores."""
        folder = self._scratch / job.name
        if step.script == PRETRAIN:
            return Job(job.name, job.kind, (short_pretraining(step, folder / "run", self._lists),), job.cells)
        if step.script == SELECT:
            return Job(job.name, job.kind, (short_selection(job, folder / "choice", self._lists),), job.cells)
        steps = [short_training(job, folder / "run")]
        if step.script == EVALUATE:
            steps.append(short_evaluation(step, steps[0].folder, folder / step.title, self._lists))
        return Job(job.name, job.kind, tuple(steps), job.cells)
