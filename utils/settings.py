"""Settings: frozen dataclasses of plain values that check themselves when they are made.

A job (training, choosing, evaluating, predicting, preparing) is described by one of them, whose parts belong to the
subjects that read them. No part repeats a field of another, so that a job can be written as one flat table.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from utils.errors import OptionError

_FIELD = re.compile(r"\{([a-z]\w*)\}")  # not the {3} of a regular expression that a message quotes


class SettingsError(OptionError):
    """Settings that are unknown or contradict one another.

    Args:
        message: what was found, what was expected, what to do; fields are written in braces: `{batch_size}`.
            `str` of the error shows their names; a command says the same in words of its flags, with `worded`.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(self.worded(lambda field: field))

    def worded(self, word: Callable[[str], str]) -> str:
        """The message with each field called as `word` calls it."""
        return _FIELD.sub(lambda match: word(match[1]), self.message)


def require(condition: bool, message: str) -> None:
    """Check a rule of some settings.

    Raises:
        SettingsError: `condition` is False; `message` is as for `SettingsError`.
    """
    if not condition:
        raise SettingsError(message)


def as_exact(settings: Any, *names: str) -> None:
    """Make exact decimals of fields that are numbers or text, as they read: 0.05 is five hundredths, not a bit more.

    Raises:
        SettingsError: a text is no number.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and not isinstance(value, Decimal):
            try:
                object.__setattr__(settings, name, Decimal(str(value)))  # frozen, and not made yet
            except InvalidOperation as error:
                raise SettingsError(f"{{{name}}} is {value!r}, expected a number") from error


def as_plain(settings: Any) -> dict[str, Any]:
    """The fields of settings and of their parts in one table of values for JSON, in the order of their names.

    Paths and exact decimals become text, tuples lists.

    Raises:
        ValueError: two parts have a field of the same name.
    """
    table: dict[str, Any] = {}
    for name, value in _leaves(settings):
        if name in table:
            raise ValueError(f"two parts of {type(settings).__name__} have a field '{name}'; rename one")
        table[name] = _plain(value)
    return dict(sorted(table.items()))


def _leaves(settings: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            yield from _leaves(value)
        else:
            yield field.name, value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path | Decimal) else value
