"""Weight files: read in any of torch's three formats without running anything they hold."""

import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

from model.weights.old_tar import read_old_tar, unbox
from model.weights.reasons import README, SAVE_STATE_DICT, UnreadableError, damaged, holds_code, weights_error
from utils.errors import DataError, OptionError
from utils.suggest import first_names

_CHECK = f"check the path, or download the file again ({README})"


PRETRAINING = "pretraining"  # the key, beside `state_dict`, under which our pre-trained weights say what they are


class WeightFile(NamedTuple):
    """What a file of weights holds: tensors on the CPU by name, and what it says of itself, None where nothing."""

    tensors: dict[str, Tensor]
    told: Any = None


def read_state_dict(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a weight file by name; see `read_weight_file`."""
    return read_weight_file(path).tensors


def read_weight_file(path: Path | str) -> WeightFile:
    """Read the tensors of a weight file by name, in any of torch's three formats, running no code of the file.

    A state dict wrapped as `{"state_dict": ...}` or `{"model": ...}`, names that all start with DataParallel's
    `module.`, and Parameters are unwrapped. Tensors of a zip file stay mapped to it until they are used.

    Args:
        path: the weight file.

    Raises:
        DataError: the file is damaged, holds code, or is something else than a state dict.
        OptionError: the path does not exist.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is said in the error
            head = _read_head(path)
            content = read_old_tar(path) if head[257:262] == b"ustar" else _read_with_torch(path, head)
            told = content.get(PRETRAINING) if isinstance(content, dict) else None
            return WeightFile(_unwrap(content), told)
    except UnreadableError as error:
        raise weights_error(path, *error.args) from error
    except (DataError, OptionError):
        raise
    except OSError as error:
        raise weights_error(path, f"cannot be read ({error.strerror or error})", "a file", "check the path") from error
    except Exception as error:  # damaged bytes surface as almost any exception
        raise weights_error(path, *_explain(path).args) from error


_FOREIGN_STARTS = {
    b"<": "a web page, not the file: the download saved what the server answered",
    b"\x93numpy": "a NumPy array (.npy)",
    b"version https://git-lfs": "a Git LFS pointer, not the file it stands for",
    b"\x1f\x8b": "a gzip archive",
    b"\x89hdf": "an HDF5 file",
}


def _read_head(path: Path) -> bytes:
    """First 512 bytes, after refusing what is plainly no weight file."""
    if not path.exists():
        raise OptionError(
            f"{path} does not exist; expected a file of weights; check the path, or fetch ImageNet weights ({README})"
        )
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise UnreadableError(kind, "a file of weights (.pth)", "name the file itself")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise UnreadableError("an empty file")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, kind in _FOREIGN_STARTS.items():
        if start.startswith(signature):
            raise UnreadableError(kind, remedy=_CHECK)
    return head


def _read_with_torch(path: Path, head: bytes) -> object:
    is_zip = head.startswith(b"PK\x03\x04")
    if is_zip:
        _check_zip(path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)


def _check_zip(path: Path) -> None:
    """Refuse archives that torch did not write; mapping also relies on records that are not compressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except zipfile.BadZipFile as error:
        raise damaged("the directory at the end of the zip archive is missing or unreadable") from error
    names = [record.filename for record in records]
    if names and all(name.endswith(".npy") for name in names):
        raise UnreadableError("a NumPy archive (.npz)", remedy=_CHECK)
    if not any(name.endswith("/data.pkl") for name in names):
        raise UnreadableError(f"a zip archive without torch's data.pkl (it holds {first_names(names)})", remedy=_CHECK)
    if any(name.endswith("/constants.pkl") for name in names):
        raise UnreadableError("a TorchScript archive, which holds a program", "a state dict", SAVE_STATE_DICT)
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise UnreadableError("a zip archive that was packed again, compressed", "the file as torch saved it")


def _explain(path: Path) -> UnreadableError:
    """Why torch or the reader of old files gave up: code in a pickle, or damage."""
    with suppress(Exception), warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        for stream in _pickles(file):
            name = _foreign_global(stream)
            if name:
                return holds_code(name)
    return UnreadableError("truncated, damaged, or in a format that torch does not read as weights")


def _pickles(file: IO[bytes]) -> Iterable[IO[bytes]]:
    """Streams, each standing at a pickle: the one of a zip file, or the first four of the older format."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            yield from (archive.open(name) for name in archive.namelist() if name.endswith(".pkl"))
    else:
        file.seek(0)
        yield from (file for _ in range(4))


_HARMLESS_GLOBAL = re.compile(
    r"collections\.OrderedDict"
    r"|torch\.((cuda\.)?[A-Z]\w*|device|[a-z]+\d+)"
    r"|torch\._utils\._rebuild_\w+|torch\.nn\.parameter\.\w+|torch\.autograd\.variable\.Variable"
)


def _foreign_global(stream: IO[bytes]) -> str | None:
    """First class or function that a pickle names and a file of weights has no need of; nothing is run."""
    strings: list[str] = []
    with suppress(ValueError, UnicodeError):  # the pickle ends early or is none
        for opcode, argument, _ in pickletools.genops(stream):
            if isinstance(argument, str):
                strings.append(argument)
            if opcode.name in ("GLOBAL", "INST", "STACK_GLOBAL"):
                words = strings[-2:] if opcode.name == "STACK_GLOBAL" else strings[-1].split(" ")
                name = ".".join(words)
                if not _HARMLESS_GLOBAL.fullmatch(name):
                    return name
    return None


def _unwrap(content: object) -> dict[str, Tensor]:
    for wrapping in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapping), dict):
            content = content[wrapping]
    content = unbox(content)
    expected = "a state dict: names with tensors"
    if not isinstance(content, dict):
        raise UnreadableError(f"holds a {type(content).__name__}, no tensors by name", expected, SAVE_STATE_DICT)
    tensors: dict[str, Tensor] = {}
    others: list[str] = []
    for name, boxed in content.items():
        value = unbox(boxed)
        if isinstance(name, str) and isinstance(value, Tensor):
            tensors[name] = value.detach()
        else:
            others.append(f"{name}: {type(value).__name__}")
    if others or not tensors:
        found = f"holds entries that are no tensors ({first_names(others)})" if others else "holds no tensors"
        raise UnreadableError(found, expected, SAVE_STATE_DICT)
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors
