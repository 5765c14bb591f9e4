"""Fields of settings, brought to their types and checked: what a command's parser does, for Python users.

Each function changes a frozen dataclass in its `__post_init__`; a field that is None stays so.
"""

import math
import operator
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from utils.settings import SettingsError, require
from utils.suggest import unknown


def as_paths(settings: Any, *names: str) -> None:
    """Make paths of fields that are text.

    Raises:
        SettingsError: a field is neither text nor a path.
    """
    for name, value in _given(settings, names):
        if not isinstance(value, str | os.PathLike):
            raise SettingsError(f"{{{name}}} is {{}}, expected a path", repr(value))
        _set(settings, name, Path(value))


def as_many_paths(settings: Any, *names: str) -> None:
    """Make tuples of paths of fields that are a path, a text, or several of them.

    Raises:
        SettingsError: a field holds something else, or nothing.
    """
    for name, value in _given(settings, names):
        several = [value] if isinstance(value, str | os.PathLike) else value
        is_right = isinstance(several, Sequence) and all(isinstance(path, str | os.PathLike) for path in several)
        require(is_right and len(several) > 0, f"{{{name}}} is {{}}, expected one path or more", repr(value))
        _set(settings, name, tuple(map(Path, several)))


def as_text(settings: Any, *names: str) -> None:
    """Make text of fields that are paths: those that take a file or a word such as `none`."""
    for name, value in _given(settings, names):
        if isinstance(value, os.PathLike):
            _set(settings, name, str(value))


def as_exact(settings: Any, *names: str) -> None:
    """Make exact decimals of fields that are numbers or text, as they read: 0.05 is five hundredths, not a bit more.

    Raises:
        SettingsError: a text is no number.
    """
    for name, value in _given(settings, names):
        try:
            number = Decimal(str(value))
        except InvalidOperation as error:
            raise SettingsError(f"{{{name}}} is {{}}, expected a number", repr(value)) from error
        _set(settings, name, number)


def check_shares(settings: Any, *names: str) -> None:
    """Check exact decimals that are shares.

    Raises:
        SettingsError: one is not in (0, 1].
    """
    for name, share in _given(settings, names):
        is_share = share.is_finite() and 0 < share <= 1
        require(is_share, f"{{{name}}} is {{}}, expected a number above 0 and at most 1", share)


def as_counts(settings: Any, *names: str, least: int = 1) -> None:
    """Make ints of fields that count; NumPy's whole numbers are welcome.

    Raises:
        SettingsError: a field is no whole number, or below `least`.
    """
    for name, value in _given(settings, names):
        count = whole_number(value)
        require(count is not None, f"{{{name}}} is {{}}, expected a whole number", repr(value))
        assert count is not None
        require(count >= least, f"{{{name}}} is {{}}, expected {least} or more", count)
        _set(settings, name, count)


def whole_number(value: object) -> int | None:
    """A value as an int; None where it is of another kind, such as a float or a truth value."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_numbers(settings: Any, *names: str, low: float = 0.0, high: float = math.inf, above: bool = False) -> None:
    """Check finite numbers from `low` (or above it) to `high`.

    Raises:
        SettingsError: a field is none.
    """
    expected = f"a number {'above' if above else 'of at least'} {low:g}"
    expected += f" and at most {high:g}" if high < math.inf else ""
    for name, value in _given(settings, names):
        try:
            number = math.nan if isinstance(value, str | bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        is_inside = (low < number if above else low <= number) and number <= high and number < math.inf
        require(is_inside, f"{{{name}}} is {{}}, expected {expected}", repr(value))
        if not isinstance(value, int | float):
            _set(settings, name, number)


def as_size(settings: Any, name: str, least: int = 16) -> None:
    """Make a pair of ints of a field that is height and width in pixels.

    Raises:
        SettingsError: it is no such pair, or a side is below `least`.
    """
    for _, value in _given(settings, (name,)):
        sides = [whole_number(side) for side in value] if isinstance(value, Sequence) else []
        if len(sides) != 2 or None in sides:
            raise SettingsError(f"{{{name}}} is {{}}, expected height and width such as (320, 320)", repr(value))
        height, width = (side or 0 for side in sides)
        pixels = f"{least} pixels or more a side"
        require(min(height, width) >= least, f"{{{name}}} is {{}}×{{}}, expected {pixels}", height, width)
        _set(settings, name, (height, width))


def as_one_of(settings: Any, name: str, kind: str, known: Sequence[str]) -> None:
    """Make one of the known names of a field that is one in any case.

    Args:
        settings, name: the field.
        kind: what the names name, such as "backbone".
        known: the names.

    Raises:
        SettingsError: it is another; the message offers the nearest.
    """
    for _, value in _given(settings, (name,)):
        _set(settings, name, known_name(value, kind, known))


def known_name(value: object, kind: str, known: Sequence[str]) -> str:
    """The known name that a value is in any case.

    Raises:
        SettingsError: it is none.
    """
    by_lower = {known_one.lower(): known_one for known_one in known}
    found = by_lower.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise SettingsError("{}", unknown(kind, str(value), known))
    return found


def _given(settings: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Fields that are not None."""
    return ((name, value) for name in names if (value := getattr(settings, name)) is not None)


def _set(settings: Any, name: str, value: object) -> None:
    object.__setattr__(settings, name, value)  # frozen, and not made yet
