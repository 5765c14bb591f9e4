"""Options shared by the commands: their types, groups and cross-checks, and how a command ends."""

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch

from data.cache import CacheSettings
from data.dataset_json import load_description
from data.descriptions import DATASET_NAMES, Description
from utils import distributed
from utils.errors import OptionError, UserError
from utils.suggest import unknown

OptionType = Callable[[str], Any]
WARNINGS_SHOWN = 5  # from one place in the code, such as masks with stray colours


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Defaults behind each help text, unless there is none; the module's text as it was written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "".join(indent + line for line in text.splitlines(keepends=True))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, argparse.SUPPRESS) or action.required:
            return action.help
        return super()._get_help_string(action)


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and to which `--data_dir` is `--data-dir`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=_HelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one line."""
        print(f"error: {message} (--help lists the options)", file=sys.stderr)
        raise SystemExit(2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take hyphens and underscores alike, then parse."""
        given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([_with_hyphens(text) for text in given], namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an unknown option's message offers the nearest known one."""
        parsed, strangers = self.parse_known_args(args, namespace)
        if strangers:
            known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
            stranger = next((s for s in strangers if s.startswith("-")), strangers[0])
            self.error(unknown("option", stranger.partition("=")[0], known))
        return parsed


def _with_hyphens(text: str) -> str:
    if not text.startswith("--"):
        return text
    option, equals, value = text.partition("=")
    return option.replace("_", "-") + equals + value


# --- types -----------------------------------------------------------------------------------------------------------


def one_of(kind: str, names: Sequence[str]) -> OptionType:
    """A type that takes one of `names` in any case; the message offers the nearest."""
    by_lower = {name.lower(): name for name in names}

    def parse(text: str) -> str:
        if text.lower() not in by_lower:
            raise argparse.ArgumentTypeError(unknown(kind, text, names))
        return by_lower[text.lower()]

    return parse


def dataset_name(text: str) -> str:
    """A data set's name as it was typed (result paths keep it), checked in any case."""
    one_of("dataset", DATASET_NAMES)(text)
    return text


def ratio(text: str) -> Decimal:
    """A number in (0, 1], kept as exact decimal."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, found '{text}'") from None
    if not value.is_finite() or not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, found '{text}'")
    return value


def number(minimum: float, maximum: float = float("inf"), above: bool = False) -> OptionType:
    """A finite number from `minimum` (or above it) to `maximum`."""
    low = f"above {minimum:g}" if above else f"of at least {minimum:g}"
    expected = f"a number {low}" + ("" if maximum == float("inf") else f" and at most {maximum:g}")

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {expected}, found '{text}'") from None
        if not (minimum < value if above else minimum <= value) or not value <= maximum or value == float("inf"):
            raise argparse.ArgumentTypeError(f"expected {expected}, found '{text}'")
        return value

    return parse


def count(minimum: int = 1, maximum: int = 2**31 - 1) -> OptionType:
    """A whole number of at least `minimum`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, found '{text}'") from None
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"expected a whole number from {minimum} to {maximum}, found {value}")
        return value

    return parse


def image_size(text: str) -> tuple[int, int]:
    """`height,width` in pixels."""
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected height,width such as 320,320, found '{text}'") from None
    if not (16 <= height <= 16384 and 16 <= width <= 16384):
        raise argparse.ArgumentTypeError(f"expected height,width of 16 to 16384 pixels each, found '{text}'")
    return height, width


# --- groups ----------------------------------------------------------------------------------------------------------


def add_data_options(
    parser: argparse.ArgumentParser, *names: str, default: str | None = None, required: bool = True
) -> Any:
    """`--dataset`, `--data-dir`, `--data-list`, the cache and the loader; returns the group for more."""
    group = parser.add_argument_group("data")
    group.add_argument(
        *names,
        dest="dataset",
        type=dataset_name,
        default=default,
        required=required and default is None,
        metavar="NAME",
        help="ucm, deepglobe or custom, in any case",
    )
    group.add_argument("--data-dir", type=Path, required=required, metavar="DIR", help="the data set's folder")
    group.add_argument("--data-list", type=Path, required=required, metavar="FILE", help="tile names, one a line")
    group.add_argument(
        "--cache-dir", type=Path, metavar="DIR", help="folder for decoded tiles; default <data-dir>/.cache"
    )
    group.add_argument("--no-cache", action="store_true", help="decode tiles at every use")
    group.add_argument(
        "--num-workers",
        type=count(0, 128),
        metavar="N",
        help="loader processes; default 0 on a CPU, up to 8 beside a GPU",
    )
    return group


def add_machine_options(parser: argparse.ArgumentParser, seed: int) -> Any:
    """`--device`, `--precision`, `--random-seed`, `--debug`; returns the group for more."""
    group = parser.add_argument_group("machine and reproducibility")
    group.add_argument(
        "--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto"
    )
    group.add_argument("--random-seed", type=count(0), default=seed, metavar="S", help="seed of everything random")
    group.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return group


def resolve_device(args: argparse.Namespace) -> torch.device:
    """The device that the options ask for; `--device` wins over `--cuda` and `--gpu`; each process has its own.

    Raises:
        OptionError: CUDA was asked for and is absent.
    """
    gpu = getattr(args, "gpu", None)
    asked = args.device or ("cuda" if getattr(args, "cuda", False) or gpu is not None else "auto")
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise OptionError("CUDA was asked for, but torch sees no CUDA device; use --device cpu, or check the driver")
    index = distributed.local_rank() if gpu is None else gpu
    if index >= torch.cuda.device_count():
        raise OptionError(f"GPU {index}: this machine has {torch.cuda.device_count()} CUDA devices, counted from 0")
    return torch.device("cuda", index)


def resolve_workers(args: argparse.Namespace, device: torch.device) -> int:
    """Loader processes: as asked, else none beside CPU training and up to 8 beside a GPU."""
    if args.num_workers is not None:
        return int(args.num_workers)
    return min(8, max(1, (os.cpu_count() or 2) - 1)) if device.type == "cuda" else 0


def resolve_cache(args: argparse.Namespace) -> CacheSettings | None:
    """The cache that the options ask for."""
    return None if args.no_cache else CacheSettings(args.data_dir, args.cache_dir)


def resolve_description(args: argparse.Namespace) -> Description:
    """The data set's description, after a check that its folder exists.

    Raises:
        OptionError: no such folder, unknown data set, or a custom one without its `dataset.json`.
    """
    if not args.data_dir.is_dir():
        raise OptionError(f"--data-dir {args.data_dir} is not a folder; give the data set's folder")
    return load_description(args.dataset, args.data_dir)


def check_num_classes(given: int | None, expected: int, what: str) -> None:
    """Refuse a class count that contradicts the data set.

    Raises:
        OptionError: `--num-classes` was given and differs.
    """
    if given is not None and given != expected:
        raise OptionError(f"--num-classes {given} contradicts the data set, which has {expected} {what}; leave it out")


def as_plain(args: argparse.Namespace) -> dict[str, Any]:
    """The options as plain values for JSON: paths and exact decimals become text."""
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path | Decimal) else value
        for name, value in sorted(vars(args).items())
    }


# --- how a command ends ----------------------------------------------------------------------------------------------


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it is no Exception, so that nothing swallows it."""


def run(main: Callable[[argparse.Namespace], int | None], parse: Callable[..., argparse.Namespace], argv: Any) -> int:
    """Parse, run, and turn the outcome into an exit code and at most one line on stderr.

    Returns:
        0 done; 1 data; 2 options; 3 waiting for labels; 4 finished with omissions; 130 Ctrl-C; 143 SIGTERM.
    """
    try:
        args = parse(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        with _sigterm_raises(), _short_messages():
            return main(args) or 0
    except UserError as error:
        return _fail(_text_of(error), error.exit_code, args)
    except OSError as error:  # of a file that no message of ours foresaw
        return _fail(f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}", 1, args)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail(f"the device ran out of memory; {_memory_advice(args)}", 1, args)
    except KeyboardInterrupt:
        return _fail("interrupted", 130, args)
    except Terminated:
        return _fail("terminated", 143, args)


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error)  # torch's allocator on the CPU has no error of its own


def _memory_advice(args: argparse.Namespace) -> str:
    """Which of the command's options cost less memory."""
    lower = [name for name in ("batch_size", "input_size") if hasattr(args, name)]
    advice = "lower " + " or ".join(f"--{name.replace('_', '-')}" for name in lower)
    return advice + (", or raise --accumulate" if hasattr(args, "accumulate") else "")


def _text_of(error: UserError) -> str:
    """The error's own words: torch puts a traceback before those of an error in a loader's process."""
    text = str(error)
    return text.rpartition(f"{type(error).__name__}: ")[2] if text.startswith("Caught ") else text


def _fail(message: str, code: int, args: argparse.Namespace) -> int:
    if args.debug:
        traceback.print_exc()
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return code


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
            print("warning: " + " ".join(str(message).split()), file=sys.stderr)

    def show_thread(broken: threading.ExceptHookArgs) -> None:  # such as TensorBoard's writer, on a full disk
        print(f"warning: a thread ended with {broken.exc_type.__name__}: {broken.exc_value}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        hook, threading.excepthook = threading.excepthook, show_thread
        try:
            yield
        finally:
            threading.excepthook = hook
            if hidden := sum(max(0, times - WARNINGS_SHOWN) for times in places.values()):
                print(f"warning: {hidden} more of these were not shown", file=sys.stderr)


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
