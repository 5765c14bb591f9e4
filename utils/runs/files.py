"""Files that survive an interruption: written under a temporary name, then renamed."""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.errors import DataError, OptionError
from utils.paths import no_file, private_name, read_bytes, reason_of
from utils.runs.damage import what_is_wrong


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that its name holds either the old content or the new, never a part.

    Args:
        path: the file; its folder is made where it is missing.
        write: called with the open temporary file.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full.
    """
    temporary = private_name(path, ".part")
    try:
        make_folder(path.parent)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    except RuntimeError as error:  # torch's zip writer hides the operating system's error in one of its own
        if isinstance(error.__context__, OSError):
            raise storage_error(path, error.__context__) from error
        if "PytorchStreamWriter" in str(error) or "unexpected pos" in str(error):
            raise DataError(f"{path} could not be written; is the disk full? Free some space and run again") from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        OptionError: it cannot be made.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def storage_error(path: Path, error: OSError) -> OptionError | DataError:
    """The user's view of an operating system's error while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"{path} could not be written: the disk is full; free some space or choose another folder")
    return OptionError(f"{path} could not be written ({reason_of(error)}); choose a folder that you may write to")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong with `path` in a block as `storage_error` words it."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Bytes of a file's name that are not UTF-8, which Python reads as lone surrogates, are written as `\\udcff`: JSON
    reads that back as it was.
    """
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def write_names(path: Path, names: Iterable[str]) -> None:
    """Write a list of names, one a line, atomically."""
    write_text(path, "".join(f"{name}\n" for name in names))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, readable and in the order of its keys' making."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: not there, malformed, or not an object.
    """
    content = read_bytes(path)
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error}); restore it or remove it") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds {type(value).__name__}, expected an object with named values")
    return value


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a numpy array atomically, without pickled objects."""
    write_atomically(path, lambda file: np.save(file, array, allow_pickle=False))


def save_tensors(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values atomically, so that `weights_only=True` reads them back."""
    import torch  # takes seconds, which who writes no tensors need not wait for

    write_atomically(path, lambda file: torch.save(dict(state), file))


def load_state(path: Path, advice: str = "restore it, or start over") -> dict[str, Any]:
    """Read what `save_tensors` wrote: tensors and plain values, on the CPU.

    Args:
        path: the file.
        advice: what to do where it cannot be used.

    Raises:
        DataError: damaged, or not such a file.
    """
    if (fault := no_file(path)) is not None:
        raise DataError(f"{path} cannot be read (it {fault}); restore it, or start over")
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch meets damaged bytes with almost any exception
        raise DataError(f"{path} cannot be read: {what_is_wrong(path)}; {advice}") from error
    if not isinstance(state, dict):
        raise DataError(f"{path} holds {type(state).__name__}, expected a saved state; {advice}")
    return state
