"""Standard output and error of a command: text reaches them where it can, and no failure to print ends a run."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO


class SafeStream:
    """A text stream whose failures are noted instead of raised: a closed pipe, a full disk, a terminal that is gone.

    Characters that the stream's encoding does not have, and bytes of file names that are no text, come as escapes.

    Args:
        stream: what is written to; None, as Python has it for a closed descriptor: nothing.
        tell: called with the first failure.

    Attributes:
        error: the first failure, or None.
    """

    def __init__(self, stream: TextIO | None, tell: Callable[[Exception], None] = lambda _: None) -> None:
        self._stream: TextIO = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: SIM115, PTH123
        self._tell = tell
        self.error: Exception | None = None
        with contextlib.suppress(AttributeError, OSError, ValueError):  # streams of tests and notebooks are other ones
            self._stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text as far as the stream takes it; returns its length."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a stream that could not be told to escape
            self.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self._fail(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Hand over what is buffered, as far as the stream takes it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._fail(error)

    def isatty(self) -> bool:
        """Whether a person may be watching."""
        try:
            return self.error is None and self._stream.isatty()
        except ValueError:
            return False

    def release(self) -> None:
        """Let nothing that is still buffered fail when the interpreter ends."""
        self.flush()
        if self.error is None:
            return
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        self.flush()

    def _fail(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            self._tell(error)


@contextlib.contextmanager
def safe_streams() -> Iterator[tuple[SafeStream, SafeStream]]:
    """Let `sys.stdout` and `sys.stderr` be safe streams for a while; a later one within them changes nothing."""
    if isinstance(sys.stdout, SafeStream) and isinstance(sys.stderr, SafeStream):
        yield sys.stdout, sys.stderr
        return
    _occupy_descriptors()
    before = sys.stdout, sys.stderr
    errors = SafeStream(sys.stderr)

    def tell(error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        errors.write(f"warning: standard output could not be written ({reason.lower()}); the work goes on without it\n")

    output = SafeStream(sys.stdout, tell)
    sys.stdout, sys.stderr = output, errors
    try:
        yield output, errors
    finally:
        output.release()
        errors.release()
        sys.stdout, sys.stderr = before


def _occupy_descriptors() -> None:
    """Open the null device where descriptor 0, 1 or 2 is closed: a checkpoint would get its number, and its text."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def is_main_process() -> bool:
    """Whether this is the only process, or the first of those that a launcher started, by its variables."""
    return int(os.environ.get("WORLD_SIZE", "1")) <= 1 or os.environ.get("RANK", "0") == "0"


def say(text: str, file: TextIO | None = None) -> None:
    """Print in the main process only, at once."""
    if is_main_process():
        print(text, file=file or sys.stdout, flush=True)


def one_line(text: str) -> str:
    """A message as one line of printable characters, whatever a path or a file put into it."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def valid_text(text: str) -> str:
    """Text for what takes Unicode only, such as fonts: a byte of a file name that is no text comes as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
