"""Settings: frozen dataclasses of plain values that check themselves when they are made.

A job (training, choosing, evaluating, predicting, preparing) is described by one of them, whose parts belong to the
subjects that read them. No part repeats a field of another, so that a job can be written as one flat table.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from utils.errors import OptionError
from utils.wording import worded


class SettingsError(OptionError):
    """Settings that are unknown or contradict one another.

    Args:
        message: what was found, what was expected, what to do; fields are written as `{batch_size}`, values as `{}`.
        values: in the order of their places; see `utils.wording.worded`.
    """

    def __init__(self, message: str, *values: object) -> None:
        super().__init__(worded(message, *values))


def require(condition: bool, message: str, *values: object) -> None:
    """Check a rule of some settings.

    Raises:
        SettingsError: `condition` is False; `message` and `values` are as for `SettingsError`.
    """
    if not condition:
        raise SettingsError(message, *values)


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
