"""Files that are put in place together: all of them, or none; and one process at a time that does so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.closing import Closing
from utils.paths import private_name
from utils.runs.files import make_folder, storage_error
from utils.runs.lock import FolderLock


class Placement(Closing):
    """Files that wait beside their places until `commit`; a context manager that removes what was not put in place."""

    def __init__(self) -> None:
        self._staged: dict[Path, Path] = {}  # by place
        self._folders: list[Path] = []  # that were made, the outer ones first

    def close(self) -> None:
        """Remove what was not put in place."""
        for staged in self._staged.values():
            with suppress(OSError):
                staged.unlink(missing_ok=True)
        for folder in reversed(self._folders):
            with suppress(OSError):  # it holds something
                folder.rmdir()

    def stage(self, path: Path, content: bytes) -> Path:
        """Write a file beside its place; returns where.

        Raises:
            OptionError: the folder cannot be written.
            DataError: the disk is full.
        """
        self._folders += [folder for folder in reversed(path.parents) if not folder.exists()]
        make_folder(path.parent)
        staged = self._staged[path] = private_name(path, ".part")
        try:
            with staged.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(path, error) from error
        return staged

    def commit(self) -> None:
        """Put all files in place.

        Raises:
            OptionError: one cannot be; all places hold what they held before.
        """
        done: list[tuple[Path, Path | None]] = []  # a place, and where that which was there lies now
        try:
            for path, staged in self._staged.items():
                aside = private_name(path, ".before.part") if os.path.lexists(path) else None
                done.append((path, aside))  # before it is so: an interruption may come between
                if aside is not None:
                    path.rename(aside)
                staged.rename(path)
        except BaseException as error:
            for path, aside in reversed(done):
                if aside is None:
                    path.unlink(missing_ok=True)
                elif os.path.lexists(aside):
                    aside.replace(path)
            if isinstance(error, OSError):
                raise storage_error(Path(error.filename or "a mask"), error) from error
            raise
        for _, aside in done:
            if aside is not None:
                with suppress(OSError):
                    aside.unlink()


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Keep other processes that label out for the time of a block.

    Raises:
        OptionError: one is at work, or the folder cannot be written.
    """
    lock = FolderLock(data_dir)
    lock.acquire("run it later")
    try:
        yield
    finally:
        lock.release()
