"""Streams that cannot be written: closed, full, gone, or of an encoding without the characters."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.console import SafeStream, is_main_process, one_line, say, valid_text

ROOT = Path(__file__).resolve().parents[2]
PRINTING = """
import sys
from utils.console import safe_streams, say
with safe_streams():
    for number in range(20000):
        say(f"line {number}")
    say("an error", sys.stderr)
    open(sys.argv[1], "w").write("done")
"""


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "redirection",
    ["| head -1", ">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full", "> /dev/full 2>&1", "| true"],
)
def test_work_goes_on_to_its_end_wherever_the_output_goes(tmp_path, redirection):
    """The shell's exit code is that of the process; at the interpreter's end nothing fails either."""
    done = tmp_path / "done"
    shell = f'set -o pipefail; "{sys.executable}" -c "$0" {done} {redirection}'
    ended = subprocess.run(["bash", "-c", shell, PRINTING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, done.read_text()) == (0, "done")
    assert "Exception" not in ended.stderr
    lines = ended.stderr.splitlines()
    told = [line for line in lines if line.startswith("warning: standard output could not be written")]
    assert len(told) == (redirection in ("| head -1", "| true", "> /dev/full"))


def test_a_file_that_is_opened_does_not_become_the_standard_output(tmp_path):
    lines = "from utils.console import safe_streams", "with safe_streams():", " file = open('f', 'w').fileno()"
    script = "\n".join([*lines, " print(file > 2, file=open('r', 'w'))"])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    shell = f'"{sys.executable}" -c "$0" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", shell, script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "r").read_text() == "True\n"


def test_the_first_failure_is_told_once_and_later_text_is_tried_again():
    told: list[Exception] = []
    stream = SafeStream(Broken(), told.append)
    assert stream.write("a") == 1
    stream.flush()
    assert [type(error) for error in told] == [BrokenPipeError]
    assert not stream.isatty()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_text_that_an_encoding_lacks_comes_as_escapes(encoding):
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding))
    stream.write("256×256 – caf\udce9\n")
    expected = {"ascii": r"256\xd7256 \u2013", "latin-1": r"256×256 \u2013", "utf-8": "256×256 –"}[encoding]
    assert raw.getvalue().decode(encoding) == expected + " caf\\udce9\n"


def test_a_message_is_one_printable_line():
    assert one_line("a\n b\tc") == "a b c"
    assert one_line("caf\udce9 \x1b[31mred ×") == "caf\\udce9 \\x1b[31mred ×"


def test_bytes_that_are_no_text_come_as_escapes_and_all_else_as_it_is():
    assert valid_text("é × 🌍") == "é × 🌍"
    assert valid_text("caf\udce9") == "caf\\udce9"


@pytest.mark.parametrize(("size", "rank", "speaks"), [("1", "3", True), ("2", "0", True), ("2", "1", False)])
def test_the_main_process_alone_speaks(monkeypatch, capsys, size, rank, speaks):
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.setenv("RANK", rank)
    say("hello")
    assert is_main_process() == speaks
    assert capsys.readouterr().out == ("hello\n" if speaks else "")
