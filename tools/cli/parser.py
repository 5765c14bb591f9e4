"""The parser of all commands, and the types of their options: each says what it expected and what it found."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from data.descriptions import DATASET_NAMES
from utils.compute.machine import total_memory
from utils.runs.space import as_sizes
from utils.suggest import unknown

OptionType = Callable[[str], Any]


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


class SubcommandParser(CommandParser):
    """The parser of a sub-command, which names an unknown option itself: its parent does not know the near ones."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; refuse what is not known."""
        parsed, strangers = super().parse_known_args(args, namespace)
        if strangers:
            known = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
            stranger = next((s for s in strangers if s.startswith("-")), strangers[0])
            self.error(unknown("option", stranger.partition("=")[0], known))
        return parsed, strangers


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


MAX_DIGITS = 20  # of a ratio, which stands in the names of files


def ratio(text: str) -> Decimal:
    """A number in (0, 1], kept as exact decimal."""
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"expected at most {MAX_DIGITS} characters, found '{_short(text)}'")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, found '{_short(text)}'") from None
    if not value.is_finite() or not Decimal("1e-12") <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and at most 1, found '{_short(text)}'")
    return value


def number(minimum: float, maximum: float = float("inf"), above: bool = False) -> OptionType:
    """A finite number from `minimum` (or above it) to `maximum`."""
    low = f"above {minimum:g}" if above else f"of at least {minimum:g}"
    expected = f"a number {low}" + ("" if maximum == float("inf") else f" and at most {maximum:g}")

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {expected}, found '{_short(text)}'") from None
        if not (minimum < value if above else minimum <= value) or not value <= maximum or value == float("inf"):
            raise argparse.ArgumentTypeError(f"expected {expected}, found '{_short(text)}'")
        return value

    return parse


def count(minimum: int = 1, maximum: int = 2**31 - 1) -> OptionType:
    """A whole number of at least `minimum`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, found '{_short(text)}'") from None
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {minimum} to {maximum}, found {_short(text)}"
            )
        return value

    return parse


batch_size = count(1, 65536)  # tiles


def refuse_huge_batch(parser: argparse.ArgumentParser, option: str, tiles: int, size: tuple[int, int]) -> None:
    """End with exit code 2 where the images of a batch alone, as 32-bit numbers, exceed this machine's memory."""
    needed, memory = 12 * tiles * size[0] * size[1] // int(os.environ.get("WORLD_SIZE", "1")), total_memory()
    if memory is not None and needed > memory:
        texts = as_sizes(needed, memory)
        parser.error(
            f"{option} {tiles}: the images of a batch, {size[0]}×{size[1]} pixels each, take {texts[0]}, and this "
            f"machine has {texts[1]} of memory; lower it, or --input-size"
        )


_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) *([kmgt]?b|)", re.IGNORECASE)


def file_size(text: str) -> int:
    """Bytes, as a number or in kB, MB, GB or TB."""
    found = _SIZE.fullmatch(text.strip())
    size = int(Decimal(found[1]) * _BYTES[found[2].lower()]) if found else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB or 5GB, found '{_short(text)}'")
    return size


def _short(text: str) -> str:
    """What was typed, as far as a message needs it."""
    return text if len(text) <= 40 else f"{text[:40]}… ({len(text)} characters)"


def image_size(text: str) -> tuple[int, int]:
    """`height,width` in pixels."""
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected height,width such as 320,320, found '{_short(text)}'") from None
    if not (16 <= height <= 16384 and 16 <= width <= 16384):
        raise argparse.ArgumentTypeError(f"expected height,width of 16 to 16384 pixels each, found '{_short(text)}'")
    return height, width
