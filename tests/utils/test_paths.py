import errno
import os
from pathlib import Path
from urllib.error import URLError

import pytest

from utils.errors import DataError, OptionError
from utils.paths import LONGEST_NAME, MISSING, fitting_name, no_file, private_name, read_bytes, reason_of


def test_only_a_regular_file_can_be_opened(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert no_file(tmp_path / "file") is None
    assert no_file(tmp_path / "link") is None
    for path in (tmp_path / "none", tmp_path / "file" / "below", Path(f"{tmp_path}/a\0b")):
        assert no_file(path) == MISSING
    assert no_file(tmp_path) == "is a folder, not a file"
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert no_file(path) == "is a pipe, a socket or a device, not a file"
    assert no_file(tmp_path / "loop") == "cannot be reached (too many levels of symbolic links)"
    assert no_file(tmp_path / ("a" * 300)) == "cannot be reached (file name too long)"


def test_reading_names_the_path_and_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert read_bytes(path) == b"content"
    with pytest.raises(OptionError, match="none does not exist; check the path"):
        read_bytes(tmp_path / "none", OptionError)

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError) as caught:
        read_bytes(path)
    assert str(caught.value) == f"{path} cannot be read (permission denied); check its rights"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOENT, "No such file or directory", "/a"), "no such file or directory"),
        (URLError(OSError(-2, "Name or service not known")), "name or service not known"),
        (ValueError("first line\nsecond"), "first line"),
        (EOFError(), "EOFError"),
    ],
)
def test_reasons_are_one_line_without_numbers_and_paths(error: Exception, words: str):
    assert reason_of(error) == words


@pytest.mark.parametrize("stem", ["tile", "a" * 251, "ä" * 125 + "b"])
def test_a_name_that_fits_is_left_alone(stem: str):
    assert fitting_name(stem, ".npy") == f"{stem}.npy"


def test_long_names_are_cut_to_distinct_ones_that_the_file_system_takes(tmp_path: Path):
    names = {fitting_name(stem, "_iter_20000.npy") for stem in ("ä" * 124 + "b", "ä" * 124 + "c", "a" * 245)}
    assert len(names) == 3
    for name in names:
        assert LONGEST_NAME - 2 <= len(os.fsencode(name)) <= LONGEST_NAME
        assert name.endswith("_iter_20000.npy")
        (tmp_path / name).touch()


@pytest.mark.parametrize("name", ["last.pth", "a" * 255, "ä" * 127, os.fsdecode(b"\xff" * 250)])
def test_private_names_are_hidden_new_and_short_enough(tmp_path: Path, name: str):
    first, second = (private_name(tmp_path / name, ".part") for _ in range(2))
    assert first != second
    assert first.name.startswith(".")
    assert first.name.endswith(".part")
    first.touch()
