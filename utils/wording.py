"""How messages call the fields of settings: by name to a Python user, by flag to the user of a command."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLACE = re.compile(r"\{([A-Za-z]\w*)?\}")

_call: Callable[[str], str] = str  # for the whole process: threads and forked loader processes speak alike


def worded(message: str, *values: object) -> str:
    """A message in which fields are called as the user knows them.

    Args:
        message: fields are written as `{batch_size}`, values as `{}`.
        values: in the order of their places; braces in them mean nothing.
    """
    rest = iter(values)
    return _PLACE.sub(lambda place: _call(place[1]) if place[1] else str(next(rest, "{}")), message)


@contextmanager
def fields_called(call: Callable[[str], str]) -> Iterator[None]:
    """For the time of a block, `worded` calls each field what `call` makes of its name."""
    global _call
    before, _call = _call, call
    try:
        yield
    finally:
        _call = before
