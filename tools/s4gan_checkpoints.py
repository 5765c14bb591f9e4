"""Writing a run's networks and state: checkpoints by step, the best generator, and what a resumed run needs."""

import argparse
import time
from collections.abc import Mapping
from typing import Any

import torch

from model.methods.method import Method
from utils.console import say
from utils.errors import OptionError
from utils.runs.background import BackgroundWriter, Snapshot
from utils.runs.files import save_tensors
from utils.runs.folder import RunFolder
from utils.runs.space import RunSpace, as_size, as_sizes, file_bytes, free_space, network_bytes


class CheckpointWriter:
    """Writes the networks of a run in the background, while training goes on.

    Args:
        args: the command's options.
        folder: the run's files.
        s4gan: the networks.
    """

    def __init__(self, args: argparse.Namespace, folder: RunFolder, method: Method) -> None:
        self.args, self.folder, self.method = args, folder, method
        self._writer, self._snapshot = BackgroundWriter(), Snapshot()
        self._times: list[float] = []
        self.saved_step: int | None = None  # of the state on the disk

    def save(self, step: int, best_step: int) -> None:
        """Write both networks, and remove old ones but for the best where only the newest are kept."""
        self._times.append(time.perf_counter())
        self._writer.wait()
        networks = self.method.networks()
        copies = {ending: self._snapshot.take(n.state_dict(), f"network{ending}") for ending, n in networks.items()}
        self._synchronise()

        def write() -> None:
            for ending in reversed(copies):  # the evaluated network last: its file says that the others are there
                save_tensors(self.folder.network(step, ending), copies[ending])
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
        """Write the generator as the best so far, at once; after the state under way, without which it is no use."""
        self._writer.wait()
        save_tensors(self.folder.best, self.method.evaluated.state_dict())

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            Exception: whatever it raised.
        """
        self._writer.wait()

    def check_space(self, step: int = 0) -> None:
        """Stop before anything is removed or trained where the disk cannot take what is still to be written.

        Args:
            step: steps finished of a run that is resumed; 0: one that begins, in place of what the folder holds.

        Raises:
            OptionError: says how much is needed, and which options cost less.
        """
        space, folder = self._space(), self.folder
        present = {}
        if self.args.resume:
            steps = len([earlier for earlier in folder.steps() if earlier <= step])
            present = {"present": steps, "last": file_bytes([folder.last]), "best": file_bytes([folder.best])}
        needed = space.needed(step, **present)
        free = free_space(folder.path) + (folder.bytes_after(step) if self.args.resume else folder.replaceable_bytes())
        if needed > free:
            kept = space.checkpoints(step, present.get("present", 0))
            texts = as_sizes(needed, free)
            raise OptionError(
                f"{kept} checkpoints of {as_size(space.checkpoint)} and the state need {texts[0]}, but {texts[1]} are "
                f"free at {folder.path}; raise --save-pred-every, give --keep-last, or another --checkpoint-dir"
            )

    def is_tight(self) -> bool:
        """Whether the disk takes a state only where the run before makes room for it."""
        return free_space(self.folder.path) < self._space().state

    def say_disk_use(self) -> None:
        """Tell what checkpoints asked of the disk, and whether training had to wait for it."""
        times = self._times
        if len(times) > 1:
            seconds, size = (times[-1] - times[0]) / (len(times) - 1), self._space().checkpoint
            say(
                f"checkpoints of {as_size(size)} every {seconds:.1f} s: {as_size(round(size / seconds))}/s; "
                f"training waited {self._writer.waited:.1f} s for the disk"
            )

    def _space(self) -> RunSpace:
        evaluated, *others = self.method.networks().values()
        return RunSpace(
            network_bytes(evaluated),
            sum(network_bytes(network) for network in others),
            self.args.num_steps,
            self.args.save_pred_every,
            self.args.keep_last,
            self.args.val_list is not None,
        )

    def _synchronise(self) -> None:
        if self.method.device.type == "cuda":
            torch.cuda.synchronize(self.method.device)
