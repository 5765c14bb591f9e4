"""Writing a run's networks and state: checkpoints by step, the best network, and what a resumed run needs."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from model.methods.method import Method
from utils.console import say
from utils.runs.background import BackgroundWriter, Snapshot
from utils.runs.files import save_tensors
from utils.runs.folder import RunFolder
from utils.runs.space import RunSpace, as_size, as_sizes, file_bytes, free_space, network_bytes
from utils.settings import SettingsError


class CheckpointWriter:
    """Writes the networks of a run in the background, while training goes on.

    Args:
        folder: the run's files.
        method: the networks.
        save_every: steps between checkpoints.
        keep_last: checkpoints that are kept beside the best; None: all.
        validates: whether there is a best network.

    Attributes:
        saved_step: steps finished of the state on the disk; None where there is none.
    """

    def __init__(
        self, folder: RunFolder, method: Method, save_every: int, keep_last: int | None = None, validates: bool = False
    ) -> None:
        self.folder, self.method = folder, method
        sizes = {ending: network_bytes(network) for ending, network in method.networks().items()}
        evaluated, student = sizes.pop(""), sizes.pop("_student", 0)
        others, steps = sum(sizes.values()), method.settings.num_steps
        self._space = RunSpace(evaluated, others, steps, save_every, keep_last, validates, student)
        self._writer, self._snapshot = BackgroundWriter(), Snapshot()
        self._times: list[float] = []
        self.saved_step: int | None = None

    def save(self, step: int, best_step: int) -> None:
        """Write all networks, and remove old ones but for the best where only the newest are kept."""
        self._times.append(time.perf_counter())
        self._writer.wait()
        networks = self.method.networks()
        copies = {ending: self._snapshot.take(n.state_dict(), f"network{ending}") for ending, n in networks.items()}
        self._synchronise()

        def write() -> None:
            for ending in reversed(copies):  # the evaluated network last: its file says that the others are there
                save_tensors(self.folder.network(step, ending), copies[ending])
            if self._space.keep_last:
                self.folder.keep_newest(self._space.keep_last, best_step)

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
        """Write the evaluated network as the best so far, at once; after the state, without which it is no use."""
        self._writer.wait()
        save_tensors(self.folder.best, self.method.evaluated.state_dict())

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            Exception: whatever it raised.
        """
        self._writer.wait()

    def check_space(self, resumed_at: int | None = None) -> None:
        """Stop before anything is removed or trained where the disk cannot take what is still to be written.

        Args:
            resumed_at: steps finished of a run that is resumed; None: a run begins, in place of what the folder holds.

        Raises:
            SettingsError: says how much is needed, and which settings cost less.
        """
        folder, step, present, sizes = self.folder, resumed_at or 0, 0, {}
        free = free_space(folder.path)
        if resumed_at is None:
            free += folder.replaceable_bytes()
        else:
            free += folder.bytes_after(step)
            present = len([earlier for earlier in folder.steps() if earlier <= step])
            sizes = {"last": file_bytes([folder.last]), "best": file_bytes([folder.best])}
        needed = self._space.needed(step, present, **sizes)
        if needed > free:
            texts = as_sizes(needed, free)
            raise SettingsError(
                f"{self._space.checkpoints(step, present)} checkpoints of {as_size(self._space.checkpoint)} and the "
                f"state need {texts[0]}, but {texts[1]} are free at {{}}; raise {{save_pred_every}}, give "
                "{keep_last}, or another {checkpoint_dir}",
                folder.path,
            )

    def is_tight(self) -> bool:
        """Whether the disk takes a state only where the run before makes room for it."""
        return free_space(self.folder.path) < self._space.state

    def say_disk_use(self) -> None:
        """Tell what checkpoints asked of the disk, and whether training had to wait for it."""
        times = self._times
        if len(times) > 1:
            seconds, size = (times[-1] - times[0]) / (len(times) - 1), self._space.checkpoint
            say(
                f"checkpoints of {as_size(size)} every {seconds:.1f} s: {as_size(round(size / seconds))}/s; "
                f"training waited {self._writer.waited:.1f} s for the disk"
            )

    def _synchronise(self) -> None:
        if self.method.device.type == "cuda":
            torch.cuda.synchronize(self.method.device)
