"""The folder of a training run: its files, their names, and what a later command needs to know."""

import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from utils.runs.files import make_folder, read_json, remove_unfinished, write_json
from utils.errors import OptionError


class RunFolder:
    """Checkpoints by step, `last.pth` for resuming, `best.pth`, `options.json`, `metrics.csv` and pictures.

    Args:
        path: the folder; `begin` makes it where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options, self.metrics = path / "options.json", path / "metrics.csv"
        self.last, self.best = path / "last.pth", path / "best.pth"
        self.labelled_names = path / "labelled_names.txt"

    def generator(self, step: int) -> Path:
        """The generator after `step` steps."""
        return self.path / f"checkpoint{step}.pth"

    def discriminator(self, step: int) -> Path:
        """The discriminator after `step` steps."""
        return self.path / f"checkpoint{step}_D.pth"

    def steps(self) -> list[int]:
        """Steps of which there is a generator, in order."""
        if not self.path.is_dir():
            return []
        names = (re.fullmatch(r"checkpoint(\d+)\.pth", path.name) for path in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def holds_run(self) -> bool:
        """Whether a run has written here."""
        return self.options.exists() or self.last.exists() or bool(self.steps())

    def begin(self, overwrite: bool) -> None:
        """Make room for a new run.

        Raises:
            OptionError: the folder cannot be made, or holds a run and `overwrite` is False.
        """
        make_folder(self.path)
        remove_unfinished(self.path)
        if not self.holds_run():
            return
        if not overwrite:
            raise OptionError(
                f"{self.path} holds a run already; --resume goes on with it, --overwrite replaces it, "
                "or give another --checkpoint-dir"
            )
        self.remove_steps(self.steps())
        for path in (self.last, self.best, self.options, self.metrics, self.labelled_names, self.path / "curves.png"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.path / "tensorboard", ignore_errors=True)

    def cut_back(self, step: int) -> None:
        """Remove half-written files, and checkpoints of steps after `step`, which a resumed run will make again."""
        remove_unfinished(self.path)
        self.remove_steps([later for later in self.steps() if later > step])

    def remove_steps(self, steps: Iterable[int]) -> None:
        """Remove the checkpoints of these steps."""
        for step in steps:
            self.generator(step).unlink(missing_ok=True)
            self.discriminator(step).unlink(missing_ok=True)

    def keep_newest(self, count: int, best_step: int | None) -> None:
        """Remove all but the newest checkpoints and the best one."""
        self.remove_steps([step for step in self.steps()[:-count] if step != best_step])

    def free_space(self) -> int:
        """Bytes free at the folder."""
        return shutil.disk_usage(self.path).free

    def write_options(self, options: dict[str, Any]) -> None:
        """Record the run's options and what evaluation needs to know."""
        write_json(self.options, options)

    def read_options(self) -> dict[str, Any]:
        """What `write_options` recorded; empty where the file is not there.

        Raises:
            DataError: the file is no JSON object.
        """
        return read_json(self.options) if self.options.is_file() else {}


def checkpoint_space(size: int, num_steps: int, save_every: int, keep_last: int | None = None) -> tuple[int, int]:
    """How many checkpoints a run keeps, and the bytes that they and its state take.

    Args:
        size: bytes of one checkpoint, generator and discriminator together.
        num_steps: steps of the run.
        save_every: steps between checkpoints.
        keep_last: checkpoints kept beside the best one; None: all.
    """
    files = -(-num_steps // save_every)
    kept = min(files, keep_last + 1) if keep_last else files
    return kept, kept * size + 4 * size  # and last.pth, its predecessor until the rename, and best.pth


def refuse_other_options(
    recorded: Mapping[str, Any], given: Mapping[str, Any], free: Collection[str], folder: Path, folder_option: str
) -> None:
    """Refuse to resume a run with other options.

    Args:
        recorded, given: options of the run and of now, as plain values.
        free: names of options that may differ.
        folder: the run's folder.
        folder_option: the option that names it.

    Raises:
        OptionError: says which options differ, and how.
    """
    differing = [
        f"--{name.replace('_', '-')} was {recorded.get(name)} and is {value}"
        for name, value in given.items()
        if name not in free and recorded.get(name) != value
    ]
    if differing:
        raise OptionError(
            f"the run in {folder} cannot be resumed with other options: {'; '.join(differing)}; "
            f"give the same ones, or another {folder_option}"
        )
