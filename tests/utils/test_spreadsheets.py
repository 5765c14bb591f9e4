from pathlib import Path

import pytest

from utils.errors import DataError
from utils.spreadsheets import read_table


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", r"is a workbook \(\.xlsx or \.ods\), not text; save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1", r"is an Excel workbook \(\.xls\), not text"),
        (b"name,label\n\xe4\0,wet\n", "is not text; save it as CSV with UTF-8 encoding"),
        (b"\xff\xfen\0a", "is not text"),
        (b"sep=;\nname;kind\n", "line 2: expected a header with the columns name,label, found 'name;kind'"),
        (b"", "line 1: expected a header with the columns name,label, found ''"),
        (b'"name,label\n', "not a readable CSV"),
    ],
)
def test_what_is_no_such_table_is_said(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path, ("name", "label"))


def test_lines_count_as_in_the_file(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_bytes(b'sep=;\n\nName; Note ;LABEL\n\na;"two\nlines";wet\nb;;dry\n')
    table = read_table(path, ("name", "label"))
    assert table.columns == ["Name", "Note", "LABEL"]
    assert table.rows == [(6, ["a", "two\nlines", "wet"]), (7, ["b", "", "dry"])]
    assert [table.place(name) for name in ("label", "note", "minutes")] == [2, 1, None]
