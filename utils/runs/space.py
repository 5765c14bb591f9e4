"""Space on the disk: how large a run's files are, how much is free, and sizes in words."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import
    from torch import nn

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class RunSpace:
    """Bytes that a training run writes.

    Attributes:
        generator, discriminator: bytes of one file of each; 0 where there is no discriminator.
        num_steps: steps of the run.
        save_every: steps between checkpoints.
        keep_last: checkpoints kept beside the best one; None: all.
        validates: whether there is a best.pth.
        student: bytes of a file of the network that learns, where the generator is a teacher that averages it; else 0.
    """

    generator: int
    discriminator: int
    num_steps: int
    save_every: int
    keep_last: int | None = None
    validates: bool = False
    student: int = 0

    @property
    def checkpoint(self) -> int:
        """Bytes of a checkpoint, all networks together."""
        return self.generator + self.discriminator + self.student

    @property
    def state(self) -> int:
        """Bytes of last.pth at most: all networks, the momentum of SGD, both moments of Adam."""
        return 2 * self.generator + 3 * self.discriminator + self.student

    def checkpoints(self, step: int = 0, present: int = 0) -> int:
        """Checkpoints that the disk has to take at once beside those that are there.

        Args:
            step: steps finished.
            present: checkpoints of these steps that are there.
        """
        if step >= self.num_steps:
            return 0
        left = -(-self.num_steps // self.save_every) - step // self.save_every
        if self.keep_last is None:
            return left
        return min(left, max(1, self.keep_last + 2 - present))  # the best, and a new one before an old one goes

    def needed(self, step: int = 0, present: int = 0, last: int = 0, best: int = 0) -> int:
        """Bytes still to be written from a step on.

        Args:
            step, present: as for `checkpoints`.
            last, best: bytes of last.pth and best.pth as they are; each stays until its successor is whole.
        """
        if step >= self.num_steps:
            return 0
        best_space = max(0, 2 * self.generator - best) if self.validates else 0
        return self.checkpoints(step, present) * self.checkpoint + max(0, 2 * self.state - last) + best_space


def network_bytes(network: "nn.Module") -> int:
    """Bytes of a network's tensors, which are nearly those of its file."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def file_bytes(paths: Iterable[Path]) -> int:
    """Bytes of those files that are there."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def existing_folder(path: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    path = path.resolve()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def free_space(path: Path) -> int:
    """Bytes free where a folder is or will be made."""
    return shutil.disk_usage(existing_folder(path)).free


def as_sizes(*sizes: int) -> tuple[str, ...]:
    """Sizes to be compared, in one unit, with as many decimals as it takes for different ones to read differently."""
    factor, unit = next(((f, u) for f, u in _UNITS if max(sizes) >= f), (1, "bytes"))
    texts: tuple[str, ...] = ()
    for decimals in range(0 if factor == 1 else 1, 10):
        texts = tuple(f"{size / factor:.{decimals}f} {unit}" for size in sizes)
        if len(set(texts)) == len(set(sizes)):
            break
    return texts


def as_size(size: int) -> str:
    """A size in words: 36.4 GB, 187.0 MB."""
    return as_sizes(size)[0]
