import errno
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch

from tests.files import Hostile
from utils.runs.files import (load_state, make_folder, read_json, save_array, save_tensors, storage_error, write_atomically, write_json, write_text)
from utils.errors import DataError, OptionError


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class FullDisk(io.FileIO):
    """A file on a disk with room for ten bytes."""

    def write(self, content: Any) -> int:
        if self.tell() + len(memoryview(content).cast("B")) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_file_is_written_in_a_new_folder_and_replaced_as_a_whole(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "notes.txt"
    write_text(path, "first, and longer ä")
    write_text(path, "second")
    assert files_below(path.parent) == {"notes.txt": b"second"}


@pytest.mark.parametrize("failure", [ValueError, RuntimeError, KeyboardInterrupt])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, failure: type[BaseException]):
    path = tmp_path / "notes.txt"
    write_text(path, "old")

    def write_half(file: BinaryIO) -> None:
        file.write(b"ne")
        raise failure("of the writer")

    with pytest.raises(failure, match="of the writer"):
        write_atomically(path, write_half)
    assert files_below(tmp_path) == {"notes.txt": b"old"}


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "x" * 100),
        lambda path: write_json(path, {"numbers": list(range(100))}),
        lambda path: save_array(path, np.arange(100)),
        lambda path: save_tensors(path, {"weight": torch.zeros(100)}),
    ],
    ids=["text", "json", "array", "tensors"],
)
def test_a_full_disk_is_a_data_error_that_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
):
    path = tmp_path / "state.pth"
    write_text(path, "old")
    monkeypatch.setattr(Path, "open", lambda path, mode: FullDisk(path, mode))
    with pytest.raises(DataError, match=r"state\.pth could not be written.*disk.*full"):
        write(path)
    monkeypatch.undo()
    assert files_below(tmp_path) == {"state.pth": b"old"}


def test_a_place_that_cannot_be_written_is_an_option_error(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "x.txt", tmp_path / "file" / "folder" / "x.txt", tmp_path / ("x" * 300)):
        with pytest.raises(OptionError, match="choose a folder that you may write to"):
            write_text(path, "text")
    with pytest.raises(OptionError, match="choose a folder"):
        make_folder(tmp_path / "file")
    assert files_below(tmp_path) == {"file": b"not a folder"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, DataError), (errno.EDQUOT, DataError), (errno.EACCES, OptionError), (errno.EROFS, OptionError)],
)
def test_errors_of_the_operating_system_are_told_apart(code: int, kind: type[Exception]):
    error = storage_error(Path("runs/last.pth"), OSError(code, os.strerror(code)))
    assert type(error) is kind
    assert str(error).startswith("runs/last.pth could not be written")


# --- JSON and arrays -------------------------------------------------------------------------------------------------


def test_json_is_readable_and_keeps_the_order_of_its_keys(tmp_path: Path):
    write_json(tmp_path / "options.json", {"b": 0.1, "a": [1, None], "ä": "wald"})
    assert (tmp_path / "options.json").read_text(encoding="utf-8").splitlines()[1] == '  "b": 0.1,'
    assert "wald" in (tmp_path / "options.json").read_text(encoding="utf-8")
    assert list(read_json(tmp_path / "options.json").items()) == [("b", 0.1), ("a", [1, None]), ("ä", "wald")]


def test_json_holds_no_nan(tmp_path: Path):
    write_json(tmp_path / "scores.json", {"iou": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "scores.json", {"iou": float("nan")})
    assert read_json(tmp_path / "scores.json") == {"iou": 1.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not readable JSON"), (b'{"a": 1', "not readable JSON"), (b"\xff", "not readable"), (b"[1]", "holds list")],
)
def test_a_damaged_json_file_is_named(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "options.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"options\.json .*{message}|options\.json {message}"):
        read_json(tmp_path / "options.json")


def test_arrays_load_without_pickle_and_objects_are_not_saved(tmp_path: Path):
    path = tmp_path / "names.npy"
    save_array(path, np.array(["forest00", "wald_ä"]))
    assert np.load(path, allow_pickle=False).tolist() == ["forest00", "wald_ä"]
    with pytest.raises(ValueError, match="allow_pickle"):
        save_array(path, np.array([{}], dtype=object))
    assert np.load(path, allow_pickle=False).tolist() == ["forest00", "wald_ä"]


# --- tensors ---------------------------------------------------------------------------------------------------------


def test_tensors_and_plain_values_come_back(tmp_path: Path):
    state = {"step": 7, "options": {"ratio": "0.05", "size": [320, 320]}, "weight": torch.arange(6.0).view(2, 3)}
    save_tensors(tmp_path / "last.pth", state)
    loaded = load_state(tmp_path / "last.pth")
    assert torch.equal(loaded.pop("weight"), state.pop("weight"))
    assert loaded == state


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_state_that_would_run_code_is_refused_and_not_run(tmp_path: Path):
    path, marker = tmp_path / "last.pth", tmp_path / "marker"
    torch.save({"step": Hostile(marker)}, path)
    with pytest.raises(DataError, match=r"last\.pth cannot be read"):
        load_state(path)
    path.write_bytes(pickle.dumps(Hostile(marker)))
    with pytest.raises(DataError, match=r"last\.pth cannot be read"):
        load_state(path)
    assert not marker.exists()


def test_a_damaged_state_is_one_line_with_its_name(tmp_path: Path):
    path = tmp_path / "last.pth"
    save_tensors(path, {"step": 7, "weight": torch.zeros(100)})
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:100], whole[:-30], whole[:300] + b"\0" * 50 + whole[350:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"last\.pth cannot be read") as caught:
            load_state(path)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(DataError, match=r"last\.pth cannot be read"):
        load_state(path)
    torch.save([1, 2], path)
    with pytest.raises(DataError, match="holds list, expected a saved state"):
        load_state(path)


def test_options_that_are_no_text_come_back_from_json_as_they_were(tmp_path):
    """A folder whose name is not UTF-8 reaches Python with surrogates."""
    options = {"data_dir": "caf\udce9/256×256"}
    write_json(tmp_path / "options.json", options)
    assert read_json(tmp_path / "options.json") == options
    write_text(tmp_path / "names.csv", "caf\udce9\n")
    assert (tmp_path / "names.csv").read_text(encoding="utf-8") == "caf\\udce9\n"
