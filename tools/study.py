"""Compare strategies and methods on several areas and seeds: a grid of runs, and what may be said of it.

    python tools/study.py plan assets/studies/demo.toml       cells, jobs, hours, disk; what the design can show
    python tools/study.py plan assets/studies/demo.toml --time   hours from short versions, timed on this machine
    python tools/study.py run assets/studies/demo.toml        the published commands as jobs; goes on where it stopped
    python tools/study.py report assets/studies/demo.toml     scores.csv, times.csv, report.html
    python tools/study.py simulate                            how often the tests claim falsely, in drawn studies

Results lie in runs/studies/<name of the study>. Running needs Parsl: python -m pip install -r requirements-study.txt
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import study as study_options
from tools.cli.options.study import OfStudy, Settings
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> Settings:
    """What the command's options say."""
    return study_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import fnmatch
import shutil
from collections.abc import Sequence

from tools.said.command_lines import typed_again
from tools.studies.commands import Job
from tools.studies.engine import Engine, Progress, places_here, run_jobs
from tools.studies.jobs import StudyJobs, jobs_of
from tools.studies.planning import outlook, refuse_other_words, say_outlook
from tools.studies.reporting import command_of, write_report
from tools.studies.settings import ReportSettings, RunSettings, SimulationSettings, TimingSettings
from tools.studies.simulating import print_rates
from tools.studies.tables import read_results, write_tables
from tools.studies.timing.stopwatch import time_kinds
from utils.console import say
from utils.runs.files import make_folder
from utils.runs.lock import FolderLock
from utils.settings import SettingsError
from utils.studies.study_file import read_study
from utils.suggest import first_names

LEFT = 4  # exit code: ended, but some jobs failed or are left


def study(settings: Settings) -> int:
    """Plan, run, report or simulate; returns the exit code."""
    if isinstance(settings, SimulationSettings):
        print_rates(settings)
        return 0
    jobs = open_study(settings)
    if isinstance(settings, ReportSettings):
        return report(jobs, settings)
    if isinstance(settings, RunSettings):
        return run_study(jobs, settings)
    assert isinstance(settings, TimingSettings)
    return plan(jobs, settings)


def open_study(settings: OfStudy) -> StudyJobs:
    """The study's jobs, each of whose options have been read as its command would."""
    read = read_study(settings.study)
    return jobs_of(read, settings.studies_dir / read.name)


def plan(jobs: StudyJobs, settings: TimingSettings) -> int:
    """Say what the study takes, after timing what is not known yet."""
    engine, keep, failed = Engine(side_by_side=settings.jobs, threads=settings.threads), settings.keep_checkpoints, []
    if settings.time:
        failed = time_kinds(jobs, outlook(jobs, keep).commands, settings.time_limit, engine)
    say_outlook(jobs, outlook(jobs, keep), len(places_here(engine)))
    return LEFT if failed else 0


def run_study(jobs: StudyJobs, settings: RunSettings) -> int:
    """Run the jobs that are left, and write the tables."""
    left = chosen(jobs, settings.only, outlook(jobs, settings.keep_checkpoints).left)
    if settings.dry_run:
        return show(left)
    make_folder(jobs.folder)
    lock = FolderLock(jobs.folder)
    lock.acquire("give the study another name")
    try:
        shutil.copyfile(settings.study, jobs.folder / "study.toml")
        jobs.write_lists()
        keep, hours = settings.keep_checkpoints, settings.max_hours
        say(f"to run: {len(left)} of {len(jobs.jobs)} jobs; results in {jobs.folder}")
        progress = run_jobs(jobs, left, Engine(settings.config, settings.jobs, settings.threads, keep, hours))
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; the same command goes on") from error
    finally:
        lock.release()
    write_tables(jobs, read_results(jobs))
    return say_end(progress, command_of("report", jobs, settings.study))


def chosen(jobs: StudyJobs, patterns: Sequence[str], left: Sequence[Job]) -> list[Job]:
    """Jobs that are left whose names match a pattern, and those that they need.

    Raises:
        SettingsError: a pattern matches no job of the study.
    """
    if not patterns:
        return list(left)
    names: set[str] = set()
    for pattern in patterns:
        found = [job for job in jobs.jobs if fnmatch.fnmatchcase(job.name, pattern)]
        if not found:
            raise SettingsError(
                "{only} {} matches no job; they are called such as {}", pattern, first_names(j.name for j in jobs.jobs)
            )
        names |= {name for job in found for name in (job.name, *job.needs)}
    return [job for job in left if job.name in names]


def show(left: Sequence[Job]) -> int:
    """Print the commands of jobs."""
    for job in left:
        say(f"# {job.name}")
        for step in job.steps:
            say(typed_again(step.script, step.words))
    return 0


def say_end(progress: Progress, next_command: str) -> int:
    """Say what has come of the jobs, and what to do next; returns the exit code."""
    say(f"{len(progress.done)} jobs done, {len(progress.failed)} failed, {len(progress.waiting)} to be gone on with")
    if progress.failed or progress.waiting:
        say("the same command goes on with them")
        return LEFT
    say(f"next:\n\n{next_command}")
    return 0


def report(jobs: StudyJobs, settings: ReportSettings) -> int:
    """Write the tables and the page."""
    refuse_other_words(jobs)
    paths, remark = write_report(jobs, settings.study)
    if remark:
        say(f"note: {remark}")
    for path in paths:
        say(str(path))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(study, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
