"""What a user is told: errors that can be mended, each one line and an exit code without a traceback; and warnings."""

import sys
from typing import Any

from utils.console import one_line


class UserError(Exception):
    """Base of all errors whose message is written for the user of a command.

    The message says what was found, what was expected and what to do; `exit_code` is the code of the command.
    """

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Whatever makes an error of this kind, it goes from one process to another as the words that it has."""
        return _remade, (type(self), self.args)


def _remade(kind: type[UserError], words: tuple[Any, ...]) -> UserError:
    return kind.__new__(kind, *words)


class DataError(UserError, ValueError):
    """Data or the content of a file is not what it has to be (exit code 1)."""

    exit_code = 1


class OptionError(UserError, ValueError):
    """An option's value cannot be used, or its path does not exist (exit code 2)."""

    exit_code = 2


class LostProcessError(UserError):
    """Another of several processes ended before the work was done; its own message says why (exit code 1)."""

    exit_code = 1


def warn(message: str) -> None:
    """One line on stderr about something that does not end the command."""
    print(f"warning: {one_line(message)}", file=sys.stderr, flush=True)
