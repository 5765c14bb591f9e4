"""Preparing one folder: repeats, changes, interruptions, and what is never replaced."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import data.preparing.folder
from tests.data.preparing.test_downloads import error_line, ucm, write_ucm
from tools.prepare_data import main


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, b"" if path.is_dir() else path.read_bytes())
        for path in [folder, *folder.rglob("*")]
    }


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_repeating_changes_nothing(tmp_path, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    before, printed = state(tmp_path / "out"), capsys.readouterr().out
    assert ucm(tmp_path) == 0
    assert ucm(tmp_path, "--overwrite") == 0
    assert state(tmp_path / "out") == before
    again = capsys.readouterr()
    assert again.out == 2 * printed
    assert "nothing to do" in again.err


def test_links_survive_a_common_move(tmp_path):
    write_ucm(tmp_path / "before")
    assert ucm(tmp_path / "before") == 0
    (tmp_path / "before").rename(tmp_path / "after")
    assert (tmp_path / "after" / "out" / "UCMerced_Images" / "beach00.tif").is_file()
    moved = state(tmp_path / "after")
    assert ucm(tmp_path / "after") == 0
    assert state(tmp_path / "after") == moved


def test_another_preparation_needs_overwrite(tmp_path, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    before = state(tmp_path / "out")
    capsys.readouterr()
    assert ucm(tmp_path, "--random-seed", "1") == 2
    line = error_line(capsys)
    assert "random_seed: 0, now 1" in line
    assert "--overwrite" in line
    assert state(tmp_path / "out") == before
    assert ucm(tmp_path, "--random-seed", "1", "--overwrite") == 0
    assert json.loads((tmp_path / "out" / "prepared.json").read_text())["options"]["random_seed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["DLRSD", "UCMerced_LandUse", "out"]


def test_changed_source_is_noticed(tmp_path, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    os.utime(tmp_path / "DLRSD" / "Labels" / "beach" / "beach00.png", ns=(1, 1))
    capsys.readouterr()
    assert ucm(tmp_path) == 2
    assert "(other UCMerced_Labels)" in error_line(capsys)


def test_folder_that_is_no_longer_whole(tmp_path, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    (tmp_path / "out" / "UCMerced_Images" / "beach00.tif").unlink()
    capsys.readouterr()
    assert ucm(tmp_path) == 2
    assert "is no longer whole" in error_line(capsys)
    assert ucm(tmp_path, "--overwrite") == 0
    assert (tmp_path / "out" / "UCMerced_Images" / "beach00.tif").is_file()


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_foreign_folder_is_never_replaced(tmp_path, capsys, overwrite):
    write_ucm(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert ucm(tmp_path, *overwrite) == 2
    assert "holds files, but no prepared.json" in error_line(capsys)
    assert content(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_empty_folder_is_used(tmp_path):
    write_ucm(tmp_path)
    (tmp_path / "out").mkdir()
    assert ucm(tmp_path) == 0


@pytest.mark.parametrize("place", [".", "UCMerced_LandUse", "UCMerced_LandUse/prepared", "DLRSD/Labels"])
def test_source_and_target_lie_apart(tmp_path, capsys, place):
    write_ucm(tmp_path, per_class=1)
    before = content(tmp_path)
    assert ucm(tmp_path, "--out", tmp_path / place, "--overwrite") == 2
    assert "lie in each other" in error_line(capsys)
    assert content(tmp_path) == before


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_target_that_cannot_be_a_folder(tmp_path, capsys, place):
    write_ucm(tmp_path, per_class=1)
    (tmp_path / "file").write_text("")
    assert ucm(tmp_path, "--out", tmp_path / place) == 2
    assert str(tmp_path / "file") in error_line(capsys)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt, 130), (OSError(errno.ENOSPC, "full"), 1), (OSError(errno.EACCES, "no"), 2)]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_interruption_leaves_nothing_half_made(tmp_path, capsys, monkeypatch, stop, code, overwrite):
    write_ucm(tmp_path)
    if overwrite:
        assert ucm(tmp_path) == 0
    before = content(tmp_path)
    calls = iter(range(10))

    def write_names(path, names):  # the second list fails
        if next(calls) == 1:
            raise stop
        path.write_text("\n".join(names))

    monkeypatch.setattr(data.preparing.folder, "write_names", write_names)
    capsys.readouterr()
    out = tmp_path / ("out" if overwrite else "deep/out")
    assert ucm(tmp_path, "--out", out, "--random-seed", "5", "--overwrite") == code
    line = error_line(capsys)
    assert ("disk is full" in line) == (code == 1)
    assert content(tmp_path) == before
    assert overwrite or not (tmp_path / "deep").exists()
    assert not list(tmp_path.glob(".*"))


def test_failed_exchange_brings_the_old_folder_back(tmp_path, monkeypatch, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    before = content(tmp_path)
    rename = Path.rename

    def fail_once(self, target):
        if self.name.startswith(".out.") and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    assert ucm(tmp_path, "--random-seed", "5", "--overwrite") == 2
    assert content(tmp_path) == before
    assert not list(tmp_path.glob(".*"))


def test_files_that_people_add_or_remove_meanwhile(tmp_path, monkeypatch, capsys):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    (tmp_path / "out" / "gone.txt").write_text("mine")
    listed, shared = data.preparing.folder.files_of_others, data.preparing.folder.share_out

    def add(*args):
        (tmp_path / "out" / "notes.txt").write_text("mine")
        return shared(*args)

    def remove(*args):
        names = listed(*args)
        (tmp_path / "out" / "gone.txt").unlink()
        return names

    monkeypatch.setattr(data.preparing.folder, "share_out", add)
    monkeypatch.setattr(data.preparing.folder, "files_of_others", remove)
    assert ucm(tmp_path, "--random-seed", "5", "--overwrite") == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "out" / "gone.txt").exists()


@pytest.mark.parametrize("ending", ["", ".old"])
def test_what_killed_preparations_left_is_removed(tmp_path, monkeypatch, capsys, ending):
    write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    host = data.preparing.folder._host()
    names = {
        "ended": f".out.{ended.pid}-0a.{host}{ending}",
        "alive": f".out.{os.getpid()}-0a.{host}{ending}",
        "elsewhere": f".out.{ended.pid}-0a.{'0' * 8}{ending}",
        "another": f".out.1.{ended.pid}-0a.{host}{ending}",
    }
    for name in names.values():
        (tmp_path / name / "images").mkdir(parents=True)
    assert ucm(tmp_path) == 0
    assert {path.name for path in tmp_path.glob(".*")} == {*names.values()} - {names["ended"]}
    monkeypatch.setattr(data.preparing.folder, "_ABANDONED", -1)
    assert ucm(tmp_path) == 0
    assert [path.name for path in tmp_path.glob(".*")] == [names["another"]]


def test_place_without_links_asks_for_copies(tmp_path, monkeypatch, capsys):
    def refuse(self, target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write_ucm(tmp_path, per_class=1)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert ucm(tmp_path) == 2
    assert "give --copy" in error_line(capsys)
    assert ucm(tmp_path, "--copy") == 0


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "required: SOURCE"),
        (["ucmm"], "invalid choice: 'ucmm'"),
        (["ucm", "--images", "x"], "required: --out"),
        (["ucm", "--images", "nowhere", "--out", "x"], "--images nowhere does not exist"),
        (["ucm", "--images", "nowhere", "--out", "x", "--mask", "y"], "did you mean --masks"),
        (["demo", "--out", "x", "--tiles-per-class", "101"], "from 1 to 100"),
        (["demo", "--out", "x", "--val-share", "-0.1"], "at least 0"),
        (["demo", "--out", "x", "--val-share", "nan"], "at least 0"),
    ],
)
def test_bad_option_is_one_line(tmp_path, capsys, monkeypatch, argv, reason):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    assert reason in error_line(capsys)
    assert not list(tmp_path.iterdir())


def test_help_of_every_source(capsys):
    for argv in (["--help"], *(["demo", "--help"], ["ucm", "--help"], ["deepglobe", "--help"], ["scenes", "--help"])):
        assert main(argv) == 0
        assert "usage: " in capsys.readouterr().out
