"""One training run: how it begins or is taken up again, and what is due after a step."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.checkpoints import CheckpointWriter
from model.divergence import fault_of_losses, fault_of_networks
from model.methods.method import Method
from model.metrics import curves_of, metric_columns, read_losses, row_of
from model.pseudo_labels import save_pseudo_labels
from model.resuming import refuse_another_run
from utils.compute import distributed
from utils.console import say
from utils.drawing.curves import plot_curves
from utils.drawing.pictures import save_picture
from utils.errors import DataError, OptionError
from utils.runs.damage import MISFITS, misfit
from utils.runs.files import load_state, write_text
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.log import MetricsLog
from utils.runs.pace import Pace
from utils.runs.record import RunRecord
from utils.runs.seeds import machine_state, restore_machine_state
from utils.runs.settings import KeepingSettings


class TrainingRun:
    """The files of one training run, which the caller steps through.

        run = TrainingRun(folder, method, keeping, record, labelled, batch_names)
        for step in range(run.begin(), 200):
            run.after_step(step + 1, method.train_step(labelled_batch, unlabelled_batch, step))
        run.finish(200)

    Args:
        folder: where its files lie, claimed by the caller.
        method: the networks and their training step.
        keeping: what is written, and when.
        record: what the run says of itself; a resumed run's may differ as `refuse_another_run` says.
        labelled: names of the labelled tiles.
        batch_names: names of the tiles of the n-th batch, counted from 1, for each stream of tiles.
        validate: mean IoU of the evaluated network on other tiles, None where its output is not finite; called in all
            processes. None: no validation.
        draw: a picture of some tiles, after so many steps; called in the main process. None: no picture.

    Attributes:
        best_score, best_step: mean IoU of the best network so far, -1 before the first validation, and its step.

    Raises:
        SettingsError: pseudo-labels are to be written, and the method makes none.
    """

    def __init__(
        self,
        folder: RunFolder,
        method: Method,
        keeping: KeepingSettings,
        record: RunRecord,
        labelled: Sequence[str],
        batch_names: Callable[[int], Mapping[str, Sequence[str]]],
        validate: Callable[[], float | None] | None = None,
        draw: Callable[[int], Image.Image] | None = None,
    ) -> None:
        method.settings.check_save_viz(keeping.save_viz)
        self.folder, self.method, self.keeping, self.record = folder, method, keeping, record
        self.labelled, self.batch_names = labelled, batch_names
        self.validate, self.draw = validate, draw
        self.num_steps = method.settings.num_steps
        self.checkpoints = CheckpointWriter(
            folder, method, keeping.save_pred_every, keeping.keep_last, validate is not None
        )
        self.best_score, self.best_step = -1.0, 0
        self.log: MetricsLog | None = None  # in the main process
        self._submitted_step: int | None = None  # of the newest state that was handed to the writer
        self._broken_step = torch.zeros((), dtype=torch.int64)
        self._step = 0  # steps finished
        self._pace = Pace()

    # --- beginning, resuming, ending ---------------------------------------------------------------------------------

    def begin(self) -> int:
        """Make the folder ready for a new run, and save its first state; returns the first step, 0.

        Raises:
            OptionError: the disk is too small for its checkpoints.
        """
        if distributed.is_main():
            self.checkpoints.check_space()
            self.folder.begin()
            write_text(self.folder.labelled_names, "".join(f"{name}\n" for name in self.labelled))
            self.record.write(self.folder.options)  # last: without it there is no run yet
            self._open_log(0)
            if self.checkpoints.is_tight():
                self.folder.establish()
        distributed.barrier()
        self.save_state(0)  # before the first checkpoint, so that wherever it is killed, the run can go on
        self.checkpoints.wait()
        self._pace.resume()
        return 0

    def resume(self) -> int:
        """Take up the run of the folder; returns the number of steps it has finished.

        Raises:
            OptionError: there is no run, its method or an option differs that may not, or the disk is too small for
                what is left.
            DataError: its state cannot be read, or other tiles are labelled now.
        """
        refuse_another_run(self.folder, self.record, self.labelled)
        step, has_state = 0, self.folder.last.exists()
        if has_state:
            step = self._restore(load_state(self.folder.last, self.folder.way_out()))
            self._submitted_step = step
        if len({*distributed.gather_objects((step, has_state))}) > 1:
            raise OptionError(f"not all processes see the state in {self.folder.path}; give a folder that they share")
        if distributed.is_main():
            self.checkpoints.check_space(step)
            self.folder.cut_back(step)
            self._open_log(step)
            say(f"resuming after step {step}" if has_state else "no state was saved yet: starting over")
        distributed.barrier()
        self._step = step
        self.checkpoints.saved_step = step if has_state else None
        if not has_state:
            self.save_state(0)
        self._pace.resume()
        return step

    def unsaved(self) -> str:
        """What would be lost if the run ended now, and from where it could go on."""
        saved = self.checkpoints.saved_step
        if not distributed.is_main():
            return "the first process says what is lost"
        if saved is None:
            return f"no state had been saved in {self.folder.path}, all steps are lost; --overwrite starts over"
        if saved == self._step:
            return f"the state after step {saved} is saved; the same command with --resume goes on"
        lost = f"step {self._step} is" if saved + 1 == self._step else f"steps {saved + 1} to {self._step} are"
        return f"{lost} lost; the same command with --resume goes on after step {saved} ({self.folder.last})"

    def finish(self, step: int) -> None:
        """Write what the end of a run leaves, after so many steps: its state, curves and pictures.

        Raises:
            DataError: a loss or a network is not finite.
        """
        self._refuse(fault_of_losses(self._broken_step, self.batch_names))
        self._refuse(fault_of_networks(self.method.networks().values(), step))
        self.checkpoints.say_disk_use()
        if step != self._submitted_step:  # a finished run that is resumed has nothing to write
            self.save_state(step)
        self.checkpoints.wait()
        if distributed.is_main():
            assert self.log is not None
            self.log.close()
            panels = curves_of(self.method, self.record.classes, self.record.colours)
            plot_curves(self.folder.metrics, self.folder.path / "curves.png", panels)
        distributed.barrier()

    def ends_early(self, stop: StopRequest) -> bool:
        """Whether to end after this step: processes on GPUs ask one another now and then, and all end together."""
        if distributed.world_size() == 1:
            return stop.reason is not None
        every = self.keeping.log_every if self.method.device.type == "cuda" else 1
        return self._step % every == 0 and distributed.any_process(stop.reason is not None)

    def close(self) -> None:
        """Wait for a write under way; for the way out after an error, which is the one to be told."""
        with suppress(Exception):
            if self.log is not None:
                self.log.close()
        with suppress(Exception):
            self.checkpoints.wait()

    # --- after a step ------------------------------------------------------------------------------------------------

    def after_step(self, step: int, losses: Mapping[str, Tensor], waited: float = 0.0) -> dict[str, float] | None:
        """Log, validate, write checkpoints and pictures, each when it is due.

        All processes come here; what they have is put together, and the main one writes it.

        Args:
            step: steps finished.
            losses: what `Method.train_step` returned.
            waited: seconds that this step waited for data.

        Returns:
            The numbers of this step when they were read, else None.

        Raises:
            DataError: a loss is not finite.
        """
        self._step, self._broken_step = step, losses["broken_step"]
        logging, saving = self._is_due(self.keeping.log_every), self._is_due(self.keeping.save_pred_every)
        validating = self.validate is not None and self._is_due(self.keeping.eval_every)
        pausing = self._is_due(self.keeping.save_state_every)  # for pictures, and for the state
        self._pace.step()
        values = None
        if logging or saving or validating or pausing:
            self._refuse(fault_of_losses(self._broken_step, self.batch_names))
            values = read_losses(losses)
            self._pace.pause()
        if saving or validating or pausing:
            self._refuse(fault_of_networks(self.method.networks().values(), step))
        score = self._validate(step) if validating else None
        if values is not None and (logging or validating):
            values = row_of(self.method, values, losses, self.record.classes, waited, self._rate(step), score)
            if self.log is not None:  # in the main process
                self.log.write(step, values)
        if self.keeping.save_viz and step > self.keeping.save_after_iter:
            names, folder = self.batch_names(step)["unlabelled"], self.keeping.generator_viz_dir
            save_pseudo_labels(losses["pseudo_labels"], names, self.record.colours, folder, step)
        if distributed.is_main():
            if saving:
                self.checkpoints.save(step, self.best_step)
            if pausing:
                self._save_panels(step)
        if saving or pausing or validating:
            distributed.barrier()  # the main process has written and drawn, which may take long
        if pausing and step < self.num_steps:  # the last one is saved by `finish`
            self.save_state(step)
        self.folder.establish()
        if values is not None:
            self._pace.resume()
        return values

    def save_state(self, step: int) -> None:
        """Write `last.pth`, from which `resume` goes on exactly, in the background; every process has a part in it."""
        main_machine, *other_machines = distributed.gather_objects(machine_state(self.method.device))
        self._submitted_step = step
        if not distributed.is_main():
            return
        progress = {"step": step, "best_score": self.best_score, "best_step": self.best_step}
        state = self.method.state_dict() | progress | main_machine | {"other_processes": other_machines}
        self.checkpoints.save_state(state)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _is_due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self.num_steps

    def _restore(self, state: dict[str, Any]) -> int:
        """Restore everything from a saved state; returns the number of steps finished."""
        try:
            self.method.load_state_dict(state)
            machines = [state, *state["other_processes"]]
            if distributed.rank() < len(machines):  # else there are more processes now: this one keeps its fresh seed
                restore_machine_state(machines[distributed.rank()], self.method.device)
            self.best_score, self.best_step = float(state["best_score"]), int(state["best_step"])
            return int(state["step"])
        except MISFITS as error:
            reason = misfit(error)
            raise DataError(f"{self.folder.last} does not fit this run: {reason}; {self.folder.way_out()}") from error

    def _open_log(self, step: int) -> None:
        columns = metric_columns(self.method, self.record.classes)
        self.log = MetricsLog(self.folder.metrics, columns, self.folder.path / "tensorboard", step)

    def _refuse(self, fault: str | None) -> None:
        """Stop before anything is written that a step has spoilt.

        Raises:
            DataError: there is a fault; names the last good checkpoint.
        """
        if fault is None:
            return
        self.checkpoints.wait()
        good, advice = self.folder.steps(), "lower --learning-rate or use --precision fp32"
        way_back = f"the last good checkpoint is {self.folder.network(good[-1])}; {advice}" if good else advice
        raise DataError(f"{fault}; {way_back}")

    def _rate(self, step: int) -> float:
        """Images a second since the last line of the log."""
        return sum(len(names) for names in self.batch_names(step).values()) / self._pace.take()

    def _validate(self, step: int) -> float | None:
        """Validate; a new best network is written at once."""
        assert self.validate is not None
        score = self.validate()
        if score is not None and score > self.best_score:
            self.best_score, self.best_step = score, step
            if distributed.is_main():
                self.checkpoints.save_best()
        return score

    def _save_panels(self, step: int) -> None:
        if self.draw is not None and self.log is not None:
            picture = self.draw(step)
            save_picture(self.folder.path / "tiles.png", picture)
            self.log.picture("tiles", np.asarray(picture), step)
