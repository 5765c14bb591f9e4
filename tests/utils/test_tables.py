import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.tables import AsWritten, plain_cell, table_text

CELLS = st.text(st.sampled_from("'=+-@\t\r\n a1.,\"e"), max_size=8)


@settings(max_examples=40)
@given(st.lists(CELLS, min_size=1, max_size=3))
def test_no_text_is_a_formula_and_all_of_it_comes_back(cells: list[str]):
    (row,) = csv.reader(io.StringIO(table_text([["x", *cells]]), newline=""))
    assert [plain_cell(cell) for cell in row[1:]] == cells
    for cell in row[1:]:
        assert cell[:1] not in ("=", "@", "\t", "\r", "\n")
        assert cell[:1] not in ("+", "-") or float(cell) is not None  # a number, and nothing else


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("'=a", "''=a"),
        ("-0.25", "-0.25"),
        (-0.25, "-0.25"),
        ("'quoted'", "'quoted'"),
        ("tile-1", "tile-1"),
        (AsWritten("=A1"), "=A1"),
    ],
)
def test_cells(value: object, cell: str):
    assert table_text([[value]]) == f"{cell}\n"


def test_cells_written_by_hand_stay():
    assert [plain_cell(cell) for cell in ("=a", "'a", "''", "")] == ["=a", "'a", "''", ""]
