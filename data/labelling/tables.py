"""Small CSV tables beside a data set, of which each line is a dataclass."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from utils.errors import DataError
from utils.paths import read_bytes
from utils.tables import plain_cell, table_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def rows_text(kind: type[Row], rows: Iterable[Row]) -> str:
    """Rows as CSV with a header; None is an empty cell, a truth value yes or no."""
    header = [field.name for field in fields(kind)]
    return table_text([header, *([_cell(value) for value in astuple(row)] for row in rows)])


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a table; none where there is no such file. Further columns are fine.

    Raises:
        DataError: not readable, a missing column, or a value that is none, with its line.
    """
    if not path.is_file():
        return []
    try:
        reader = csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as CSV with UTF-8 encoding") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a readable CSV ({error}); restore it, or remove it") from error
    wanted = [field.name for field in fields(kind)]
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if missing := [name for name in wanted if name not in header]:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}; expected {','.join(wanted)}")
    return [_row(f"{path}, line {line}", kind, header, row) for line, row in lines[1:]]


def _row(where: str, kind: type[Row], header: list[str], row: list[str]) -> Row:
    if len(row) != len(header):
        raise DataError(f"{where}: expected {len(header)} columns, found {len(row)}")
    cells = {name: plain_cell(cell.strip()) for name, cell in zip(header, row, strict=True)}
    return kind(**{field.name: _value(where, field, cells[field.name]) for field in fields(kind)})


def _value(where: str, field: Any, text: str) -> object:
    if field.type is bool:
        if text not in ("yes", "no"):
            raise DataError(f"{where}: {field.name} is {text!r}, expected yes or no")
        return text == "yes"
    if field.type is str:
        return text
    if not text and field.type is not int:
        return None
    try:
        value = int(text) if field.type is int else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DataError(f"{where}: {field.name} is {text!r}, expected a number of at least 0")
    return value
