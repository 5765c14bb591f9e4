"""Who uses which slabs: each process has a folder in the cache that names them, locked for as long as it lives.

The folder of a process that was killed is no longer locked (see `FolderLock`) and counts for nothing. Loader processes
are covered by the process that started them.
"""

import atexit
import json
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from utils.errors import DataError, UserError
from utils.runs.files import storage_error
from utils.runs.lock import FolderLock
from utils.wording import worded

USER = "user-"
_SLABS = "slabs.json"
_TRIES = 20

_guard = threading.RLock()  # taken again by a finalizer that runs while it is held
_users: "dict[Path, _User]" = {}


class _User:
    """This process as a user of a cache folder."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.uses: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Make the folder and lock it; another process may take it for one that was left, and remove it, before."""
        for tried in range(_TRIES):
            self.folder = self.cache / f"{USER}{os.getpid()}-{secrets.token_hex(4)}"
            self.lock = FolderLock(self.folder)
            try:
                self.folder.mkdir()
                self.lock.acquire(worded("give {cache_dir}"))
                return
            except (OSError, UserError) as error:
                shutil.rmtree(self.folder, ignore_errors=True)
                if isinstance(error, OSError):
                    raise storage_error(self.cache, error) from error
                if tried + 1 == _TRIES or not isinstance(error.__cause__, FileNotFoundError | None):
                    raise

    def say(self) -> None:
        """Write down which slabs are used; anew where the cache was removed meanwhile."""
        if not self.folder.is_dir():
            self.lock.release()
            self.begin()
        new = self.folder / f"{_SLABS}.new"
        new.write_bytes(json.dumps(sorted(self.uses)).encode())
        new.replace(self.folder / _SLABS)

    def end(self, names: Iterable[str]) -> None:
        """Count one use less of each."""
        self.uses.subtract(names)
        self.uses = +self.uses

    def leave(self) -> None:
        self.lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def hold(cache: Path, names: Iterable[str]) -> None:
    """Say that this process uses slabs; as often as it was said, `let_go` takes it back.

    Raises:
        DataError: the disk is full.
        OptionError: the folder cannot be written.
    """
    names = list(names)
    if not names:
        return
    with _guard:
        user = _users.get(cache) or _users.setdefault(cache, _User(cache))
        before = len(user.uses)
        user.uses.update(names)
        if len(user.uses) == before and user.folder.is_dir():
            return
        try:
            user.say()
        except (OSError, UserError) as error:
            user.end(names)
            if isinstance(error, OSError):
                raise storage_error(cache, error) from error
            raise


def let_go(cache: Path, names: Iterable[str]) -> None:
    """Take one `hold` back."""
    with _guard:
        if (user := _users.get(cache)) is None:
            return
        before = len(user.uses)
        user.end(names)
        with suppress(OSError, UserError):
            if len(user.uses) < before and user.folder.is_dir():
                user.say()


class Hold:
    """Slabs that this process uses for one purpose, until it is released.

    Args:
        cache: the cache folder.
    """

    def __init__(self, cache: Path) -> None:
        self.cache, self.process = cache, os.getpid()
        self.names: frozenset[str] = frozenset()

    def change_to(self, names: Iterable[str]) -> None:
        """Use these from now on, and no others; errors as of `hold`."""
        before, self.names = self.names, frozenset()
        names = frozenset(names)
        try:
            hold(self.cache, names)
            self.names = names
        except DataError:  # the disk is full: they are used all the same, and decoded if they are removed meanwhile
            pass
        finally:
            let_go(self.cache, before)

    def add(self, name: str) -> None:
        """Use one more."""
        if name not in self.names:
            hold(self.cache, [name])
            self.names |= {name}

    def release(self) -> None:
        """Use none; in a process that was forked, what the other one uses stays."""
        if self.process == os.getpid():
            self.change_to([])


def own_names(cache: Path) -> set[str]:
    """Names of the slabs that this process uses."""
    with _guard:
        user = _users.get(cache)
        return set(user.uses) if user else set()


def names_in_use(cache: Path) -> set[str]:
    """Names of the slabs that living processes use; folders of processes that were killed are removed."""
    own, in_use = _users.get(cache), own_names(cache)
    for folder in cache.glob(f"{USER}*"):
        if (own is None or folder != own.folder) and _is_alive(folder):
            with suppress(OSError, ValueError):
                in_use.update(json.loads((folder / _SLABS).read_text(encoding="utf-8")))
    return in_use


def _is_alive(folder: Path) -> bool:
    lock = FolderLock(folder)
    try:
        lock.acquire("wait")
    except UserError:
        return folder.is_dir()
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _leave_all() -> None:
    with _guard:
        for user in _users.values():
            user.leave()
        _users.clear()


def _forget() -> None:
    """In a forked process: it is no user, and the folders are the other's."""
    global _guard
    _guard = threading.RLock()
    _users.clear()


atexit.register(_leave_all)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is copied
    os.register_at_fork(after_in_child=_forget)
