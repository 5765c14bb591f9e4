"""One training run of s4GAN: how it begins or is taken up again, and what is due after a step."""

import argparse
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.descriptions import Description
from data.samplers import EndlessBatches
from data.splits import read_names
from data.tiles import Tiles
from model.methods.method import Method
from tools.cli.shared_options import as_plain
from tools.cli.train_options import FREE_ON_RESUME, metric_columns
from tools.s4gan_checkpoints import CheckpointWriter
from tools.s4gan_panels import draw_panels, panels_of_curves
from tools.s4gan_validation import open_validation, validate
from utils import distributed
from utils.console import say
from utils.device import uses_tf32
from utils.drawing.curves import plot_curves
from utils.drawing.pictures import colourise, save_picture
from utils.errors import DataError, OptionError
from utils.finite import not_finite
from utils.labels import IGNORE_INDEX
from utils.paths import fitting_name
from utils.runs.damage import misfit
from utils.runs.files import load_state, save_array, write_names
from utils.runs.folder import RunFolder, refuse_other_options
from utils.runs.log import MetricsLog
from utils.runs.pace import Pace
from utils.runs.record import RunRecord, read_record
from utils.runs.seeds import machine_state, restore_machine_state
from utils.suggest import first_names


class TrainingRun:
    """The files of one run of s4GAN.

    Args:
        args: the command's options.
        folder: where they lie, claimed by the caller.
        description: the data set.
        tiles: training tiles.
        method: the networks and their training step.
        from_imagenet: whether they started from ImageNet weights.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        folder: RunFolder,
        description: Description,
        tiles: Tiles,
        method: Method,
        from_imagenet: bool,
    ) -> None:
        self.args, self.description, self.tiles, self.method = args, description, tiles, method
        self.from_imagenet = from_imagenet
        self.folder = folder
        self.checkpoints = CheckpointWriter(args, self.folder, method)
        self._submitted_step: int | None = None  # of the newest state that was handed to the writer
        self.best_score, self.best_step = -1.0, 0
        self.validation = open_validation(args, description, tiles.labelled)
        self.log: MetricsLog | None = None  # in the main process
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
            write_names(self.folder.labelled_names, self.tiles.labelled)
            self._record().write(self.folder.options)  # last: without them there is no run yet
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
            OptionError: there is no run, an option differs that may not, or the disk is too small for what is left.
            DataError: its state cannot be read.
        """
        self._compare_options()
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
        """Write what the end of a run leaves: its state, curves and pictures.

        Raises:
            DataError: a loss or a network is not finite.
        """
        self._refuse_broken_losses()
        self._refuse_broken_networks(step)
        self.checkpoints.say_disk_use()
        if step != self._submitted_step:  # a finished run that is resumed has nothing to write
            self.save_state(step)
        self.checkpoints.wait()
        if distributed.is_main():
            assert self.log is not None
            self.log.close()
            plot_curves(self.folder.metrics, self.folder.path / "curves.png", panels_of_curves(self.method.settings))
        distributed.barrier()

    def close(self) -> None:
        """Wait for a write under way; for the way out after an error, which is the one to be told."""
        with suppress(Exception):
            if self.log is not None:
                self.log.close()
        with suppress(Exception):
            self.checkpoints.wait()

    # --- after a step ------------------------------------------------------------------------------------------------

    def after_step(
        self,
        step: int,
        losses: Mapping[str, Tensor],
        waited: float,
    ) -> dict[str, float] | None:
        """Log, validate, write checkpoints and pictures, each when it is due.

        All processes come here; what they have is put together, and the main one writes it.

        Args:
            step: steps finished.
            losses: what `train_step` returned.
            waited: seconds that this step waited for data.

        Returns:
            The numbers of this step when they were read, else None.

        Raises:
            DataError: a loss is not finite.
        """
        args, self._step = self.args, step
        last = step == args.num_steps
        logging, saving = step % args.log_every == 0 or last, step % args.save_pred_every == 0 or last
        validating = self.validation is not None and (step % args.eval_every == 0 or last)
        pausing = step % args.save_state_every == 0 or last  # for pictures, and for the state, which `finish` saves too
        self._broken_step = losses["broken_step"]
        self._pace.step()
        values = None
        if logging or saving or validating or pausing:
            self._refuse_broken_losses()
            values = self._read(losses)
            self._pace.pause()
        if saving or validating or pausing:
            self._refuse_broken_networks(step)
        score = self._validate(step) if validating else None
        if values is not None and (logging or validating):
            self._log(step, values, losses, waited, score)
        if args.save_viz and "pseudo_labels" in losses and step > args.save_after_iter:
            self._save_pseudo_labels(losses["pseudo_labels"], step)
        if saving and distributed.is_main():
            self.checkpoints.save(step, self.best_step)
        if pausing and distributed.is_main():
            self._save_panels(step)
        if saving or pausing or validating:
            distributed.barrier()  # the main process has written and drawn, which may take long
        if pausing and not last:
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

    def _record(self) -> RunRecord:
        return RunRecord(
            backbone=self.args.backbone,
            classes=self.description.classes,
            colours=self.description.colours,
            tile_size=self.tiles.reader.tile_size,
            method=self.method.name,
            ignore_label=self.args.ignore_label,
            imagenet_weights=self.from_imagenet,
            options=as_plain(self.args),
            machine={
                "precision": self.method.execution.precision,
                "tf32": uses_tf32(self.method.device),
                "processes": distributed.world_size(),
                "torch": str(torch.__version__),
            },
        )

    def _compare_options(self) -> None:
        recorded = read_record(self.folder.options)
        refuse_other_options(
            recorded.options, as_plain(self.args), FREE_ON_RESUME, self.folder.path, "--checkpoint-dir"
        )
        recorded_names = read_names(self.folder.labelled_names, self.description)
        if recorded_names != list(self.tiles.labelled):
            raise DataError(f"{self.folder.labelled_names} differs from the tiles labelled now; the data have changed")

    def _restore(self, state: dict[str, Any]) -> int:
        """Restore everything from a saved state; returns the number of steps finished."""
        try:
            self.method.load_state_dict(state)
            machines = [state, *state["other_processes"]]
            if distributed.rank() < len(machines):  # else there are more processes now: this one keeps its fresh seed
                restore_machine_state(machines[distributed.rank()], self.method.device)
            self.best_score, self.best_step = float(state["best_score"]), int(state["best_step"])
            return int(state["step"])
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError) as error:
            reason = misfit(error)
            raise DataError(f"{self.folder.last} does not fit this run: {reason}; {self.folder.way_out()}") from error

    def _open_log(self, step: int) -> None:
        columns = metric_columns(self.description)
        self.log = MetricsLog(self.folder.metrics, columns, self.folder.path / "tensorboard", step)

    @staticmethod
    def _read(losses: Mapping[str, Tensor]) -> dict[str, float]:
        """The losses of the whole batch; here the main process waits for the device, and for the others."""
        names = [name for name, value in losses.items() if value.ndim == 0 and name != "broken_step"]
        numbers = distributed.total(torch.stack([losses[name].float() for name in names])).tolist()
        return dict(zip(names, numbers, strict=True))

    def _refuse_broken_losses(self) -> None:
        """Stop before anything is written that a loss which was not finite has spoilt.

        Raises:
            DataError: names the step, its tiles and the last good checkpoint.
        """
        broken = [step for step in distributed.gather_objects(int(self._broken_step)) if step]
        if not broken:
            return
        self.checkpoints.wait()
        step = min(broken)
        tiles = [f"labelled {', '.join(self._batch_names(step, 'labelled'))}"]
        if self.method.unlabelled_batches:
            tiles.append(f"unlabelled {', '.join(self._batch_names(step, 'unlabelled'))}")
        raise DataError(f"the losses of step {step} were not finite (tiles: {'; '.join(tiles)}); {self._way_back()}")

    def _refuse_broken_networks(self, step: int) -> None:
        """Stop before weights are kept that the last update has spoilt, whose losses come with the next step.

        Raises:
            DataError: names the step and the last good checkpoint.
        """
        networks = self.method.networks().values()
        broken = [name for network in networks for name in not_finite(network.state_dict())]
        if distributed.any_process(bool(broken)):
            self.checkpoints.wait()
            where = f"{len(broken)} tensors ({first_names(broken)})" if broken else "the networks of another process"
            raise DataError(f"NaN or infinite values in {where} after step {step}; {self._way_back()}")

    def _way_back(self) -> str:
        """What to do about a training that has diverged."""
        good = self.folder.steps()
        advice = "lower --learning-rate or use --precision fp32"
        return f"the last good checkpoint is {self.folder.generator(good[-1])}; {advice}" if good else advice

    def _batch_names(self, step: int, stream: str) -> list[str]:
        """Names of the tiles of the step-th batch, counted from 1; they follow from the seed."""
        labelled, unlabelled = self.tiles.labelled_positions()
        indices = labelled if stream == "labelled" else unlabelled
        batches = EndlessBatches(indices, self.args.batch_size, self.args.random_seed, stream)
        return [self.tiles.names[draw.tile] for draw in batches.batch(step - 1)]

    def _log(
        self,
        step: int,
        values: dict[str, float],
        losses: Mapping[str, Tensor],
        waited: float,
        score: float | None,
    ) -> None:
        images = self.args.batch_size * (1 + self.method.unlabelled_batches)
        values |= {"wait_ms": 1000 * waited, "images_per_s": images / self._pace.take()}
        values |= self.method.learning_rates()
        if score is not None:
            values["val_mean_iou"] = score
        if "pseudo_labels" in losses:
            ids = losses["pseudo_labels"]
            counts = torch.bincount(ids[ids != IGNORE_INDEX].flatten(), minlength=self.description.num_classes)
            pixels = distributed.total(counts).tolist()
            share = 1 / max(1, sum(pixels))
            values |= {f"pseudo {name}": n * share for name, n in zip(self.description.classes, pixels, strict=True)}
        if self.log is not None:  # in the main process
            self.log.write(step, values)

    def _validate(self, step: int) -> float | None:
        """Mean IoU on the validation list, if there is one; a new best generator is written at once."""
        assert self.validation is not None
        score = validate(self.method, self.validation, self.args)
        if score is not None and score > self.best_score:
            self.best_score, self.best_step = score, step
            if distributed.is_main():
                self.checkpoints.save_best()
        return score

    def _save_pseudo_labels(self, pseudo_labels: Tensor, step: int) -> None:
        """Write believed maps as `<name>_iter_<step>.npy`, as published, and in colour beside them."""
        whole = distributed.gather_batches(pseudo_labels, len(pseudo_labels), self.args.batch_size)
        if not distributed.is_main():
            return
        names = self._batch_names(step, "unlabelled")
        for name, ids in zip(names, whole.cpu().numpy().astype(np.uint8), strict=True):
            if (ids != IGNORE_INDEX).any():
                stem, folder = name.replace("/", "_"), self.args.generator_viz_dir
                save_array(folder / fitting_name(stem, f"_iter_{step}.npy"), ids)
                picture = colourise(ids, self.description.colours)
                save_picture(folder / fitting_name(stem, f"_iter_{step}.png"), picture)

    def _save_panels(self, step: int) -> None:
        assert self.log is not None
        picture = draw_panels(self.method, self.tiles, self.description, self.args.input_size, step)
        save_picture(self.folder.path / "tiles.png", picture)
        self.log.picture("tiles", np.asarray(picture), step)
