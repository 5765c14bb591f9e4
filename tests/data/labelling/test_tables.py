"""Tables beside a data set, and files that are put in place together."""

from pathlib import Path

import pytest

from data.labelling.asked import ask, read_asked
from data.labelling.ledger import LedgerRow, drafted_masks, ledger_text, read_ledger
from data.labelling.placing import Placement
from utils.errors import UserError

ROWS = [
    LedgerRow(1, "a", "mask", "cvat", True, 2.5, "2026-01-01 10:00:00"),
    LedgerRow(1, "b", "mask", "cvat", True, None, "2026-01-01 10:00:00"),
    LedgerRow(2, "=b", "scene", "to_label.csv", False, 0.1, "2026-01-02 10:00:00"),
    LedgerRow(2, "a", "mask", "masks", False, None, "2026-01-03 10:00:00"),
]


def test_ledger_comes_back_and_knows_which_masks_are_drafts_now(tmp_path):
    (tmp_path / "ledger.csv").write_text(ledger_text(ROWS))
    assert read_ledger(tmp_path) == ROWS
    assert drafted_masks(tmp_path) == {"b"}
    assert read_ledger(tmp_path / "none") == []


def test_tables_with_further_columns_and_a_byte_order_mark(tmp_path):
    lines = "\ufeffnote,round,name,kind,source,draft,minutes,time\r\nx,1,a,mask,cvat,no,3,\r\n\r\n"
    (tmp_path / "ledger.csv").write_text(lines)
    assert read_ledger(tmp_path) == [LedgerRow(1, "a", "mask", "cvat", False, 3.0, "")]


def test_a_draft_that_went_out_once_counts_for_good(tmp_path):
    first = ask({}, ["a", "b"], "cvat", {"a"})
    second = ask(first, ["a", "c"], "qgis", set())
    assert {(r.name, r.round, r.tool, r.draft) for r in second.values()} == {
        ("a", 1, "qgis", True), ("b", 1, "cvat", False), ("c", 2, "qgis", False),
    }  # fmt: skip
    assert read_asked(tmp_path) == {}


def test_nothing_is_left_of_files_that_were_not_put_in_place(tmp_path):
    with Placement() as placement:
        placement.stage(tmp_path / "deep" / "er" / "a.png", b"new")
    assert list(tmp_path.iterdir()) == []


def test_files_put_in_place_together_come_back_where_one_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if Path(target).name == "c":
            raise OSError(28, "No space left on device", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with Placement() as placement:
        for name in "abc":
            placement.stage(tmp_path / name, b"new")
        with pytest.raises(UserError, match=r"disk is full|no space|No space"):
            placement.commit()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}
