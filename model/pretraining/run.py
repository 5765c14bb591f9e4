"""One pre-training: how it begins or is taken up again, and what is due after a step."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from model.divergence import fault_of_losses, fault_of_networks
from model.metrics import read_losses
from model.pretraining.folder import PretrainingFolder
from model.pretraining.pretrainer import Pretrainer
from model.weights.pretrained import Pretraining, write_pretrained
from utils.compute import distributed
from utils.console import say
from utils.drawing.curves import CurvePanel, plot_curves
from utils.errors import DataError, OptionError
from utils.runs.damage import MISFITS, misfit
from utils.runs.files import load_state, save_tensors, write_json
from utils.runs.interrupt import StopRequest
from utils.runs.log import MetricsLog
from utils.runs.origin import SeenTiles
from utils.runs.pace import Pace
from utils.runs.seeds import machine_state, restore_machine_state
from utils.runs.space import as_sizes, free_space, network_bytes
from utils.settings import SettingsError
from utils.wording import worded


class PretrainingRun:
    """The files of one pre-training, which the caller steps through.

    Args:
        folder: where its files lie, claimed by the caller.
        pretrainer: the networks and their step.
        told: what the weights say of themselves after so many steps.
        machine: what the record says of where it runs.
        seen: the tiles that are learned from; those of a resumed run have to be the same.
        batch_names: names of the tiles of the n-th batch, counted from 1.
        every: steps between lines of the log, and between states to resume from.
        measure: accuracy of the nearest neighbours, called in all processes; None: there are no scene labels.

    Attributes:
        before, after: that accuracy, at the beginning and at the end; None where it was not measured.
    """

    def __init__(
        self,
        folder: PretrainingFolder,
        pretrainer: Pretrainer,
        told: Callable[[int], Pretraining],
        machine: Mapping[str, Any],
        seen: SeenTiles,
        batch_names: Callable[[int], Mapping[str, Sequence[str]]],
        every: tuple[int, int] = (10, 500),
        measure: Callable[[], float] | None = None,
    ) -> None:
        self.folder, self.pretrainer, self.told, self.machine = folder, pretrainer, told, machine
        self.seen, self.batch_names, self.measure = seen, batch_names, measure
        self.log_every, self.save_every = every
        self.num_steps = pretrainer.num_steps
        self.before: float | None = None
        self.after: float | None = None
        self._log: MetricsLog | None = None  # in the main process
        self._broken_step = torch.zeros((), dtype=torch.int64)
        self._step, self._saved_step = 0, -1  # steps finished, and of the state on the disk
        self._pace = Pace()

    # --- beginning, resuming, ending ----------------------------------------------------------------------------------

    def begin(self) -> int:
        """Make the folder ready for a new run, and save its first state; returns the first step, 0.

        Raises:
            OptionError: the disk is too small.
        """
        if distributed.is_main():
            self._check_space()
            self.folder.begin()
            self.folder.write_record(self.seen.digest, self.machine)
            self._open_log(0)
        self.before = self._measure()
        self._save_state()
        self._pace.resume()
        return 0

    def resume(self) -> int:
        """Take up the run of the folder; returns the number of steps it has finished.

        Raises:
            OptionError: there is no run, or a setting differs that may not.
            DataError: its state cannot be read, or the tiles have changed.
        """
        self.folder.check_resumable(self.seen.digest)
        has_state = self.folder.last.is_file()
        if has_state:
            self._restore(load_state(self.folder.last, worded("restore it, or start over with {overwrite}")))
        if len({*distributed.gather_objects((self._step, has_state))}) > 1:
            raise OptionError(f"not all processes see the state in {self.folder.path}; give a folder that they share")
        if distributed.is_main():
            self.folder.remove_unfinished()
            self._open_log(self._step)
            say(f"resuming after step {self._step}" if has_state else "no state was saved yet: starting over")
        distributed.barrier()
        if not has_state:
            self.before = self._measure()
            self._save_state()
        self._saved_step = self._step
        self._pace.resume()
        return self._step

    def finish(self, step: int) -> None:
        """Write what the end of a run leaves, after so many steps: its state, the weights, and curves.

        How good the weights are is measured after the last step alone: who ends a run early does not wait for it.

        Raises:
            DataError: the loss or the networks are not finite.
        """
        self._refuse(fault_of_losses(self._broken_step, self.batch_names))
        if step != self._saved_step or not self.folder.weights.is_file():
            self._save(step)
        self.after = self._measure() if step == self.num_steps else None
        if distributed.is_main():
            assert self._log is not None
            self._log.close()
            if self.after is not None:
                write_json(self.folder.neighbours, {"step": step, "before": self.before, "after": self.after})
            watched = {name: name for name in self.pretrainer.watched if name not in ("loss", "accuracy")}
            panels = [
                CurvePanel("loss of pre-training", {"loss": "loss"}),
                CurvePanel("its terms, before they are weighted", watched),
                CurvePanel("accuracy on the views learned from", {"accuracy": "accuracy"}, is_share=True),
            ]
            plot_curves(self.folder.metrics, self.folder.path / "curves.png", [p for p in panels if p.columns])
        distributed.barrier()

    def ends_early(self, stop: StopRequest) -> bool:
        """Whether to end after this step: processes on GPUs ask one another now and then, and all end together."""
        if distributed.world_size() == 1:
            return stop.reason is not None
        every = self.log_every if self.pretrainer.device.type == "cuda" else 1
        return self._step % every == 0 and distributed.any_process(stop.reason is not None)

    def unsaved(self) -> str:
        """What would be lost if the run ended now, and from where it could go on."""
        if not distributed.is_main():
            return "the first process says what is lost"
        if self._saved_step < 0:
            return worded("no state had been saved in {}, all is lost; {overwrite} starts over", self.folder.path)
        message = f"steps {self._saved_step + 1} to {self._step} are lost; the same command with {{resume}} goes on"
        return worded(message if self._step > self._saved_step else "all is saved; {resume} goes on")

    def close(self) -> None:
        """Close the log; for the way out after an error, which is the one to be told."""
        with suppress(Exception):
            if self._log is not None:
                self._log.close()

    # --- after a step -------------------------------------------------------------------------------------------------

    def after_step(self, step: int, watched: Mapping[str, Tensor], waited: float = 0.0) -> dict[str, float] | None:
        """Log and save, each when it is due. All processes come here.

        Args:
            step: steps finished.
            watched: what `Pretrainer.train_step` returned.
            waited: seconds that this step waited for data.

        Returns:
            The numbers of this step when they were read, else None.

        Raises:
            DataError: the loss or the networks are not finite.
        """
        self._step, self._broken_step = step, watched["broken_step"]
        logging, saving = self._is_due(self.log_every), self._is_due(self.save_every)
        self._pace.step()
        if not (logging or saving):
            return None
        self._refuse(fault_of_losses(self._broken_step, self.batch_names))
        values = read_losses(watched)
        self._pace.pause()
        if saving:
            self._save(step)
        rate = sum(map(len, self.batch_names(step).values())) / self._pace.take()
        row = values | {"wait_ms": 1000 * waited, "tiles_per_s": rate, "learning_rate": self.pretrainer.learning_rate}
        if self._log is not None:  # in the main process
            self._log.write(step, row)
        self._pace.resume()
        return values

    # --- parts --------------------------------------------------------------------------------------------------------

    def _is_due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self.num_steps

    def _save(self, step: int) -> None:
        """Write weights and state after so many steps."""
        self._refuse(fault_of_networks([self.pretrainer.networks], step))
        if distributed.is_main():
            write_pretrained(self.folder.weights, self.pretrainer.encoder.state_dict(), self.told(step))
        self._save_state()
        self.folder.establish()

    def _save_state(self) -> None:
        """Write `last.pth`, from which `resume` goes on exactly; every process has a part in it."""
        main, *others = distributed.gather_objects(machine_state(self.pretrainer.device))
        if distributed.is_main():
            progress = {"step": self._step, "before": self.before, "other_processes": others}
            save_tensors(self.folder.last, self.pretrainer.state_dict() | progress | main)
        distributed.barrier()
        self._saved_step = self._step

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            self.pretrainer.load_state_dict(state)
            machines = [state, *state["other_processes"]]
            if distributed.rank() < len(machines):
                restore_machine_state(machines[distributed.rank()], self.pretrainer.device)
            self.before, self._step = state["before"], int(state["step"])
        except MISFITS as error:
            message = "{} does not fit this run: {}; start over with {overwrite}"
            raise DataError(worded(message, self.folder.last, misfit(error))) from error

    def _measure(self) -> float | None:
        if self.measure is None:
            return None
        distributed.share_buffers(self.pretrainer.encoder)  # each process has its own statistics of BatchNorm
        return self.measure()

    def _open_log(self, step: int) -> None:
        columns = [*self.pretrainer.watched, "wait_ms", "tiles_per_s", "learning_rate"]
        self._log = MetricsLog(self.folder.metrics, columns, self.folder.path / "tensorboard", step)

    def _refuse(self, fault: str | None) -> None:
        """Stop before anything is written that a step has spoilt.

        Raises:
            DataError: there is a fault.
        """
        if fault is not None:
            raise DataError(worded(f"{fault}; lower {{learning_rate}} or use {{precision}} fp32"))

    def _check_space(self) -> None:
        """Stop before anything is removed where the disk cannot take the state and the weights.

        Raises:
            SettingsError: says how much is needed.
        """
        networks = network_bytes(self.pretrainer.networks)
        needed = 2 * 3 * networks + networks  # a state with AdamW's two moments beside its successor, and the weights
        free = free_space(self.folder.path) + self.folder.replaceable_bytes()
        if needed > free:
            texts = as_sizes(needed, free)
            message = f"state and weights need {texts[0]}, but {texts[1]} are free at {{}}; give another {{save_dir}}"
            raise SettingsError(message, self.folder.path)
