"""From options to settings: their fields are called as the options, with underscores."""

import argparse
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from utils.settings import SettingsError
from utils.wording import fields_called

Settings = TypeVar("Settings")


def settings_of(kind: type[Settings], options: argparse.Namespace, **given: Any) -> Settings:
    """Settings of a kind, whose fields are options; a field that is settings itself is made likewise.

    Args:
        kind: a dataclass.
        options: values by name; where a field has no option, its default holds.
        given: fields that are not made of options.

    Raises:
        SettingsError: the values contradict one another.
    """
    values, hints = dict(given), get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in given:
            continue
        if is_dataclass(hints[field.name]):
            values[field.name] = settings_of(hints[field.name], options)
        elif hasattr(options, field.name):
            values[field.name] = getattr(options, field.name)
    return kind(**values)


def parsed(
    parser: argparse.ArgumentParser, kind: type[Settings], options: argparse.Namespace, **given: Any
) -> Settings:
    """`settings_of`, or the end of the command with exit code 2 and a line in words of its flags."""
    try:
        with fields_called(flag):
            return settings_of(kind, options, **given)
    except SettingsError as error:
        parser.error(str(error))


def flag(field: str) -> str:
    """The option of a field; one that is a word of Python, such as `from`, ends in an underscore as a field."""
    return "--" + field.rstrip("_").replace("_", "-")
