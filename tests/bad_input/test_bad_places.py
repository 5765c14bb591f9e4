"""Folders that cannot be written, and disks that are full before or while a command writes."""

import builtins
import errno
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import pytest
import torch

from tests.conftest import error_line, main_of
from tools import prepare_data
from utils.runs.space import RunSpace

# --- Folders that cannot be written -----------------------------------------------------------------------------------


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to: mounted read-only where root is at hand, else by its permissions."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if mounted(folder, "ro"):
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


def mounted(folder: Path, options: str) -> bool:
    """Mount a small tmpfs, where root is at hand."""
    if shutil.which("mount") is None:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("train_AL", "save_dir"),
        ("train_AL", "cache_dir"),
        ("train_s4gan", "checkpoint_dir"),
        ("train_s4gan", "cache_dir"),
        ("auto_evaluate", "save_dir"),
        ("auto_evaluate", "cache_dir"),
    ],
)
@pytest.mark.parametrize("place", ["below a file", "a file", "read-only"])
def test_folder_that_cannot_be_written_is_refused(
    argv, refused, custom_set, tmp_path, read_only, command, option, place
):
    (tmp_path / "file").write_text("a file")
    folder = {"below a file": tmp_path / "file" / "folder", "a file": tmp_path / "file", "read-only": read_only / "new"}
    line = refused(2, command, argv(command, custom_set, **{option: folder[place]}))
    assert str(folder[place]) in line
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.parametrize("place", ["below a file", "a file", "read-only"])
def test_preparing_refuses_a_folder_that_cannot_be_written(capsys, tmp_path, read_only, place):
    (tmp_path / "file").write_text("a file")
    folder = {"below a file": tmp_path / "file" / "folder", "a file": tmp_path / "file", "read-only": read_only / "new"}
    options = ["demo", "--tiles-per-class", "1", "--out", str(folder[place])]
    assert str(folder[place]) in error_line(capsys, 2, prepare_data.main, options)


def test_data_folder_that_cannot_be_written_is_read_without_a_cache(argv, accepted, custom_set, monkeypatch, tmp_path):
    (custom_set.folder / ".cache").write_text("not a folder")
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert "warning: no cache folder" in accepted("auto_evaluate", argv("auto_evaluate", custom_set))


# --- Full disks -------------------------------------------------------------------------------------------------------


def bytes_below(folder: Path) -> int:
    """Sizes of all files below a folder, together; a file that another thread renames meanwhile does not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


class LimitedFile:
    """A file on a fake disk that may be full."""

    def __init__(self, file: IO[Any], claim: Callable[[int], None]) -> None:
        self.file, self.claim = file, claim

    def write(self, content: Any) -> int:
        self.claim(len(content) if isinstance(content, str) else memoryview(content).nbytes)
        return self.file.write(content)

    def close(self) -> None:
        self.file.close()
        self.claim(0)  # Pillow writes past this object

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "LimitedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(params=["a small disk", "a fake"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Makes a folder whose disk is full after some bytes: a tmpfs where root is at hand, else its files say so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounts: list[Path] = []

    def make(num_bytes: int) -> Path:
        if request.param == "a small disk" and mounted(folder, f"size={num_bytes}"):
            mounts.append(folder)
            return folder
        real_open = io.open

        def claim(more: int) -> None:
            if more + bytes_below(folder) > num_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def limited_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            opened = real_open(file, mode, *args, **kwargs)
            is_on_disk = not isinstance(file, int) and folder in Path(os.fsdecode(file)).parents
            return LimitedFile(opened, claim) if is_on_disk and "r" not in mode else opened

        monkeypatch.setattr(io, "open", limited_open)
        monkeypatch.setattr(builtins, "open", limited_open)
        return folder

    yield make
    for mount in mounts:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)  # a log may still be open


@pytest.mark.parametrize(
    ("command", "option", "num_bytes", "words"),
    [
        ("train_AL", "save_dir", 4096, ""),
        ("train_AL", "save_dir", 12288, ""),
        ("train_AL", "cache_dir", 8192, "run"),
        ("train_s4gan", "checkpoint_dir", 4096, "run"),
        ("train_s4gan", "checkpoint_dir", 4_000_000, "last.pth"),
        ("train_s4gan", "checkpoint_dir", 20_000_000, "checkpoint1_D.pth"),
        ("train_s4gan", "checkpoint_dir", 40_000_000, "last.pth"),
        ("train_s4gan", "cache_dir", 8192, "run"),
        ("auto_evaluate", "save_dir", 4096, ""),
        ("auto_evaluate", "save_dir", 12288, ""),
        ("auto_evaluate", "cache_dir", 8192, "run"),
    ],
)
def test_full_disk_is_one_line_and_leaves_nothing_half_written(
    capsys, argv, custom_set, full_disk, monkeypatch, command, option, num_bytes, words
):
    monkeypatch.setattr(RunSpace, "needed", lambda *_, **__: 0)  # else it is refused before it begins
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    disk = full_disk(num_bytes)
    options = argv(command, custom_set, **{option: disk / "run"}, labeled_ratio=None if "eval" in command else "0.5")
    line = error_line(capsys, 1, main_of(command), options)
    assert "the disk is full" in line
    assert words in line
    for path in disk.rglob("*"):
        assert not path.name.endswith(".part")
        assert path.parent.name != "run" or not path.name.startswith(".")
        if path.suffix == ".pth":
            assert torch.load(path, weights_only=True)
        if path.suffix == ".npy":
            assert len(np.load(path, allow_pickle=False))


def test_cache_that_does_not_fit_is_refused_before_it_is_built(argv, refused, custom_set, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    assert "--no-cache" in refused(1, "train_s4gan", argv("train_s4gan", custom_set))


def test_checkpoints_that_do_not_fit_are_refused_before_training(argv, refused, custom_set, monkeypatch):
    monkeypatch.setattr(RunSpace, "needed", lambda *_, **__: 10**18)
    assert "--keep-last" in refused(2, "train_s4gan", argv("train_s4gan", custom_set))


def test_full_disk_leaves_no_prepared_folder(capsys, full_disk):
    disk = full_disk(200_000)
    line = error_line(capsys, 1, prepare_data.main, ["demo", "--tiles-per-class", "1", "--out", str(disk / "demo")])
    assert "the disk is full" in line
    assert not list(disk.iterdir())


def test_full_disk_leaves_no_picture_of_a_check(capsys, custom_set, full_disk):
    disk = full_disk(4096)
    options = ["--dataset", "custom", "--data-dir", str(custom_set.folder), "--data-list", str(custom_set.list_path)]
    options += ["--backbone", "tiny", "--device", "cpu", "--out", str(disk / "check.png")]
    assert "check.png could not be written: the disk is full" in error_line(
        capsys, 1, prepare_data.main, ["check", *options]
    )
    assert not list(disk.iterdir())
