"""What an import keeps, misses and counts, and how far labelling has come."""

from pathlib import Path

import numpy as np

from data.labelling.ledger import read_ledger
from tests.conftest import write_list
from tests.data.labelling.commands import assert_same, exported, imported, run
from tests.data.labelling.tool_files import cvat_files, label_studio, write_json, zipped


def test_report_of_what_came_and_what_is_missing(unplaced, tmp_path, capsys):
    write_list(unplaced.names, ["tile0", "tile1"])
    exported(unplaced, "cvat")
    masks = {"tile0": np.full((24, 32), 255, np.uint8), "tile2": unplaced.masks["tile2"]}
    masks["elsewhere"] = unplaced.masks["tile1"]
    capsys.readouterr()
    source = zipped(tmp_path / "back.zip", cvat_files(masks))
    assert run("import", "--from", source, "--data-dir", unplaced.folder) == 4
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["masks"].startswith("1 from cvat")
    assert lines["empty"].startswith("1 (tile0)")
    assert lines["unasked"].startswith("1 (tile2)")
    assert lines["unknown"].startswith("1 (elsewhere.png)")
    assert lines["missing"].startswith("2 (tile0, tile1)")
    assert not (unplaced.folder / "masks" / "tile0.png").exists()


def test_masks_that_are_there_are_kept_unless_replaced(unplaced, tmp_path, capsys):
    source = zipped(tmp_path / "one.zip", cvat_files(unplaced.masks))
    other = {name: np.zeros((24, 32), np.uint8) for name in unplaced.masks}
    imported(unplaced.folder, source)
    capsys.readouterr()
    again = zipped(tmp_path / "two.zip", cvat_files(other))
    assert_same(imported(unplaced.folder, again), unplaced.masks)
    assert "kept    3 (tile0, tile1, tile2)" in capsys.readouterr().out
    assert len(read_ledger(unplaced.folder)) == 3
    assert_same(imported(unplaced.folder, again, "--replace"), other)


def test_minutes_of_a_tool_are_counted_once_and_given_ones_are_shared_out(unplaced, tmp_path):
    for seconds in (60, 150):
        source = write_json(tmp_path / "export.json", label_studio(unplaced.masks, seconds=seconds))
        imported(unplaced.folder, source, "--replace")
    imported(unplaced.folder, zipped(tmp_path / "c.zip", cvat_files(unplaced.masks)), "--replace", "--minutes", 6)
    rows = [row for row in read_ledger(unplaced.folder) if row.name == "tile1"]
    assert [(row.source, row.minutes) for row in rows] == [("label-studio", 1), ("label-studio", 1.5), ("cvat", 2)]


def test_status(unplaced, tmp_path, capsys):
    exported(unplaced, "label-studio")
    masks = {name: unplaced.masks[name] for name in ("tile0", "tile2")}
    imported(unplaced.folder, write_json(tmp_path / "export.json", label_studio(masks, seconds=120)))
    capsys.readouterr()
    assert run("status", "--data-dir", unplaced.folder) == 0
    out = capsys.readouterr().out
    assert "chosen  3 tiles in 1 round: 2 with masks, 1 without" in out
    assert "missing tile1" in out
    assert "minutes 4.0 for 2 masks whose time is known, 2.0 each" in out
    assert "ahead   about 2 minutes for the other 1" in out
    share = np.mean([(ids == 1).sum() / (ids != 255).sum() for ids in masks.values()])
    assert f"forest {share:.1%}" in out


def test_tiles_of_a_second_export_are_of_the_second_round(unplaced, tmp_path):
    write_list(unplaced.names, ["tile0"])
    exported(unplaced, "cvat")
    write_list(unplaced.names, ["tile0", "tile1"])
    exported(unplaced, "folder")
    imported(unplaced.folder, zipped(tmp_path / "back.zip", cvat_files(unplaced.masks)))
    assert {row.name: row.round for row in read_ledger(unplaced.folder)} == {"tile0": 1, "tile1": 2, "tile2": 0}


def test_failure_while_masks_are_put_in_place_brings_back_the_ones_before(unplaced, tmp_path, monkeypatch):
    imported(unplaced.folder, zipped(tmp_path / "one.zip", cvat_files(unplaced.masks)))
    before = {path: path.read_bytes() for path in unplaced.folder.rglob("*") if path.is_file()}
    other = {name: np.zeros((24, 32), np.uint8) for name in unplaced.masks}
    source, rename, count = zipped(tmp_path / "two.zip", cvat_files(other)), Path.rename, 0

    def failing(self, target):
        nonlocal count
        count += 1
        if count == 4:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert run("import", "--from", source, "--data-dir", unplaced.folder, "--replace") == 1
    assert {path: path.read_bytes() for path in unplaced.folder.rglob("*") if path.is_file()} == before


def test_masks_that_are_begun_only_are_named(unplaced, tmp_path, capsys):
    """As where polygons of a tile reach into its neighbour: the next import would keep that mask."""
    masks = dict(unplaced.masks)
    masks["tile1"] = np.full((24, 32), 255, np.uint8)
    masks["tile1"][:2] = 1
    imported(unplaced.folder, zipped(tmp_path / "back.zip", cvat_files(masks)))
    assert "sparse  1 (tile1): are drawn on in less than 10%" in capsys.readouterr().out
