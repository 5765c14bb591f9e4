"""The checkpoints of a run that are compared: which, in what order, and how they get into the network."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from utils.compute import distributed
from utils.console import say
from utils.errors import DataError, UserError
from utils.evaluation.settings import LAST_STEP, RangeSettings
from utils.runs.folder import RunFolder
from utils.runs.idle import IdleWatch
from utils.runs.interrupt import StopRequest
from utils.settings import SettingsError
from utils.suggest import first_names
from utils.wording import worded

Weights = dict[str, Tensor]
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
        settings: the range.
        read: the weights in a checkpoint, checked to be the network's; in a thread, while the network is at work.
        load: puts weights into the network.
        stop: asked between two checkpoints.
        num_steps, save_pred_every: when the run ends and how often it writes; None: not known.

    Attributes:
        settings: the range as it is settled, with all its numbers.
        skipped: reasons by step.
        gave_up: why a training was not waited for any longer; empty while it is.

    Raises:
        SettingsError: there is none, and none is waited for.
    """

    def __init__(
        self,
        settings: RangeSettings,
        read: Callable[[Path], Weights],
        load: Callable[[Weights], None],
        stop: StopRequest,
        num_steps: int | None = None,
        save_pred_every: int | None = None,
    ) -> None:
        self.settings = settings.settled(num_steps, save_pred_every)
        self.folder, self.stop = RunFolder(settings.checkpoint_dir), stop
        self._read, self._load = read, load
        self.pending: Sequence[int] = [] if settings.all else list(settings.steps(num_steps, save_pred_every))
        self.skipped: dict[int, str] = {}
        self.gave_up = ""
        self._idle = IdleWatch(self.folder.path, settings.max_idle_minutes)
        self.present: int | None = None
        self._newest, self._last = -1, self.settings.end_eval or LAST_STEP
        self._weights: Weights | None = None
        self._kept: tuple[int, Weights] | None = None
        if not settings.follow:
            self._take_stock()

    def __iter__(self) -> Iterator[int]:
        with ThreadPoolExecutor(1) as thread:
            reading = None
            while reading := reading or self._start_reading(thread, wait=True):
                step, future = reading
                reading, weights = None, self._result(step, future)
                if weights is None:
                    continue
                self._load(weights)
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
            self._load(self._kept[1])
        else:
            self._load(self._read(self.folder.network(step)))
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

    def reason_to_end(self) -> str | None:
        """Why the end was asked for, in this process or in another; None: it was not. All processes have to ask."""
        reasons = [reason for reason in distributed.gather_objects(self.stop.reason) if reason]
        return reasons[0] if reasons else None

    def say_left_out(self) -> bool:
        """Say which checkpoints of the range were not evaluated; returns whether there are any."""
        skipped, left = sorted(self.skipped), self.pending
        if skipped:
            say(f"skipped {len(skipped)} checkpoints: {_first_steps(skipped)}", file=sys.stderr)
        if left:
            reason = self.stop.reason or self.gave_up or "the end came"
            say(f"{reason} before {len(left)} checkpoints: {_first_steps(left)}", file=sys.stderr)
        return bool(skipped or left)

    # --- which comes next ----------------------------------------------------------------------------------------

    def _take_stock(self) -> None:
        """Keep the steps whose checkpoint is there, and name the others."""
        found, there = self.folder.steps(), set(self.folder.steps())
        wanted = found if self.settings.all else [step for step in self.pending if step in there]
        if not wanted:
            raise self._nothing_there(found)
        missing = [step for step in self.pending if step not in there]
        self.pending = wanted
        self._pass_over(missing)

    def _nothing_there(self, found: list[int]) -> SettingsError:
        asked = self.settings
        if not found:
            message = "{} holds no checkpoint<step>.pth; give the folder of a training run, or {follow}"
            return SettingsError(message, asked.checkpoint_dir)
        return SettingsError(
            f"no checkpoint of steps {asked.start_eval} to {asked.end_eval} every {asked.step_eval} in {{}}; it holds "
            f"checkpoint{found[0]}.pth to checkpoint{found[-1]}.pth: give {{start_eval}}, {{end_eval}} and "
            "{step_eval} to match, or {all}",
            asked.checkpoint_dir,
        )

    def _pass_over(self, missing: list[int]) -> None:
        if missing:
            self.skipped.update(dict.fromkeys(missing, "not there"))
            text = f"{len(missing)} checkpoints of the range are not there: {_first_steps(missing)}"
            say(f"warning: {text}", file=sys.stderr)

    def _look(self) -> Look:
        """Look for the next checkpoint; those of a training that is followed come in order, the last one at its end."""
        if not self.settings.follow:
            return Look(self.pending[0] if self.pending else None, [], True)
        found = self.folder.steps()
        steps = [step for step in found if step > self._newest] if self.settings.all else self.pending
        step = next((step for step in steps if step in set(found)), None)
        is_past = bool(found) and found[-1] >= self._last  # a training writes them in order
        is_over = step is None and (is_past or not (self.settings.all or self.pending))
        missing = [other for other in self.pending if is_over or (step is not None and other < step)]
        is_idle = self._idle.is_idle() and step is None and not is_over
        return Look(step, missing, is_over, self._too_long() if is_idle else "")

    def _too_long(self) -> str:
        minutes = self.settings.max_idle_minutes
        return worded(
            f"nothing in {{}} has changed for {minutes:g} minutes, so its training is taken to have ended "
            "({max_idle_minutes})",
            self.folder.path,
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

    def _start_reading(self, thread: ThreadPoolExecutor, wait: bool) -> tuple[int, Future[Weights]] | None:
        step = self._next(wait)
        return None if step is None else (step, thread.submit(self._fetch, self.folder.network(step)))

    def _fetch(self, path: Path) -> Weights:
        weights = self._read(path)
        with suppress(OSError, AttributeError), path.open("rb") as file:  # not on every system
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)  # mapped pages are fetched before their use
        return weights

    def _result(self, step: int, reading: Future[Weights]) -> Weights | None:
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


def wait_for_run(folder: RunFolder, stop: StopRequest) -> None:
    """Wait until a training has begun in a folder, which its options.json tells.

    Raises:
        SettingsError: it is no folder.
        DataError: none had begun when the end came.
    """
    if folder.path.is_file():
        raise SettingsError("{checkpoint_dir} {} is a file; give the folder of a training run", folder.path)
    if not distributed.from_main(folder.options.is_file):
        say(f"waiting for a training to begin in {folder.path}")
    while not distributed.from_main(folder.options.is_file):
        if distributed.any_process(stop.reason is not None):
            raise DataError(f"no training had begun in {folder.path}: {stop.reason or 'another process ended'}")
        time.sleep(POLL_SECONDS)


def _first_steps(steps: Sequence[int]) -> str:
    """The first steps of a list, for a message."""
    return first_names(map(str, steps), 10)
