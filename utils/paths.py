"""Paths: what lies at one, why it cannot be read, and file names that the file system takes."""

import hashlib
import os
import secrets
import stat
from pathlib import Path

from utils.errors import DataError, UserError

MISSING = "does not exist"  # what `no_file` says of a path where nothing lies
_LONGEST_BEGINNING = 200  # bytes of a private name before the process and the random part
LONGEST_NAME = 255  # bytes of one part of a path, on the file systems in common use


def no_file(path: Path) -> str | None:
    """Why a path cannot be opened as a file, to follow it in a message; None where a regular file lies there.

    Opening a pipe would wait for ever and a device may have no end, so this comes before reading.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        return MISSING
    except OSError as error:
        return f"cannot be reached ({reason_of(error)})"
    if stat.S_ISREG(mode):
        return None
    return "is a folder, not a file" if stat.S_ISDIR(mode) else "is a pipe, a socket or a device, not a file"


def reason_of(error: BaseException) -> str:
    """An error's own words on one line, without the number and the path of an operating system's."""
    if isinstance(error, OSError):
        within = getattr(error, "reason", None)  # of a URLError
        if isinstance(within, OSError):
            return reason_of(within)
        if error.strerror:
            return error.strerror.lower()
    return " ".join(str(error).split("\n")[0].split()) or type(error).__name__


def remedy_of(error: BaseException, otherwise: str) -> str:
    """What to do about an error of reading a file: see to the rights where they are what is missing."""
    return "check its rights" if isinstance(error, PermissionError) else otherwise


def read_bytes(path: Path, kind: type[UserError] = DataError) -> bytes:
    """The content of a file that a person named.

    Args:
        path: the file.
        kind: what is raised.

    Raises:
        DataError: (or `kind`) no regular file lies there, or it may not be read.
    """
    if (fault := no_file(path)) is not None:
        raise kind(f"{path} {fault}; check the path")
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind(f"{path} cannot be read ({reason_of(error)}); {remedy_of(error, 'check the file')}") from error


def fitting_name(stem: str, ending: str) -> str:
    """A file name that the file system takes: where it is too long, its end is replaced by a digest of the whole.

    Args:
        stem: the name without its ending.
        ending: what follows, such as `.png`.
    """
    return _fitted(stem, LONGEST_NAME - len(os.fsencode(ending))) + ending


def private_name(path: Path, ending: str = "") -> Path:
    """A new hidden name beside a path, of this process alone, that is no longer than the file system takes."""
    return path.with_name(f"{private_beginning(path)}.{os.getpid()}-{secrets.token_hex(4)}{ending}")


def private_beginning(path: Path) -> str:
    """What all private names of a path begin with, and those of no other."""
    return f".{_fitted(path.name, _LONGEST_BEGINNING)}"


def _fitted(name: str, count: int) -> str:
    """A name of at most `count` bytes, in which a digest replaces what is too much; no character is cut in two."""
    if len(os.fsencode(name)) <= count:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    while len(os.fsencode(name)) > count - 1 - len(digest):
        name = name[:-1]
    return f"{name}-{digest}"
