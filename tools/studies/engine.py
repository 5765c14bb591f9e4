"""Running the jobs of a study with Parsl: on this machine side by side, or where a configuration file says.

Each job is a process of its own (`tools/studies/run_job.py`). On this machine each gets cores, or a GPU, of its own;
elsewhere Parsl pins what it starts. What keeps two writers apart is the lock of a job's folder, not this process: when
it is killed, its jobs save and end, and a study that is started meanwhile waits for them.
"""

import os
import queue
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.studies.commands import Job
from tools.studies.jobs import StudyJobs
from tools.studies.planning import is_done
from tools.studies.run_job import DONE, JOB, LOG, NOT_YET
from utils.compute.machine import ask_gpus, usable_cores
from utils.console import say
from utils.errors import OptionError
from utils.runs.files import make_folder, write_json

RUNNER = Path(__file__).with_name("run_job.py")
Launch = Callable[[list[str]], "Future[int]"]


@dataclass(frozen=True)
class Engine:
    """Where jobs run.

    Attributes:
        config: Python file that makes Parsl's `config`; None: this machine.
        side_by_side: jobs at a time on this machine; None: one for each GPU, or else for every two cores.
        threads: of each job's computations; None: an equal share of the cores.
        keep: which checkpoints stay once a cell is scored; None: all.
        max_hours: after this time jobs save and end, and no others begin; None: no limit.
    """

    config: Path | None = None
    side_by_side: int | None = None
    threads: int | None = None
    keep: str | None = None
    max_hours: float | None = None


@dataclass
class Progress:
    """What has come of the jobs so far.

    Attributes:
        total: jobs that were to be run.
        done, failed, waiting: names of those that have ended well, badly, and of those that were interrupted.
    """

    total: int
    done: list[str]
    failed: list[str]
    waiting: list[str]


def run_jobs(jobs: StudyJobs, chosen: Sequence[Job], engine: Engine) -> Progress:
    """Run jobs, each after those that it needs.

    Args:
        jobs: of the study.
        chosen: those to run; what is done already is not repeated.
        engine: where.

    Raises:
        OptionError: Parsl is not installed, or its configuration cannot be used.
    """
    for job in chosen:
        write_job(job, jobs.folder)
    progress = Progress(len(chosen), [], [], [])
    deadline = None if engine.max_hours is None else time.time() + 3600 * engine.max_hours
    with launching(engine) as launch:
        _schedule(jobs, list(chosen), lambda job: launch(_words(job, jobs.folder, deadline, engine.keep)), progress)
    return progress


def write_job(job: Job, folder: Path) -> Path:
    """Write what a job is into its folder below another one; returns the file's path."""
    path = folder / job.name / JOB
    make_folder(path.parent)
    steps = [{name: _plain(value) for name, value in asdict(step).items()} for step in job.steps]
    write_json(path, {"version": 1, "name": job.name, "kind": job.kind, "steps": steps})
    return path


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value)


def process_of(file: Path) -> list[str]:
    """The command that runs the job of a file."""
    return [sys.executable, str(RUNNER), str(file.resolve())]


def _words(job: Job, folder: Path, deadline: float | None, keep: str | None) -> list[str]:
    """The command of a job's process."""
    words = process_of(folder / job.name / JOB)
    words += [] if deadline is None else ["--deadline", f"{deadline:.0f}"]
    return words + (["--keep", keep] if keep else [])


def _schedule(jobs: StudyJobs, left: list[Job], start: Callable[[Job], "Future[int]"], progress: Progress) -> None:
    """Start each job once those it needs are done, and say what comes of it."""
    running: dict[Future[int], Job] = {}
    done = {job.name for job in jobs.jobs if is_done(job, jobs.folder)}
    while left or running:
        running |= {start(job): job for job in left if set(job.needs) <= done}
        left = [job for job in left if not set(job.needs) <= done]
        if not running:
            progress.waiting += [job.name for job in left]  # what they need has not ended well
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            _note(running.pop(future), future, jobs.folder, progress)
        done |= set(progress.done)


def _note(job: Job, future: "Future[int]", folder: Path, progress: Progress) -> None:
    """Say what has come of a job."""
    try:
        code: int | str = future.result()
    except Exception as error:  # Parsl's own: a lost worker, a queue that refused
        code = f"{type(error).__name__}: {error}"
    ended = len(progress.done) + len(progress.failed) + len(progress.waiting) + 1
    place = f"{ended}/{progress.total}"
    if code == DONE:
        progress.done.append(job.name)
        say(f"{place} done    {job.name}")
    elif code == NOT_YET:
        progress.waiting.append(job.name)
        say(f"{place} to be gone on with  {job.name}")
    else:
        progress.failed.append(job.name)
        log = folder / job.name / LOG
        say(f"{place} FAILED  {job.name}: {last_line(log) if code == 1 else code}; {log} holds what it said")


def last_line(path: Path) -> str:
    """The last line that a job's log holds."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


# --- Parsl ------------------------------------------------------------------------------------------------------------


@contextmanager
def launching(engine: Engine) -> Iterator[Launch]:
    """For the time of a block, what starts a process through Parsl and promises its exit code."""
    parsl = _import_parsl()
    here = Places(engine) if engine.config is None else None
    scripts = str(Path(sys.executable).parent)  # Parsl calls its own by name, also where no environment is activated
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    try:
        parsl.load(here.config() if here is not None else _config_of(engine.config))
    except OptionError:
        raise
    except Exception as error:  # whatever a configuration of one's own may do
        raise OptionError(f"Parsl could not be started with {engine.config or 'threads'}: {error}") from error
    try:
        yield parsl.python_app(subprocess.call if here is None else here.call)
    except BaseException:
        if here is not None:
            here.end()
        raise
    finally:
        with suppress(Exception):  # while it is interrupted
            parsl.dfk().cleanup()
        parsl.clear()


def _import_parsl() -> Any:
    try:
        import parsl
    except ImportError as error:
        raise OptionError(
            "running a study needs Parsl; install it: python -m pip install -r requirements-study.txt"
        ) from error
    return parsl


def _config_of(path: Path | None) -> Any:
    """Parsl as a file configures it; it pins what it starts."""
    try:
        return runpy.run_path(str(path))["config"]
    except KeyError as error:
        raise OptionError(f"{path} makes no `config`; assign a parsl.Config to that name") from error
    except Exception as error:
        raise OptionError(f"{path} cannot be run ({type(error).__name__}: {error})") from error


class Places:
    """The places of this machine that jobs run in side by side: each has cores or a GPU of its own.

    Args:
        engine: how many.
    """

    def __init__(self, engine: Engine) -> None:
        self._free: queue.Queue[list[str]] = queue.Queue()
        for place in places_here(engine):
            self._free.put(place)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_over = False

    def config(self) -> Any:
        """Parsl's threads, each of which waits for a process."""
        from parsl import Config
        from parsl.executors import ThreadPoolExecutor

        logs = tempfile.mkdtemp(prefix="study-parsl-")
        return Config(executors=[ThreadPoolExecutor(label="here", max_threads=self._free.qsize())], run_dir=logs)

    def call(self, argv: list[str]) -> int:
        """Run a process in a free place; returns its exit code."""
        place = self._free.get()
        try:
            if self._is_over:
                return NOT_YET
            child = subprocess.Popen([*argv, "--study-process", str(os.getpid()), *place], start_new_session=True)
            self._running.add(child)
            code = child.wait()
            self._running.discard(child)
            return code
        finally:
            self._free.put(place)

    def end(self) -> None:
        """Ask all processes to save and end; no other begins."""
        self._is_over = True
        for child in list(self._running):
            child.terminate()

    def wait(self) -> None:
        """Wait until all processes have ended."""
        for child in list(self._running):
            child.wait()


def places_here(engine: Engine) -> list[list[str]]:
    """Options of `run_job.py` for each of the jobs that run side by side on this machine."""
    gpus, cores = _gpus(), _cores()
    count = engine.side_by_side or (len(gpus) if gpus else max(1, len(cores) // 2))
    places = []
    for place in range(count):
        own = cores[place * len(cores) // count : (place + 1) * len(cores) // count] or [cores[place % len(cores)]]
        words = ["--cores", ",".join(map(str, own)), "--threads", str(engine.threads or len(own))]
        places.append(words + (["--gpu", gpus[place % len(gpus)]] if gpus else []))
    return places


def _cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))[: usable_cores()]
    return list(range(usable_cores()))


def _gpus() -> list[str]:
    """GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [gpu for gpu in visible.split(",") if gpu and gpu != "-1"]
    return ask_gpus("index")
