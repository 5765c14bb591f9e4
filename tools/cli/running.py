"""How a command runs and ends: one line and an exit code for every outcome, short warnings, SIGTERM like Ctrl-C."""

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TextIO, TypeVar

from tools.cli.as_settings import flag
from utils.console import one_line, safe_streams
from utils.errors import UserError, warn
from utils.settings import as_plain
from utils.wording import fields_called

Settings = TypeVar("Settings")

WARNINGS_SHOWN = 5  # from one place in the code, such as masks with stray colours


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it is no Exception, so that nothing swallows it."""


def run(main: Callable[[Settings], int | None], parse: Callable[..., Settings], argv: Sequence[str] | None) -> int:
    """Parse, run, and turn the outcome into an exit code and at most one line on stderr.

    Args:
        main: does the job that settings describe; returns an exit code, or None for 0.
        parse: from words to settings.
        argv: the words; None: those that the process was started with. `--debug` among them shows tracebacks.

    Returns:
        0 done; 1 data; 2 options; 3 waiting for labels; 4 finished with omissions; 130 Ctrl-C; 143 SIGTERM.
    """
    with safe_streams(), fields_called(flag):  # also while an error is put into words
        try:
            settings = parse(argv)
        except SystemExit as stop:
            return int(stop.code or 0)
        return _outcome(main, settings, "--debug" in (sys.argv[1:] if argv is None else argv))


def parse_first(parse: Callable[[], object]) -> None:
    """End the process here where the options ask for `--help` or are refused: the imports that follow take seconds.

    For a process that runs one command: a Ctrl-C during those imports is one line too, and torch's C++ side keeps its
    warnings, which hold tracebacks of lost connections, to itself.
    """
    with safe_streams():
        parse()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    sys.excepthook = _short_interrupt


def _short_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("error: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _outcome(main: Callable[[Settings], int | None], settings: Settings, shows_traceback: bool) -> int:
    def fail(message: str, code: int) -> int:
        if shows_traceback:
            traceback.print_exc()
        print(f"error: {one_line(message)}", file=sys.stderr)
        return code

    try:
        with _sigterm_raises(), _short_messages():
            return main(settings) or 0
    except UserError as error:
        return fail(_text_of(error), error.exit_code)
    except OSError as error:  # of a file that no message of ours foresaw
        return fail(f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}", 1)
    except KeyboardInterrupt as error:
        return fail(str(error) or "interrupted", 130)
    except Terminated:
        return fail("terminated", 143)
    except Exception as error:
        if _is_out_of_memory(error):
            return fail(f"the device ran out of memory; {_memory_advice(settings)}", 1)
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        return fail(f"a fault of this program, not of its input ({what}); --debug shows where", 1)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, of a GPU
        return True
    return "can't allocate memory" in str(error)  # torch's allocator on the CPU has no error of its own


def _memory_advice(settings: Any) -> str:
    """Which of the command's options cost less memory."""
    options = as_plain(settings)
    lower = [flag(name) for name in ("batch_size", "input_size") if name in options]
    return f"lower {' or '.join(lower)}" + (", or raise --accumulate" if "accumulate" in options else "")


def _text_of(error: UserError) -> str:
    """The error's own words: torch puts a traceback before those of an error in a loader's process."""
    text = str(error)
    return text.rpartition(f"{type(error).__name__}: ")[2] if text.startswith("Caught ") else text


@contextlib.contextmanager
def _short_messages() -> Iterator[None]:
    """One line for each of Python's warnings and each thread that breaks.

    Of the warnings from one place in the code the first few are shown, the rest are counted.
    """
    places: Counter[tuple[str, int]] = Counter()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        places[filename, lineno] += 1
        if places[filename, lineno] <= WARNINGS_SHOWN:
            warn(str(message))

    def show_thread(broken: threading.ExceptHookArgs) -> None:  # such as TensorBoard's writer, on a full disk
        warn(f"a thread ended with {broken.exc_type.__name__}: {broken.exc_value}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        hook, threading.excepthook = threading.excepthook, show_thread
        try:
            yield
        finally:
            threading.excepthook = hook
            if hidden := sum(max(0, times - WARNINGS_SHOWN) for times in places.values()):
                warn(f"{hidden} more of these were not shown")


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    def raise_terminated(*_: object) -> None:
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
