"""Reading tables as spreadsheet programs save them, in whatever separators, encodings and line ends."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import DataError
from utils.paths import read_bytes

_SEPARATORS = (",", ";", "\t", "|")
_WORKBOOKS = {b"PK\x03\x04": "a workbook (.xlsx or .ods)", b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)"}


@dataclass(frozen=True)
class Table:
    """A table as it was saved.

    Attributes:
        columns: the header's cells, without blanks around them, as they are written.
        rows: line in the file and cells of each row that holds something, as they are written.
        remarks: what was read in another way than the file says itself.
    """

    columns: list[str]
    rows: list[tuple[int, list[str]]]
    remarks: list[str] = field(default_factory=list)

    def place(self, column: str) -> int | None:
        """Where a column stands, whatever its case; None where it is not there."""
        lower = [name.lower() for name in self.columns]
        return lower.index(column) if column in lower else None


def read_table(path: Path, needed: Collection[str]) -> Table:
    """Read a table with a header, in any of the separators and encodings that spreadsheet programs use.

    Args:
        path: the file.
        needed: columns that it has to have, in small letters; they tell the separator.

    Raises:
        DataError: no such file, a workbook, no text, no such columns, or quotes without an end.
    """
    content, remarks = read_bytes(path), []
    text, remark = _decoded(path, content)
    if remark:
        remarks.append(remark)
    first, _, rest = text.partition("\n")
    skipped = 0
    if (named := first.strip().strip('"').lower()).startswith("sep=") and len(named) <= 5:  # Excel's own line
        text, skipped = rest, 1
    found = [_rows(text, separator, skipped) for separator in _SEPARATORS]
    for rows in found:
        if isinstance(rows, csv.Error) or not rows:
            continue
        columns = [cell.strip() for cell in rows[0][1]]
        if set(needed) <= {name.lower() for name in columns}:
            return Table(columns, rows[1:], remarks)
    plain = found[0]
    if isinstance(plain, csv.Error):
        expected = ",".join(needed)
        raise DataError(f"{path} is not a readable CSV ({plain}); expected the columns {expected}") from plain
    header = ",".join(cell.strip() for cell in plain[0][1]) if plain else ""
    line = plain[0][0] if plain else 1
    expected = f"expected a header with the columns {','.join(needed)}"
    raise DataError(f"{path}, line {line}: {expected}, found {header[:100]!r}")


def _decoded(path: Path, content: bytes) -> tuple[str, str]:
    """The text, and a remark where its encoding had to be guessed."""
    for beginning, kind in _WORKBOOKS.items():
        if content.startswith(beginning):
            raise DataError(f"{path} is {kind}, not text; save it as CSV")
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # what Excel calls Unicode text
            return content.decode("utf-16"), ""
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in content or content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{path} is not text; save it as CSV with UTF-8 encoding") from error
        try:
            return content.decode("cp1252"), f"{path} is not UTF-8 and was read as Latin-1 (Windows-1252)"
        except UnicodeDecodeError:
            return content.decode("latin-1"), f"{path} is not UTF-8 and was read as Latin-1"
    return text, ""


def _rows(text: str, separator: str, skipped: int) -> list[tuple[int, list[str]]] | csv.Error:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        return [(reader.line_num + skipped, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        return error
