from pathlib import Path

from data.labelling.ledger import LedgerRow, ledger_text, read_ledger
from data.labelling.scene_labels import ledger_in_words, note_scene_labels


def test_a_label_is_counted_once_and_its_minutes_add_up(tmp_path: Path):
    assert ledger_in_words(tmp_path) == ""
    note_scene_labels(tmp_path, {"a": 1, "b": 1}, {"a": 0.25}, "people")
    note_scene_labels(tmp_path, {"a": 1, "b": 1, "c": 2}, {"a": 0.25, "c": 0.5}, "people")  # the same file again
    note_scene_labels(tmp_path, {"a": 1}, {"a": 0.4}, "people")  # looked at once more
    rows = [(row.round, row.name, row.kind, row.source, row.draft, row.minutes) for row in read_ledger(tmp_path)]
    assert rows == [
        (1, "a", "scene", "people", False, 0.25),
        (1, "b", "scene", "people", False, None),
        (2, "c", "scene", "people", False, 0.5),
        (1, "a", "scene", "people", False, 0.15),
    ]
    assert ledger_in_words(tmp_path) == "3 scene labels (0.9 minutes for 2 of them)"
    mask = LedgerRow(1, "a", "mask", "cvat", True, 12.0, "2026-01-01 00:00:00")
    (tmp_path / "ledger.csv").write_text(ledger_text([*read_ledger(tmp_path), mask]))
    assert ledger_in_words(tmp_path).endswith(", 1 mask (12.0 minutes)")
