"""Writing a run's networks and state: checkpoints by step, the best generator, and what a resumed run needs."""

import argparse
import time
from collections.abc import Mapping
from typing import Any

import torch

from model.methods.s4gan import S4GAN
from utils.errors import OptionError
from utils.output import say
from utils.runs.background import BackgroundWriter, Snapshot
from utils.runs.files import save_tensors
from utils.runs.folder import RunFolder, checkpoint_space


class CheckpointWriter:
    """Writes the networks of a run in the background, while training goes on.

    Args:
        args: the command's options.
        folder: the run's files.
        s4gan: the networks.
    """

    def __init__(self, args: argparse.Namespace, folder: RunFolder, s4gan: S4GAN) -> None:
        self.args, self.folder, self.s4gan = args, folder, s4gan
        self._writer, self._snapshot = BackgroundWriter(), Snapshot()
        self._times: list[float] = []
        self.saved_step = 0  # of the state on the disk

    def save(self, step: int, best_step: int) -> None:
        """Write both networks, and remove old ones but for the best where only the newest are kept."""
        self._times.append(time.perf_counter())
        self._writer.wait()
        generator = self._snapshot.take(self.s4gan.generator.state_dict(), "generator")
        discriminator = None
        if self.s4gan.discriminator is not None:
            discriminator = self._snapshot.take(self.s4gan.discriminator.state_dict(), "discriminator")
        self._synchronise()

        def write() -> None:
            if discriminator is not None:
                save_tensors(self.folder.discriminator(step), discriminator)
            save_tensors(self.folder.generator(step), generator)
            if self.args.keep_last:
                self.folder.keep_newest(self.args.keep_last, best_step)

        self._writer.submit(write)

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write `last.pth`; once it is there, its `step` is `saved_step`."""
        self._writer.wait()
        copied = self._snapshot.take(state, "state")
        self._synchronise()

        def write() -> None:
            save_tensors(self.folder.last, copied)
            self.saved_step = copied["step"]

        self._writer.submit(write)

    def save_best(self) -> None:
        """Write the generator as the best so far, at once."""
        save_tensors(self.folder.best, self.s4gan.generator.state_dict())

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            Exception: whatever it raised.
        """
        self._writer.wait()

    def check_space(self) -> None:
        """Stop before any training whose checkpoints the disk cannot take.

        Raises:
            OptionError: says how much is needed, and which options cost less.
        """
        size = self._size()
        kept, needed = checkpoint_space(size, self.args.num_steps, self.args.save_pred_every, self.args.keep_last)
        free = self.folder.free_space()
        if needed > free:
            raise OptionError(
                f"{kept} checkpoints of {size / 1e6:.0f} MB and the state need {needed / 1e9:.1f} GB, but "
                f"{free / 1e9:.1f} GB are free at {self.folder.path}; raise --save-pred-every, give --keep-last, or "
                "another --checkpoint-dir"
            )

    def say_disk_use(self) -> None:
        """Tell what checkpoints asked of the disk, and whether training had to wait for it."""
        times = self._times
        if len(times) > 1:
            seconds, megabytes = (times[-1] - times[0]) / (len(times) - 1), self._size() / 1e6
            say(
                f"checkpoints of {megabytes:.0f} MB every {seconds:.1f} s: {megabytes / seconds:.1f} MB/s; "
                f"training waited {self._writer.waited:.1f} s for the disk"
            )

    def _size(self) -> int:
        """Bytes of a checkpoint, generator and discriminator together."""
        networks = [self.s4gan.generator, *([self.s4gan.discriminator] if self.s4gan.discriminator else [])]
        return sum(t.numel() * t.element_size() for network in networks for t in network.state_dict().values())

    def _synchronise(self) -> None:
        if self.s4gan.device.type == "cuda":
            torch.cuda.synchronize(self.s4gan.device)
