"""Where downloads come from: a folder, or a zip of which nothing is written before all of it has been checked."""

import hashlib
import json
import lzma
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data.descriptions import leaves_folder
from utils.errors import DataError, OptionError
from utils.paths import no_file, reason_of, remedy_of
from utils.progress import progress
from utils.runs.space import as_sizes, free_space

NO_FILE = -1  # size of what is listed in a folder, but cannot be read as a file
_CHUNK = 1 << 20  # bytes
_ENCRYPTED = 0x1  # bit of a zip entry's flags
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True, order=True)
class SourceFile:
    """A file of a source.

    Attributes:
        path: below the source, with `/` between its parts.
        size: bytes; of a zip entry as it is declared, unpacked; `NO_FILE` where there is no file to read.
        stamp: changes with the content: time of change in ns, or a zip entry's CRC.
    """

    path: str
    size: int
    stamp: int

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.rpartition("/")[2]


class Listing(Protocol):
    """Files that a folder is prepared from.

    Attributes:
        path: the folder or the zip; of files that lie apart, the first.
        files: sorted by path, without hidden files.
    """

    path: Path
    files: Sequence[SourceFile]


class Source(Listing, Protocol):
    """A folder or a zip, whose files are put in place whole."""

    def place(self, targets: Sequence[tuple[SourceFile, Path]], copy: bool) -> None:
        """Put files where they are wanted.

        Args:
            targets: each file with the path it gets; the folders exist.
            copy: copy what could be linked.

        Raises:
            DataError: a file is damaged, or there is too little space.
            OSError: a target cannot be written.
        """
        ...


def open_source(path: Path, option: str) -> Source:
    """Open a folder or a zip.

    Args:
        path: the folder or zip.
        option: the option that named it, for the message.

    Raises:
        OptionError: it is neither.
        DataError: a damaged zip, or one with an entry that could be written outside its folder.
    """
    if path.is_dir():
        return FolderSource(path)
    if path.is_file() and not os.access(path, os.R_OK):
        raise OptionError(f"{option} {path} cannot be read; check its rights")
    if path.is_file() and zipfile.is_zipfile(path):
        return ZipSource(path)
    if path.suffix.lower() == ".zip" and path.is_file():
        raise DataError(f"{path} is a damaged zip; download it again")
    found = no_file(path) or "is neither a folder nor a zip"
    raise OptionError(f"{option} {path} {found}; give the downloaded folder or zip")


class FolderSource:
    """A folder, by default with all folders below it; links are followed."""

    def __init__(self, path: Path, deep: bool = True) -> None:
        self.path = path
        try:
            self.files: Sequence[SourceFile] = sorted(_walk(path, deep))
        except OSError as error:
            raise DataError(
                f"{error.filename} cannot be read ({reason_of(error)}); check its link or rights"
            ) from error

    def path_of(self, file: SourceFile) -> Path:
        """Where a file lies."""
        return self.path / file.path

    def place(self, targets: Sequence[tuple[SourceFile, Path]], copy: bool) -> None:
        """Link relatively, so that source and target may move together; or copy."""
        if copy and targets:
            check_space(sum(file.size for file, _ in targets), targets[0][1].parent, str(self.path))
        for file, target in progress(targets, len(targets), "copying" if copy else "linking", "file"):
            if copy:
                shutil.copyfile(self.path / file.path, target)
            else:
                _link(self.path / file.path, target)


def _walk(root: Path, deep: bool) -> Iterator[SourceFile]:
    seen: set[str] = set()  # folders behind links may contain themselves
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
        if not deep:
            subfolders.clear()
        elif (real := os.path.realpath(folder)) in seen:
            subfolders.clear()
            continue
        else:
            seen.add(real)
            subfolders[:] = sorted(name for name in subfolders if not _is_hidden(name))
        for name in names:
            if not _is_hidden(name):
                path = Path(folder, name)
                below = path.relative_to(root).as_posix()
                if no_file(path) is not None:  # a link that leads nowhere or to itself, a pipe: asked for, it is named
                    yield SourceFile(below, NO_FILE, 0)
                    continue
                facts = path.stat()
                yield SourceFile(below, facts.st_size, facts.st_mtime_ns)


def _raise(error: OSError) -> None:
    raise error


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _link(source: Path, target: Path) -> None:
    real = source.parent.resolve() / source.name
    try:
        target.symlink_to(os.path.relpath(real, target.parent))
    except PermissionError as error:
        raise OptionError(f"{target.parent} takes no links ({reason_of(error)}); give --copy") from error


class ZipSource:
    """A zip whose entries are all plain files and folders inside it.

    Args:
        path: the zip.
        remedy: what to do where it is damaged.
    """

    def __init__(self, path: Path, remedy: str = "download it again") -> None:
        self.path, self._remedy = path, remedy
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except _ZIP_ERRORS as error:
            raise DataError(f"{path} is a damaged zip ({reason_of(error)}); {remedy_of(error, remedy)}") from error
        for entry in entries:
            _check_entry(path, entry)
        self._entries = {_path_of(entry): entry for entry in entries if not entry.is_dir()}
        self.files: Sequence[SourceFile] = sorted(
            SourceFile(name, entry.file_size, entry.CRC)
            for name, entry in self._entries.items()
            if not any(_is_hidden(part) for part in name.split("/"))
        )

    def place(self, targets: Sequence[tuple[SourceFile, Path]], copy: bool) -> None:
        """Unpack the files, none to more bytes than the zip declares; `copy` has no meaning here."""
        for file, _ in targets:
            if self._entries[file.path].flag_bits & _ENCRYPTED:
                raise DataError(f"{self.path}: '{file.path}' is encrypted; unpack the zip and give the folder")
        if targets:
            check_space(sum(file.size for file, _ in targets), targets[0][1].parent, str(self.path))
        with zipfile.ZipFile(self.path) as archive:
            for file, target in progress(targets, len(targets), "unpacking", "file"):
                with target.open("wb") as unpacked:
                    for chunk in self._unpack(archive, file):
                        unpacked.write(chunk)

    def _unpack(self, archive: zipfile.ZipFile, file: SourceFile) -> Iterator[bytes]:
        left = file.size
        try:
            with archive.open(self._entries[file.path]) as stream:
                while chunk := stream.read(min(_CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
        except _ZIP_ERRORS as error:
            raise DataError(
                f"{self.path}: '{file.path}' cannot be unpacked ({reason_of(error)}); {self._remedy}"
            ) from error
        if left:
            raise DataError(f"{self.path}: '{file.path}' is not of its declared size; {self._remedy}")


def _path_of(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/")  # as some packers on Windows write it


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    name = entry.orig_filename
    if "\0" in name:
        raise DataError(f"{path}: entry {name!r} has a NUL in its name, which no file can; nothing was unpacked")
    if leaves_folder(name) or leaves_folder(entry.filename):
        raise DataError(f"{path}: entry {name!r} leads out of the folder it is unpacked to; nothing was unpacked")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{path}: entry {name!r} is a link or a device, expected plain files; nothing was unpacked")


def check_space(needed: int, folder: Path, what: str) -> None:
    """Stop before writing more than the disk takes.

    Raises:
        DataError: `needed` bytes exceed the free space at `folder`.
    """
    free = free_space(folder)
    if needed > free:
        texts = as_sizes(needed, free)
        raise DataError(f"{what} needs {texts[0]}, {texts[1]} are free; choose a folder on another disk")


def digest(value: object) -> str:
    """A short text that tells values for JSON apart."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
