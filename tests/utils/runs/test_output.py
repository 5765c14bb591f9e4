"""The protocol of folders: what is refused, what is replaced and when, and what an error or a kill leaves."""

import json
import os
import shutil
import signal
from dataclasses import replace

import pytest

from tests.conftest import contents
from tests.tools.train_AL.interruptions import forked
from utils.errors import OptionError
from utils.runs.lock import LOCK
from utils.runs.output import Kind, OutputFolder

KIND = Kind(
    noun="a run",
    option="out",
    record="options.json",
    record_key="options",
    files=r"options\.json|result\d\.txt|picture\.png|events/e\.\d",
    worth=r"options\.json|result\d\.txt",
    folders=("events",),
    people=r"answers\.csv",
    can_resume=True,
)


class Interrupted(BaseException):
    """As Ctrl-C."""


def open_folder(path) -> OutputFolder:
    return OutputFolder(path, KIND)


def write(folder: OutputFolder, value: int, result: bool = True) -> None:
    """A run's first files, the record last, and a result."""
    (folder.path / "events").mkdir(exist_ok=True)
    (folder.path / "events" / f"e.{value}").write_text(str(value))
    folder.record.write_text(json.dumps({"options": value}))
    if result:
        (folder.path / f"result{value}.txt").write_text(str(value))


@pytest.fixture
def old(tmp_path):
    """A folder with a run, and with files of others."""
    folder = open_folder(tmp_path / "out")
    with folder.claim():
        folder.begin()
        write(folder, 1)
        (folder.path / "picture.png").write_text("1")
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "events" / "mine").write_text("mine")
    (folder.path / "answers.csv").write_text("mine")
    return folder.path


def test_a_run_is_replaced_and_files_of_others_are_named_and_stay(old, capsys):
    folder = open_folder(old)
    with folder.claim(overwrite=True):
        folder.begin()
        write(folder, 2)
    said = capsys.readouterr().out
    assert said.splitlines() == [f"kept in {old}, as this command did not write them: events/mine, notes.txt"]
    left = {path.relative_to(old).as_posix() for path in old.rglob("*") if path.is_file()}
    ours = {"options.json", "result2.txt", "events/e.2"}
    assert left == ours | {"notes.txt", "events/mine", "answers.csv"}


def test_a_run_is_neither_replaced_unasked_nor_touched(old):
    before = contents(old)
    with pytest.raises(OptionError, match="give resume to go on, overwrite to replace it, or another out"), open_folder(old).claim():
        pytest.fail("nobody comes here")
    assert contents(old) == before


@pytest.mark.parametrize("error", [ValueError, Interrupted])
@pytest.mark.parametrize("moment", ["before it begins", "after its first files"])
def test_an_error_before_there_is_something_to_show_leaves_all_as_it_was(old, error, moment):
    before, folder = contents(old), open_folder(old)
    with pytest.raises(error), folder.claim(overwrite=True):
        if moment != "before it begins":
            folder.begin()
            write(folder, 2)
        raise error
    assert contents(old) == before


def test_an_error_later_leaves_the_new_run(old):
    folder = open_folder(old)
    with pytest.raises(ValueError, match="late"), folder.claim(overwrite=True):
        folder.begin()
        write(folder, 2)
        folder.establish()
        raise ValueError("late")
    assert (old / "result2.txt").exists()
    assert not (old / "result1.txt").exists()


def test_a_failed_first_run_leaves_not_even_its_folder(tmp_path):
    folder = open_folder(tmp_path / "deep" / "out")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), folder.claim():
            folder.begin()
            write(folder, 1)
            raise ValueError("broken")
        assert not list(tmp_path.iterdir())


def test_an_interrupted_first_run_can_be_resumed(tmp_path):
    folder = open_folder(tmp_path / "out")
    with pytest.raises(Interrupted), folder.claim():
        folder.begin()
        write(folder, 1, result=False)
        raise Interrupted
    with folder.claim(resume=True):
        assert folder.record.exists()


@pytest.mark.parametrize(
    ("moment", "survivor"), [("set aside", 1), ("half set aside", 1), ("record written", 2), ("half removed", 2)]
)
def test_killed_at_any_moment_one_run_is_whole(old, moment, survivor):
    def work() -> int:
        folder, die = open_folder(old), lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        with folder.claim(overwrite=True):
            if moment == "half set aside":
                folder._move(["options.json", "events/e.1"], old, folder._aside, first="options.json")
                die()
            folder.begin()
            if moment == "set aside":
                die()
            write(folder, 2)
            if moment == "half removed":
                (folder._aside / "options.json").unlink()
            die()
        return 0

    assert forked(work) == -signal.SIGKILL
    folder = open_folder(old)
    with folder.claim(resume=True):
        assert json.loads(folder.record.read_text())["options"] == survivor
    assert {path.name for path in old.glob("result*")} == {f"result{survivor}.txt"}
    assert not (old / ".replaced").exists()
    assert not (old / LOCK).exists()
    assert (old / "notes.txt").exists()


@pytest.mark.parametrize(
    ("moment", "survivor"), [("set aside", 1), ("record written", 1), ("brought back", 1), ("established", 2)]
)
def test_a_run_that_cannot_be_resumed_is_replaced_when_it_has_something_to_show(old, moment, survivor, monkeypatch):
    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    kind = replace(KIND, can_resume=False)

    def work() -> int:
        folder = OutputFolder(old, kind)
        with folder.claim(overwrite=True):
            folder.begin()
            if moment == "set aside":
                die()
            write(folder, 2)
            if moment == "record written":
                die()
            if moment == "brought back":
                monkeypatch.setattr(shutil, "rmtree", die)
                raise ValueError
            monkeypatch.setattr(shutil, "rmtree", die)
            folder.establish()
        return 0

    assert forked(work) == -signal.SIGKILL
    folder = OutputFolder(old, kind)
    with pytest.raises(OptionError, match="holds a run already"), folder.claim():
        pytest.fail("nobody comes here")
    assert json.loads(folder.record.read_text())["options"] == survivor
    assert {path.name for path in old.glob("result*")} == {f"result{survivor}.txt"}
    assert not [path for path in old.iterdir() if "replaced" in path.name]
    assert (old / "notes.txt").exists()


def test_what_a_killed_beginning_left_is_no_obstacle(tmp_path):
    def work() -> int:
        folder = open_folder(tmp_path / "out")
        with folder.claim():
            folder.begin()
            (folder.path / "picture.png").write_text("half")
            (folder.path / ".result1.txt.12-ab.part").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert forked(work) == -signal.SIGKILL
    folder = open_folder(tmp_path / "out")
    with folder.claim():
        folder.begin()
        assert [path.name for path in folder.path.iterdir() if path.is_file()] == [LOCK]


def test_a_beginning_that_was_killed_leaves_nothing_even_where_the_next_command_fails(tmp_path):
    def work() -> int:
        folder = open_folder(tmp_path / "out")
        with folder.claim():
            folder.begin()
            (folder.path / "picture.png").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert forked(work) == -signal.SIGKILL
    folder = open_folder(tmp_path / "out")
    with pytest.raises(OptionError, match="wrong"), folder.claim():
        raise OptionError("wrong")
    with folder.claim():
        assert [path.name for path in folder.path.iterdir()] == [LOCK]


@pytest.mark.parametrize("overwrite", [False, True])
def test_interrupted_before_its_record_a_first_run_leaves_nothing(tmp_path, overwrite):
    folder = open_folder(tmp_path / "out")
    with pytest.raises(Interrupted), folder.claim():
        folder.begin()
        (folder.path / "picture.png").write_text("half")
        raise Interrupted
    with folder.claim(overwrite=overwrite):
        assert [path.name for path in folder.path.iterdir()] == [LOCK]


def test_a_resumed_run_removes_what_a_killed_process_left_half_written(old):
    (old / ".result1.txt.12-ab.part").write_text("half")
    (old / "events" / ".e.1.12-ab.part").write_text("half")
    (old / ".mine.part").write_text("mine")
    for folder in (old, old / "events" / "deep"):
        (folder / ".map.tif.12-ab.part").mkdir(parents=True)
        (folder / ".map.tif.12-ab.part" / "result2.txt").write_text("half")
    with open_folder(old).claim(resume=True):
        assert [path.name for path in old.rglob("*.part")] == [".mine.part"]


def test_what_a_half_written_folder_holds_is_neither_a_file_of_ours_nor_of_others(old, capsys):
    half = old / "events" / ".map.tif.12-ab.part"
    folder = open_folder(old)
    with folder.claim(overwrite=True):
        half.mkdir()
        (half / "e.9").write_text("half")
        before = folder.replaceable_bytes()
        (half / "e.9").write_text("half of it")
        assert folder.replaceable_bytes() == before
        folder.begin()
        assert not half.exists()
    assert ".part" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda out: (out / "picture.png").write_text("mine"), "picture.png is there, but not by this command"),
        (lambda out: (out / "result1.txt").mkdir(), "result1.txt is there, but not by this command"),
        (lambda out: (out / "events").write_text("mine"), "events is there, but not by this command"),
        (lambda out: (out / "options.json").write_text("{}"), "options.json was written by another command"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_in_the_way_are_refused(tmp_path, make, words, overwrite):
    make(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(OptionError, match=words), open_folder(tmp_path).claim(overwrite=overwrite):
        pytest.fail("nobody comes here")
    assert contents(tmp_path) == before


def test_a_run_without_its_record_is_not_resumed(old):
    (old / "options.json").unlink()
    before = contents(old)
    with pytest.raises(OptionError, match="cannot be resumed"), open_folder(old).claim(resume=True):
        pytest.fail("nobody comes here")
    assert contents(old) == before


def test_its_bytes_count_as_free_for_the_next_run(old):
    folder = open_folder(old)
    expected = sum((old / name).stat().st_size for name in ("options.json", "result1.txt", "picture.png", "events/e.1"))
    assert folder.replaceable_bytes() == expected
    with folder.claim(overwrite=True):
        folder.begin()
        assert folder.replaceable_bytes() == expected
