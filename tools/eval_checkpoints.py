"""The checkpoints that tools/auto_evaluate.py evaluates: which, in what order, and how they get into the network."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from model.weights.loading import load_network, read_network
from tools.cli.evaluate_options import FIRST_STEP, LAST_STEP, settle_range
from utils import distributed
from utils.console import say
from utils.errors import DataError, OptionError, UserError
from utils.runs.folder import RunFolder
from utils.runs.idle import IdleWatch
from utils.runs.interrupt import StopRequest
from utils.runs.record import RunRecord
from utils.suggest import first_names

POLL_SECONDS = 2.0  # between two looks for a new checkpoint


class Look(NamedTuple):
    """What a look into the run's folder finds.

    step: the next one to evaluate, if its checkpoint is there. missing: steps that will have none any more. is_over:
    whether none can follow. reason: why nothing is waited for any longer, where something could have been.
    """

    step: int | None
    missing: list[int]
    is_over: bool
    reason: str = ""


class Checkpoints:
    """Loads the checkpoints of a range into a network, one after the other; iterating gives their steps.

    The next checkpoint is read and checked in a thread while the caller evaluates the present one. Those that are not
    there, cannot be read or belong to another network are named and left out.

    Args:
        args: the command's options.
        network: what they are loaded into.
        stop: asked between two checkpoints.
        record: says when the run ends and how often it writes; None where there is none.

    Attributes:
        skipped: reasons by step.
        gave_up: why a training was not waited for any longer; empty while it is.

    Raises:
        OptionError: there is none, and none is waited for.
    """

    def __init__(
        self, args: argparse.Namespace, network: nn.Module, stop: StopRequest, record: RunRecord | None
    ) -> None:
        self.args, self.network, self.stop = args, network, stop
        self.folder = RunFolder(args.checkpoint_dir)
        steps = steps_to_evaluate(args, record)
        self.pending: Sequence[int] = [] if args.all else list(steps)
        self.skipped: dict[int, str] = {}
        self.gave_up = ""
        self._idle = IdleWatch(self.folder.path, args.max_idle_minutes)
        self.present: int | None = None
        self._newest = -1
        self._weights: dict[str, Tensor] | None = None
        self._kept: tuple[int, dict[str, Tensor]] | None = None
        if not args.follow:
            self._take_stock()

    def __iter__(self) -> Iterator[int]:
        with ThreadPoolExecutor(1) as thread:
            reading = None
            while reading := reading or self._start_reading(thread, wait=True):
                step, future = reading
                reading, weights = None, self._result(step, future)
                if weights is None:
                    continue
                self.network.load_state_dict(weights)
                self.present, self._weights = step, weights
                del weights, future
                reading = self._start_reading(thread, wait=False)
                yield step
                if self._is_stopped():
                    return

    def keep_present(self) -> None:
        """Keep hold of the weights in the network: a training that keeps its newest checkpoints may remove their file.

        They are mapped from it, so that they take memory only while it is not needed otherwise.
        """
        if self.present is not None and self._weights is not None:
            self._kept = (self.present, self._weights)

    def return_to(self, step: int) -> None:
        """Load the checkpoint of a step that was evaluated before, unless the network still holds it.

        Raises:
            UserError: it has gone since.
        """
        if self.present == step:
            return
        if self._kept is not None and self._kept[0] == step:
            self.network.load_state_dict(self._kept[1])
        else:
            load_network(self.network, self.folder.generator(step))
        self.present = step

    def leave_out(self, step: int, reason: str) -> None:
        """Name a checkpoint that cannot be used, and go on without it."""
        self.skipped[step] = reason
        say(f"warning: {reason}; skipped", file=sys.stderr)

    @property
    def why_none(self) -> str:
        """Why no checkpoint could be evaluated, as far as one reason tells."""
        reasons = [*self.skipped.values()]
        return self.stop.reason or self.gave_up or (reasons[0] if len(reasons) == 1 else "")

    # --- which comes next ----------------------------------------------------------------------------------------

    def _take_stock(self) -> None:
        """Keep the steps whose checkpoint is there, and name the others."""
        found, there = self.folder.steps(), set(self.folder.steps())
        wanted = found if self.args.all else [step for step in self.pending if step in there]
        if not wanted:
            raise OptionError(self._nothing_there(found))
        missing = [step for step in self.pending if step not in there]
        self.pending = wanted
        self._pass_over(missing)

    def _nothing_there(self, found: list[int]) -> str:
        args = self.args
        if not found:
            return (
                f"{args.checkpoint_dir} holds no checkpoint<step>.pth; give the folder of a training run, or --follow"
            )
        return (
            f"no checkpoint of steps {args.start_eval} to {args.end_eval} every {args.step_eval} in "
            f"{args.checkpoint_dir}; it holds checkpoint{found[0]}.pth to checkpoint{found[-1]}.pth: give "
            "--start-eval, --end-eval and --step-eval to match, or --all"
        )

    def _pass_over(self, missing: list[int]) -> None:
        if missing:
            self.skipped.update(dict.fromkeys(missing, "not there"))
            text = f"{len(missing)} checkpoints of the range are not there: {first_steps(missing)}"
            say(f"warning: {text}", file=sys.stderr)

    def _look(self) -> Look:
        """Look for the next checkpoint; those of a training that is followed come in order, the last one at its end."""
        if not self.args.follow:
            return Look(self.pending[0] if self.pending else None, [], True)
        found = self.folder.steps()
        steps = [step for step in found if step > self._newest] if self.args.all else self.pending
        step = next((step for step in steps if step in set(found)), None)
        is_past = bool(found) and found[-1] >= self.args.end_eval  # a training writes them in order
        is_over = step is None and (is_past or not (self.args.all or self.pending))
        missing = [other for other in self.pending if is_over or (step is not None and other < step)]
        is_idle = self._idle.is_idle() and step is None and not is_over
        return Look(step, missing, is_over, self._too_long() if is_idle else "")

    def _too_long(self) -> str:
        return (
            f"nothing in {self.folder.path} has changed for {self.args.max_idle_minutes:g} minutes, so its training is "
            "taken to have ended (--max-idle-minutes)"
        )

    def _next(self, wait: bool) -> int | None:
        """The step to read next; None where there is none, or none yet and none is waited for."""
        while not self._is_stopped():
            step, missing, is_over, reason = distributed.from_main(self._look)
            self._pass_over(missing)
            if step is not None:
                self.pending, self._newest = [later for later in self.pending if later > step], step
                return step
            if is_over:
                self.pending = []
            if is_over or not wait:
                return None
            if reason:
                self.gave_up = reason
                return None
            time.sleep(POLL_SECONDS)
        return None

    def _is_stopped(self) -> bool:
        return distributed.any_process(self.stop.reason is not None)

    # --- reading -------------------------------------------------------------------------------------------------

    def _start_reading(self, thread: ThreadPoolExecutor, wait: bool) -> tuple[int, Future[dict[str, Tensor]]] | None:
        step = self._next(wait)
        return None if step is None else (step, thread.submit(self._read, self.folder.generator(step)))

    def _read(self, path: Path) -> dict[str, Tensor]:
        weights = read_network(self.network, path)
        with suppress(OSError, AttributeError), path.open("rb") as file:  # not on every system
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)  # mapped pages are fetched before their use
        return weights

    def _result(self, step: int, reading: Future[dict[str, Tensor]]) -> dict[str, Tensor] | None:
        """The weights once they are read; None, with a warning, where a process cannot use them."""
        weights, reason = None, "another process could not read it"
        try:
            weights = reading.result()
        except UserError as error:
            reason = str(error)
        if not distributed.any_process(weights is None):
            return weights
        self.leave_out(step, reason)
        return None


def steps_to_evaluate(args: argparse.Namespace, record: RunRecord | None) -> Sequence[int]:
    """The steps of the range; of a training that is followed none that it will not reach, and its last one.

    Args:
        args: the command's options; what was not given of the range is filled in.
        record: of the run, if there is one.

    Raises:
        OptionError: the range begins after the run's end.
    """
    if not args.follow:
        return range(args.start_eval, args.end_eval + 1, args.step_eval)
    num_steps = record.num_steps if record else None
    last = num_steps or LAST_STEP
    every = min(args.step_eval or (record.save_pred_every if record else None) or FIRST_STEP, last)
    takes_last = args.end_eval is None and num_steps is not None  # a run writes one at its end, whatever its step
    settle_range(args, every, last, every)
    args.end_eval = min(args.end_eval, last)
    if args.start_eval > args.end_eval:
        raise OptionError(
            f"--start-eval {args.start_eval} is never reached: the run in {args.checkpoint_dir} ends with step "
            f"{args.end_eval}; lower it"
        )
    steps = list(range(args.start_eval, args.end_eval + 1, args.step_eval))
    return [*steps, last] if takes_last and steps[-1] != last else steps


def wait_for_run(folder: RunFolder, stop: StopRequest) -> None:
    """Wait until a training has begun in a folder, which its options.json tells.

    Raises:
        OptionError: it is no folder.
        DataError: none had begun when the end came.
    """
    if folder.path.is_file():
        raise OptionError(f"--checkpoint-dir {folder.path} is a file; give the folder of a training run")
    if not distributed.from_main(folder.options.is_file):
        say(f"waiting for a training to begin in {folder.path}")
    while not distributed.from_main(folder.options.is_file):
        if distributed.any_process(stop.reason is not None):
            raise DataError(f"no training had begun in {folder.path}: {stop.reason or 'another process ended'}")
        time.sleep(POLL_SECONDS)


def first_steps(steps: Sequence[int]) -> str:
    """The first steps of a list, for a message."""
    return first_names(map(str, steps), 10)
