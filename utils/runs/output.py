"""A folder that one command at a time writes into: what is refused, what is replaced, and what stays."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from utils.compute import distributed
from utils.console import say
from utils.errors import DataError
from utils.paths import private_name
from utils.runs.files import make_folder, read_json, storage_errors
from utils.runs.lock import LOCK, FolderLock
from utils.settings import SettingsError
from utils.suggest import first_names
from utils.wording import worded

REPLACED = ".replaced"  # holds the run before until the new one has something to show
_UNFINISHED = r"\..+\.(\d+-)?[0-9a-f]+\.part"  # what a process leaves that is killed while it writes


@dataclass(frozen=True)
class Kind:
    """What a command writes into its folder, and how it speaks of it.

    Attributes:
        noun: what the folder then holds, such as "a run".
        option: the field of the settings that names the folder.
        record: the file with which a run begins; it is written when the run can begin.
        record_key: a key of its JSON, which tells it from those of other commands.
        files: regular expression on the paths, below the folder, of all files that the command writes.
        worth: those of them that only `overwrite` may replace.
        folders: folders in which there are such files.
        people: files in which people write: they stay, as is known.
        can_resume: whether a run can be gone on with.
    """

    noun: str
    option: str
    record: str
    record_key: str
    files: str
    worth: str
    folders: tuple[str, ...] = ()
    people: str = r"(?!)"
    can_resume: bool = False

    @property
    def field(self) -> str:
        """The field `option` as messages name it; see `utils.wording`."""
        return f"{{{self.option}}}"


class OutputFolder:
    """A folder of one kind. Writing into it goes in this order:

    1. `claim` refuses what cannot be, and keeps other processes out until the end of its block.
    2. Whatever else can refuse, does.
    3. `begin` sets the run before aside and names the files of others, which stay; then the run's first files come.
    4. `establish`, once the run has something to show, removes the run before.

    A block that ends with an error between 3 and 4, or is interrupted there, leaves the folder as it was; so does the first `claim` after a
    process that was killed there, unless the new run has its record already and can be resumed.

    Args:
        path: the folder; `claim` makes it where it is missing.
        kind: what is written there.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path, self.kind = path, kind
        self.record = path / kind.record
        self._aside = path / REPLACED
        self._is_begun = False

    # --- in this order ------------------------------------------------------------------------------------------------

    @contextmanager
    def claim(self, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
        """Hold the folder for the time of a block; of several processes the main one does.

        Raises:
            OptionError: it holds a run, and neither `resume` nor `overwrite` is True; another process writes there; a
                file of another command or of a person has the name of one of ours; or it cannot be written.
            DataError: the disk is full.
        """
        if not distributed.is_main():
            yield
            return
        if self.path.exists() and not self.path.is_dir():
            raise SettingsError(f"{{}} is a file; give a folder as {self.kind.field}", self.path)
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        make_folder(self.path)
        lock = FolderLock(self.path)
        try:
            lock.acquire(worded(f"give another {self.kind.field}"))
            with storage_errors(self.path):
                self._recover(lock.was_left)
            if not resume:
                self._refuse(overwrite)
            elif self.holds_run and not self.record.exists():
                raise SettingsError(
                    "{} is not there, so this run cannot be resumed; restore it, or start over with {overwrite}",
                    self.record,
                )
            yield
            self.establish()
        except BaseException as error:
            can_go_on = self.kind.can_resume and self.record.exists() and not self._aside.is_dir()
            if isinstance(error, Exception) or not can_go_on:
                self._roll_back()
            raise  # a run that was interrupted before its first step can be resumed
        finally:
            lock.release()
            for folder in missing:
                with suppress(OSError):  # it holds something
                    folder.rmdir()

    def begin(self) -> None:
        """Set the run before aside, and say which files stay that are not of this command.

        Raises:
            OptionError: a file cannot be moved.
        """
        was_run = self.holds_run
        ours, others = self._look()
        with storage_errors(self.path):
            self.remove_unfinished()
            self._is_begun = True
            self._move(ours, self.path, self._aside, first=self.kind.record)
        if was_run and others:
            say(f"kept in {self.path}, as this command did not write them: {first_names(others, 10)}")

    def establish(self) -> None:
        """Remove the run before; from now on an error leaves what the new one has written."""
        if self._is_begun:
            self._is_begun = False
            with suppress(OSError):  # it is not there: nothing was set aside
                removed = private_name(self._aside, ".part")
                self._aside.rename(removed)  # at once: from now on a kill brings nothing back
                shutil.rmtree(removed, ignore_errors=True)

    # --- what is there ------------------------------------------------------------------------------------------------

    @property
    def holds_run(self) -> bool:
        """Whether there is something that only `overwrite` may replace."""
        return self._holds_worth()

    def is_ours(self, name: str) -> bool:
        """Whether a file is one that this command writes; `name` is its path below the folder, with `/`."""
        return re.fullmatch(self.kind.files, name) is not None

    def replaceable_bytes(self) -> int:
        """Bytes of the run that is there or set aside, which `establish` frees."""
        aside = (path for path in self._aside.rglob("*") if path.is_file())
        return sum(path.lstat().st_size for path in (*(self.path / name for name in self._look()[0]), *aside))

    def remove_unfinished(self) -> None:
        """Remove the temporary files and folders that a process left which was killed while it wrote."""
        for _, path in self._entries():
            if not _is_unfinished(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _holds_worth(self) -> bool:
        return any(re.fullmatch(self.kind.worth, name) for name in self._look()[0])

    def _look(self) -> tuple[list[str], list[str]]:
        """Paths below the folder: files of ours, and files and folders of others."""
        ours, others = [], []
        for name, path in self._entries():
            if _is_unfinished(path):
                continue
            if self.is_ours(name) and not path.is_dir():
                ours.append(name)
            elif not re.fullmatch(self.kind.people, name):
                others.append(f"{name}/" if path.is_dir() else name)
        return ours, others

    def _entries(self) -> Iterator[tuple[str, Path]]:
        """What lies in the folder and in those of its folders that are ours, without what this class keeps there."""
        for path in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            if path.name in (LOCK, REPLACED):
                continue
            if path.name not in self.kind.folders or path.is_symlink() or not path.is_dir():
                yield path.name, path
                continue
            for folder, folders, names in os.walk(path):
                unfinished = [name for name in folders if _is_unfinished(Path(name))]
                folders[:] = [name for name in folders if name not in unfinished]
                for name in sorted(names + unfinished):
                    below = Path(folder, name)
                    yield below.relative_to(self.path).as_posix(), below

    # --- refusing -----------------------------------------------------------------------------------------------------

    def _refuse(self, overwrite: bool) -> None:
        """Refuse to begin a run."""
        kind = self.kind
        if self._is_of_another_command():
            raise SettingsError(f"{{}} was written by another command; give another {kind.field}", self.record)
        holds_run = self.holds_run
        if holds_run and not overwrite:
            to_resume = "{resume} to go on, " if kind.can_resume else ""
            raise SettingsError(
                f"{{}} holds {kind.noun} already; give {to_resume}{{overwrite}} to replace it, or another {kind.field}",
                self.path,
            )
        in_the_way = [name for name, path in self._entries() if self._is_wrong_sort(name, path)]
        if not (holds_run or self.record.exists()):
            in_the_way += self._look()[0]
        if in_the_way:
            raise SettingsError(
                f"{{}} is there, but not by this command; move it, or give another {kind.field}",
                self.path / in_the_way[0],
            )

    def _is_wrong_sort(self, name: str, path: Path) -> bool:
        """Whether a folder has the name of a file of ours, or a file that of a folder."""
        return (path.is_dir() and self.is_ours(name)) or (name in self.kind.folders and not path.is_dir())

    def _is_of_another_command(self) -> bool:
        with suppress(DataError, OSError):  # a damaged one may be replaced
            return self.record.is_file() and self.kind.record_key not in read_json(self.record)
        return False

    # --- moving -------------------------------------------------------------------------------------------------------

    def _recover(self, was_killed: bool) -> None:
        """Bring back what a killed process set aside, unless its new run can go on, and remove what is of no use.

        Args:
            was_killed: what is there without a run is the beginning of one; else it may be somebody's.
        """
        if self._aside.is_dir():
            is_empty = all(path.is_dir() for path in self._aside.rglob("*"))  # all is back already
            if self.record.exists() and (self.kind.can_resume or is_empty):
                shutil.rmtree(self._aside, ignore_errors=True)
            else:
                if self.record.exists():  # of a run that had nothing to show
                    self._remove_ours()
                self._bring_back()
        elif was_killed and not (self.record.exists() or self._holds_worth()):
            self._remove_ours()
        self.remove_unfinished()

    def _roll_back(self) -> None:
        """Remove the files of a run that did not come to anything, and bring the one before back."""
        if not self._is_begun:
            return
        self._is_begun = False
        with suppress(OSError):  # the error that led here counts; the next `claim` tries again
            self.record.unlink(missing_ok=True)
            self._remove_ours()
            self.remove_unfinished()
            self._bring_back()

    def _remove_ours(self) -> None:
        for name in sorted(self._look()[0], key=lambda name: name == self.kind.record):  # the record last
            (self.path / name).unlink(missing_ok=True)
        for name in self.kind.folders:
            _remove_empty(self.path / name)

    def _bring_back(self) -> None:
        names = [path.relative_to(self._aside).as_posix() for path in self._aside.rglob("*") if not path.is_dir()]
        self._move(names, self._aside, self.path, last=self.kind.record)
        shutil.rmtree(self._aside, ignore_errors=True)
        for name in self.kind.folders:
            _remove_empty(self.path / name)

    def _move(self, names: list[str], source: Path, target: Path, first: str = "", last: str = "") -> None:
        """Move files, the record before or after all others: it says which run the rest belongs to."""
        for name in sorted(names, key=lambda name: (name != first, name == last)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).replace(target / name)
        if source == self.path:
            for name in self.kind.folders:
                _remove_empty(source / name)


def _is_unfinished(path: Path) -> bool:
    return re.fullmatch(_UNFINISHED, path.name) is not None


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it, as far as they are empty."""
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()
