"""The folder of a training run: its files, their names, and what a later command needs to know."""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from utils.errors import OptionError
from utils.runs.output import Kind, OutputFolder
from utils.runs.space import file_bytes
from utils.settings import SettingsError
from utils.wording import worded

EVENTS = r"tensorboard/events\.out\.tfevents\..*"
TRAINING = Kind(
    noun="a run",
    option="checkpoint_dir",
    record="options.json",
    record_key="options",
    files=r"checkpoint\d+(_D)?\.pth|(last|best)\.pth|options\.json|metrics\.csv|labelled_names\.txt"
    rf"|(curves|tiles)\.png|{EVENTS}",
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

    def generator(self, step: int) -> Path:
        """The generator after `step` steps."""
        return self.path / f"checkpoint{step}.pth"

    def network(self, step: int, ending: str) -> Path:
        """One of a method's networks after `step` steps, by what its file's name ends in: "" is the evaluated one."""
        return self.path / f"checkpoint{step}{ending}.pth"

    def discriminator(self, step: int) -> Path:
        """The discriminator after `step` steps."""
        return self.path / f"checkpoint{step}_D.pth"

    def steps(self) -> list[int]:
        """Steps of which there is a generator, in order."""
        if not self.path.is_dir():
            return []
        names = (re.fullmatch(r"checkpoint(\d+)\.pth", path.name) for path in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name)

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
        newest = self.generator(steps[-1]) if steps else self.best
        given = worded("{restore_from} {}", newest)
        if steps and self.discriminator(steps[-1]).exists():
            given += worded(" {restore_from_D} {}", self.discriminator(steps[-1]))
        return worded("restore it, or begin another run in another {checkpoint_dir} with {}", given)

    def bytes_after(self, step: int) -> int:
        """Bytes of checkpoints of steps after `step`, which `cut_back` removes."""
        later = [later for later in self.steps() if later > step]
        return file_bytes(path for n in later for path in (self.generator(n), self.discriminator(n)))

    def cut_back(self, step: int) -> None:
        """Remove half-written files, and checkpoints of steps after `step`, which a resumed run will make again."""
        self.remove_unfinished()
        self.remove_steps([later for later in self.steps() if later > step])

    def remove_steps(self, steps: Iterable[int]) -> None:
        """Remove the checkpoints of these steps."""
        for step in steps:
            self.generator(step).unlink(missing_ok=True)
            self.discriminator(step).unlink(missing_ok=True)

    def keep_newest(self, count: int, best_step: int | None) -> None:
        """Remove all but the newest checkpoints and the best one."""
        self.remove_steps([step for step in self.steps()[:-count] if step != best_step])


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
