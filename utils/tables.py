"""CSV files that a spreadsheet program opens without running what a name says.

A cell that begins with =, +, -, @, a tab or a line break is a formula to such a program (OWASP, "CSV injection"). It
is written with an apostrophe before it, which makes it text; reading takes the apostrophe off again, and leaves cells
alone that never had one. A name that itself begins with apostrophes and such a character gets one more, so nothing is
lost.
"""

import csv
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_ENDING = "\r\n"  # as it is written, because a cell with \r is quoted for this one alone
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class AsWritten(str):
    """Text that a person wrote into a table, which is kept to the letter."""

    __slots__ = ()


def table_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; text that would be a formula is written as text, numbers and `AsWritten` stay as they are."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator=_ENDING)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return "".join(lines)


class _Lines(list[str]):
    """Lines of a CSV as they are written, each at once."""

    def write(self, line: str) -> None:
        """Take a line with its ending."""
        self.append(line.removesuffix(_ENDING) + "\n")


def written_cell(text: str) -> str:
    """How `table_text` writes a text, without the quotes of CSV."""
    return str(_cell(text))


def _cell(value: object) -> object:
    if not isinstance(value, str) or isinstance(value, AsWritten) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if _FORMULA.match(value) else value


def plain_cell(text: str) -> str:
    """What `table_text` was given for this cell; a cell that was written by hand stays as it is."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text
