"""The folder of a training run: its files, their names, and what a later command needs to know."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from utils.errors import OptionError
from utils.runs.output import Kind, OutputFolder
from utils.runs.space import file_bytes
from utils.settings import SettingsError
from utils.wording import worded

_CHECKPOINT = r"checkpoint(\d+)(_\w+)?\.pth"  # steps finished, and which of the method's networks
EVENTS = r"tensorboard/events\.out\.tfevents\..*"
TRAINING = Kind(
    noun="a run",
    option="checkpoint_dir",
    record="options.json",
    record_key="options",
    files=rf"{_CHECKPOINT}|(last|best)\.pth|options\.json|metrics\.csv|labelled_names\.txt"
    rf"|(curves|tiles)\.png|calibration\.json|{EVENTS}",
    worth=r"checkpoint\d+\.pth|(last|best)\.pth|options\.json",
    folders=("tensorboard",),
    can_resume=True,
)


class RunFolder(OutputFolder):
    """Checkpoints by step, `last.pth` for resuming, `best.pth`, `options.json`, `metrics.csv` and pictures.

    Args:
        path: the folder; looking into it does not make it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, TRAINING)
        self.options, self.metrics = path / "options.json", path / "metrics.csv"
        self.last, self.best = path / "last.pth", path / "best.pth"
        self.labelled_names = path / "labelled_names.txt"

    def network(self, step: int, ending: str = "") -> Path:
        """One of a method's networks after `step` steps, by what its file's name ends in: "" is the evaluated one."""
        return self.path / f"checkpoint{step}{ending}.pth"

    def steps(self) -> list[int]:
        """Steps of which the evaluated network is there, in order."""
        return sorted(step for step, ending, _ in self._checkpoints() if not ending)

    def check_state(self) -> None:
        """Refuse to resume where there is no run, or one that has checkpoints and has lost its state.

        Raises:
            OptionError: says which checkpoint another run could start from.
        """
        if not self.options.is_file():
            raise SettingsError("{checkpoint_dir} {} holds no run to resume; leave {resume} out", self.path)
        if (self.steps() or self.best.exists()) and not self.last.is_file():
            raise OptionError(f"{self.last} is not there, so this run cannot go on exactly; {self.way_out()}")

    def way_out(self) -> str:
        """What to do with a run whose state is lost: the newest weights that a new run could start from."""
        if not (steps := self.steps()) and not self.best.exists():
            return worded("restore it, or start over with {overwrite}")
        newest = self.network(steps[-1]) if steps else self.best
        given = worded("{restore_from} {}", newest)
        if steps and (discriminator := self.network(steps[-1], "_D")).exists():
            given += worded(" {restore_from_D} {}", discriminator)
        return worded("restore it, or begin another run in another {checkpoint_dir} with {}", given)

    def bytes_after(self, step: int) -> int:
        """Bytes of checkpoints of steps after `step`, which `cut_back` removes."""
        return file_bytes(path for later, _, path in self._checkpoints() if later > step)

    def cut_back(self, step: int) -> None:
        """Remove half-written files, and checkpoints of steps after `step`, which a resumed run will make again."""
        self.remove_unfinished()
        self._remove(lambda later: later > step)

    def keep_newest(self, count: int, best_step: int | None) -> None:
        """Remove all but the newest checkpoints and the best one, whatever networks they hold."""
        kept = {*self.steps()[-count:], best_step}
        self._remove(lambda step: step not in kept)

    def _remove(self, is_unwanted: Callable[[int], bool]) -> None:
        """Remove checkpoints by their step, the evaluated network first: its file says that the others are there."""
        for step, _, path in sorted(self._checkpoints()):
            if is_unwanted(step):
                path.unlink(missing_ok=True)

    def _checkpoints(self) -> list[tuple[int, str, Path]]:
        """Step, ending and file of each network of each checkpoint, in no order."""
        if not self.path.is_dir():
            return []
        found = ((re.fullmatch(_CHECKPOINT, path.name), path) for path in self.path.iterdir())
        return [(int(name[1]), name[2] or "", path) for name, path in found if name]


def refuse_other_options(
    recorded: Mapping[str, Any], given: Mapping[str, Any], free: Collection[str], folder: Path, folder_field: str
) -> None:
    """Refuse to resume a run with other options.

    Args:
        recorded, given: options of the run and of now, as plain values.
        free: names of options that may differ.
        folder: the run's folder.
        folder_field: the field of the settings that names it.

    Raises:
        OptionError: says which options differ, and how.
    """
    differing = [
        worded(f"{{{name}}} was {{}} and is {{}}", recorded.get(name), value)
        for name, value in given.items()
        if name not in free and recorded.get(name) != value
    ]
    if differing:
        raise SettingsError(
            "the run in {} cannot be resumed with other options: {}; give the same ones, or another "
            f"{{{folder_field}}}",
            folder,
            "; ".join(differing),
        )
