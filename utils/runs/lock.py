"""One writer a folder: a lock that names its process and ends with it."""

import errno
import json
import os
import secrets
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from utils.errors import OptionError
from utils.runs.files import storage_error

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)  # a locked byte cannot be read: one far behind the text
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOCK = ".lock"
_LOCKED_BYTE = 1 << 30
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
_SIGN_OF_LIFE = 30.0  # seconds between two, where the file system has no locks
_ABANDONED = 10 * _SIGN_OF_LIFE

_held: "set[FolderLock]" = set()


class FolderTakenError(OptionError):
    """Another process writes into the folder."""


class FolderLock:
    """The right to write into a folder, held by one process at a time.

    The operating system's lock on a file ends with its process, however that ends. On a file system without locks the
    file's text and its time count instead: a process that was killed gives no sign of life any more.

    Args:
        folder: it has to exist.

    Attributes:
        was_left: whether the process before was killed: its file was still there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LOCK
        self.was_left = False
        self._descriptor: int | None = None
        self._over = threading.Event()

    def acquire(self, advice: str) -> None:
        """Take the lock.

        Args:
            advice: what the user can do if another process holds it, beside waiting for that one or ending it.

        Raises:
            FolderTakenError: another process holds it.
            OptionError: the file cannot be written.
            DataError: the disk is full.
        """
        try:
            while not self._try(advice):
                pass
        except OSError as error:
            if self in _held:  # it is locked, but the disk took no text
                self.release()
            raise storage_error(self.path, error) from error
        finally:
            if self not in _held:
                self._close()

    def release(self) -> None:
        """Give the lock back, and remove its file."""
        if self._descriptor is None:
            return
        self._over.set()
        _held.discard(self)
        if sys.platform == "win32":  # where an open file cannot be removed
            self._close()
        with suppress(OSError):
            self.path.unlink()
        self._close()

    @property
    def descriptor(self) -> int | None:
        """The open file: a process that gets it too holds the lock as long as it lives; None where it is not held.

        It is for a command that this process starts and waits for: if this process is killed, the lock stays until
        the command has ended too.
        """
        return self._descriptor

    def _try(self, advice: str) -> bool:
        """Take the lock, or raise; False where the file was removed meanwhile by the process that held it."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        before = _read(self._descriptor)
        is_taken = False
        has_locks = True
        try:
            _lock(self._descriptor)
        except OSError as error:
            is_taken = error.errno in _TAKEN
            has_locks = is_taken
        if not has_locks:
            is_taken = before is not None and self._gives_signs_of_life(before)
        if is_taken:
            raise FolderTakenError(
                f"{self.folder} is being written by {_in_words(before)}; wait until it has ended, end it, or {advice}"
            )
        if not self._is_same_file():
            self._close()
            return False
        _held.add(self)
        self.was_left = before is not None
        own = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        _write(self._descriptor, own | ({} if has_locks else {"token": secrets.token_hex(8)}))
        if not has_locks:
            self._begin_signs_of_life(advice)
        return True

    def _is_same_file(self) -> bool:
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # --- without locks --------------------------------------------------------------------------------------------

    def _gives_signs_of_life(self, holder: dict[str, Any]) -> bool:
        """Whether the file's process lives: as far as this host knows, or by the file's time."""
        if holder.get("host") == socket.gethostname() and has_ended(holder.get("process")):
            return False
        now = self.folder / f"{LOCK}.{secrets.token_hex(4)}.part"  # its time is the file system's own
        now.touch()
        age = now.stat().st_mtime - self.path.stat().st_mtime
        now.unlink()
        return age < _ABANDONED

    def _begin_signs_of_life(self, advice: str) -> None:
        """Touch the file now and then, unless another process wrote its name over this one's meanwhile."""
        assert self._descriptor is not None
        own = _read(self._descriptor)
        time.sleep(0.05)
        if (found := _read(self._descriptor)) != own:
            _held.discard(self)
            raise FolderTakenError(f"{self.folder} is being written by {_in_words(found)}; wait for it, or {advice}")

        def touch() -> None:
            while not self._over.wait(_SIGN_OF_LIFE):
                with suppress(OSError):
                    os.utime(self.path)

        threading.Thread(target=touch, daemon=True).start()


def _read(descriptor: int) -> dict[str, Any] | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 1000)
    if not text:
        return None
    with suppress(ValueError):
        if isinstance(holder := json.loads(text), dict):
            return holder
    return {}


def _write(descriptor: int, holder: dict[str, Any]) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(holder).encode() + b"\n")


def _in_words(holder: dict[str, Any] | None) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')} since {holder.get('since')}"


def has_ended(process: object) -> bool:
    """Whether this host has no process of this number any more; False where it cannot tell."""
    if sys.platform == "win32" or not isinstance(process, int):  # there, signal 0 ends a process
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _leave_to_parent() -> None:
    """Close a loader process's copies, with which the locks would outlive the process that holds them."""
    for lock in _held:
        lock._close()
    _held.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is copied
    os.register_at_fork(after_in_child=_leave_to_parent)
