"""One job of a study: its commands, one after the other, each from where it was interrupted.

    python tools/studies/run_job.py runs/studies/demo/<cell>/job.json [--deadline SECONDS] [--study-process N] ...

`tools/study.py run` starts it, on this machine or through a queue. What a job is stands in job.json; what has been done
of it in state.json, what its commands said in log.txt, all in the job's folder. The folder is locked by this process
and by the command it runs: if this one is killed, nobody else begins before that command has ended.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # repository root: data, model, utils

from utils.compute.machine import this_machine
from utils.errors import UserError
from utils.runs.files import read_json, write_json
from utils.runs.lock import FolderLock, FolderTakenError, has_ended

JOB, STATE, LOG = "job.json", "state.json", "log.txt"
DONE, FAILED, NOT_YET = 0, 1, 75  # exit codes; 75 is EX_TEMPFAIL: the same again goes on
KEEP = ("best", "last", "none")  # which checkpoints stay once a cell is scored
_STATES = {"pretrain": "last.pth", "select": "state.pth"}  # what a command resumes from
_POLL = 0.5  # seconds


@dataclass(frozen=True)
class Conditions:
    """How a job is run.

    Attributes:
        deadline: time in seconds since 1970 at which its command is asked to save and end; None: none.
        study_process: of this machine; when it has ended, the job does likewise; None: it does not matter.
        threads: of a command's computations; None: as it chooses.
        cores: that the job may use; empty: all.
        gpu: that it may use; None: all, or as the queue says.
        keep: which checkpoints stay, of `KEEP`; None: all.
    """

    deadline: float | None = None
    study_process: int | None = None
    threads: int | None = None
    cores: tuple[int, ...] = ()
    gpu: str | None = None
    keep: str | None = None


class JobRun:
    """A job at work.

    Args:
        file: its job.json.
        conditions: how it is run.
    """

    def __init__(self, file: Path, conditions: Conditions) -> None:
        self.folder, self.conditions = file.parent, conditions
        self.job = read_json(file)
        self.is_ended = False  # by a signal
        self._lock = FolderLock(self.folder)

    def run(self) -> int:
        """Do what is left of the job; returns `DONE`, `FAILED` or `NOT_YET`."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, self._note)
        if not self._acquire():
            return NOT_YET
        try:
            for step in self.job["steps"]:
                if (code := self._do(step)) != DONE:
                    return code
            if self.conditions.keep is not None:
                keep_checkpoints(self.folder / "run", self.conditions.keep, chosen_step(self.folder / "best"))
            return DONE
        finally:
            self._lock.release()

    def _note(self, *_: object) -> None:
        self.is_ended = True

    def _acquire(self) -> bool:
        """Wait for the folder's lock, which a command of an earlier study may still hold."""
        while not self._has_to_end():
            with suppress(FolderTakenError):
                self._lock.acquire("wait")
                return True
            time.sleep(_POLL)
        return False

    def _has_to_end(self) -> bool:
        end, study = self.conditions.deadline, self.conditions.study_process
        return self.is_ended or (end is not None and time.time() >= end) or (study is not None and has_ended(study))

    def _do(self, step: Mapping[str, Any]) -> int:
        """Run a command unless it is done already."""
        state = read_state(self.folder)
        done = state.get(step["title"], {})
        if done.get("done"):
            return DONE
        if self._has_to_end():
            return NOT_YET
        record = {"words": step["words"], "attempts": done.get("attempts", 0) + 1, "seconds": done.get("seconds", 0.0)}
        write_state(self.folder, state | {step["title"]: record})
        words = [*step["words"], *how_to_go_on(step["title"], Path(step["folder"]))]
        started = time.perf_counter()
        code, was_asked = self._command([sys.executable, str(ROOT / "tools" / step["script"]), *words])
        is_done = code in (0, 4) and Path(step["result"]).exists()  # 4: finished, but something was left out
        record |= {
            "seconds": round(record["seconds"] + time.perf_counter() - started, 2),
            "ended": time.strftime("%Y-%m-%d %H:%M:%S"),
            "machine": this_machine(self.conditions.gpu),
            "exit_code": code,
            "done": is_done,
        }
        write_state(self.folder, state | {step["title"]: record})
        return DONE if is_done else NOT_YET if was_asked else FAILED

    def _command(self, argv: Sequence[str]) -> tuple[int, bool]:
        """Run a command; returns its exit code, and whether it was asked to end."""
        held = self._lock.descriptor
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(argv)}\n")
            log.flush()
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                pass_fds=() if held is None or sys.platform == "win32" else (held,),
            )
            return self._wait(child, log)

    def _wait(self, child: "subprocess.Popen[bytes]", log: IO[str]) -> tuple[int, bool]:
        was_asked = False
        while True:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(_POLL), was_asked
            if self._has_to_end() and not was_asked:
                was_asked = True
                log.write("study: time is over, or the study has ended: the command is asked to save and end\n")
                log.flush()
                child.terminate()

    def _environment(self) -> dict[str, str]:
        given = dict(os.environ)
        if self.conditions.threads is not None:
            given["OMP_NUM_THREADS"] = given["MKL_NUM_THREADS"] = str(self.conditions.threads)
        if self.conditions.gpu is not None:
            given["CUDA_VISIBLE_DEVICES"] = self.conditions.gpu
        return given


def read_state(folder: Path) -> dict[str, Any]:
    """What has been done of the job in a folder, by the titles of its steps."""
    path = folder / STATE
    return dict(read_json(path)["steps"]) if path.is_file() else {}


def write_state(folder: Path, steps: Mapping[str, Any]) -> None:
    """Write state.json."""
    write_json(folder / STATE, {"version": 1, "steps": dict(steps)})


def how_to_go_on(title: str, folder: Path) -> list[str]:
    """Options with which a command takes up what an earlier attempt left in its folder."""
    if not (folder / "options.json").is_file():
        return []
    if title == "train":  # killed between the first checkpoint and the first state, a run begins anew
        can_resume = (folder / "last.pth").is_file() or not any(folder.glob("*.pth"))
    else:
        can_resume = title in _STATES and (folder / _STATES[title]).is_file()
    return ["--resume" if can_resume else "--overwrite"]


def chosen_step(results: Path) -> int | None:
    """Step of the checkpoint that an evaluation chose; None where it did not."""
    path = results / "summary.json"
    return int(read_json(path)["chosen"]["step"]) if path.is_file() else None


def keep_checkpoints(run: Path, keep: str, chosen: int | None = None) -> None:
    """Remove the checkpoints of a run that has been scored, but for the best or the last one.

    Args:
        run: its folder.
        keep: of `KEEP`. The best one is `best.pth` where the training made it, else the chosen one, else the last.
        chosen: step of the checkpoint that the scoring chose; None: nothing chose one.
    """
    steps = {
        path: int(re.sub(r"\D.*", "", path.stem.removeprefix("checkpoint"))) for path in run.glob("checkpoint*.pth")
    }
    kept = -1
    if keep == "last" or (keep == "best" and not (run / "best.pth").is_file()):
        kept = max(steps.values(), default=-1)
        if keep == "best" and chosen is not None and chosen in steps.values():
            kept = chosen
    for path, step in steps.items():
        if step != kept:
            path.unlink(missing_ok=True)
    for name in ("last.pth",) if keep == "best" else ("last.pth", "best.pth"):
        (run / name).unlink(missing_ok=True)


def parse_args(argv: Sequence[str] | None = None) -> tuple[Path, Conditions]:
    """The job and how it is run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path)
    parser.add_argument("--deadline", type=float)
    parser.add_argument("--study-process", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cores", type=lambda text: tuple(map(int, text.split(","))), default=())
    parser.add_argument("--gpu")
    parser.add_argument("--keep", choices=KEEP)
    options = vars(parser.parse_args(argv))
    return options.pop("job"), Conditions(**options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a job; returns its exit code."""
    file, conditions = parse_args(argv)
    if conditions.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, conditions.cores)
    try:
        return JobRun(file, conditions).run()
    except UserError as error:
        with (file.parent / LOG).open("a", encoding="utf-8") as log:
            log.write(f"error: {error}\n")
        return FAILED


if __name__ == "__main__":
    raise SystemExit(main())
