"""How a command ends, and what it says then."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.conftest import PUBLISHED, main_of
from tests.tools.train_AL.interruptions import forked
from tools.cli.running import run
from utils.errors import DataError, OptionError


@dataclass(frozen=True)
class Job:
    """Settings of a command; `--debug` is none of them."""

    batch_size: int = 1


def parse(argv: Sequence[str] | None) -> Job:
    return Job()


def raising(error: BaseException):
    def main(_: Job) -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("the file"), 1, "the file"),
        (OptionError("caf\udce9\nnext\x1b[31m"), 2, "caf\\udce9 next\\x1b[31m"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), 1, "a.txt: no such file or directory"),
        (MemoryError(), 1, "the device ran out of memory; lower --batch-size"),
        (RuntimeError("can't allocate memory: 10 bytes"), 1, "the device ran out of memory; lower --batch-size"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("division by zero\nmore"), 1, "a fault of this program, not of its input "
         "(ZeroDivisionError: division by zero); --debug shows where"),
    ],
)  # fmt: skip
def test_every_error_is_one_line_and_a_code(capsys, error, code, line):
    assert run(raising(error), parse, []) == code
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_traceback_comes_with_debug_only(capsys):
    assert run(raising(ZeroDivisionError("by zero")), parse, ["--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", [*PUBLISHED, "predict"])
@pytest.mark.parametrize("broken", ["pipe", "full"])
def test_a_command_without_a_reader_does_its_work(argv, custom_set, checkpoints, tmp_path, command, broken):
    """Nobody reads the pipe any more, or the disk of the log is full: the command ends with 0 and its files."""
    if command == "predict":
        run_folder, images = ["--checkpoint-dir", str(checkpoints)], ["--images", str(custom_set.folder / "images")]
        sizes = ["--input-size", "32,32", "--save-dir", str(tmp_path / "out"), "--device", "cpu"]
        options = [*run_folder, *images, *sizes]
    else:
        options = argv(command, custom_set)
    main = main_of(command)

    def work() -> int:
        if broken == "pipe":
            reader, writer = os.pipe()
            os.close(reader)
        else:
            writer = os.open("/dev/full", os.O_WRONLY)
        for name in ("stdout", "stderr"):
            setattr(sys, name, open(os.dup(writer), "w"))  # noqa: SIM115, PTH123
        code = main(options)
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    assert forked(work) == 0
    left = {path.name for path in (tmp_path / "out").rglob("*")}
    assert left & {"last.pth", "selection.json", "report.html", "class_shares.csv"}
