"""A model's maps as first drafts, and the page that people are given."""

import json
import zipfile

import pytest

from data.footprints.records import TileRecord, write_tiles_csv
from data.labelling.ledger import read_ledger
from data.labelling.settings import LabelSetSettings
from data.labelling.tiles import LabelTiles
from data.lists.evaluation_tiles import EvaluationTiles
from data.settings import DataSettings
from model.trained import Trained
from tests.data.labelling.commands import assert_same, exported, imported
from tests.data.labelling.conftest import UTM
from tests.data.labelling.tool_files import areas, write_json, write_layer
from utils.evaluation.settings import WindowSettings


@pytest.mark.parametrize("to", ["cvat", "label-studio", "qgis", "folder"])
def test_draft_comes_back_as_it_went(unplaced, checkpoints, tmp_path, to, capsys):
    """What people are given is, without a change, the model's map."""
    (unplaced.folder / "test.txt").write_text("tile2\n")
    out = exported(unplaced, to, "--checkpoint-dir", checkpoints, "--device", "cpu", "--precision", "fp32")
    assert "none for 1 (tile2)" in capsys.readouterr().out
    source = {"cvat": out / "draft.zip", "qgis": out, "folder": out, "label-studio": tmp_path / "export.json"}[to]
    if to == "label-studio":
        tasks = json.loads((out / "tasks.json").read_text())
        for task in tasks:
            task["annotations"] = [{"result": p["result"], "lead_time": 1} for p in task.pop("predictions", [])]
        write_json(source, tasks)
    found = imported(unplaced.folder, source)
    network = Trained.open(checkpoints, device="cpu", precision="fp32")
    tiles, windows = LabelTiles.open(LabelSetSettings(unplaced.folder)), WindowSettings((24, 32))
    assert_same(found, {name: network.predict(tiles.picture(name), windows) for name in ("tile0", "tile1")})
    assert {(row.name, row.draft) for row in read_ledger(unplaced.folder)} == {("tile0", True), ("tile1", True)}


def test_drafts_in_lists_that_are_scored_are_said(unplaced, checkpoints, capsys):
    """Asked for, or because the list came later: the import and each evaluation say so."""
    (unplaced.folder / "test.txt").write_text("tile2\n")
    out = exported(unplaced, "folder", "--checkpoint-dir", checkpoints, "--device", "cpu", "--draft-scored")
    imported(unplaced.folder, out)
    assert "scored  1 (tile2): of these are in test.txt or val.txt" in capsys.readouterr().out
    data = DataSettings("custom", unplaced.folder, unplaced.folder / "test.txt", no_cache=True)
    assert EvaluationTiles.open(data, input_size=(32, 32)).drafted == ["tile2"]


def test_draft_zip_is_what_cvat_uploads(unplaced, checkpoints):
    out = exported(unplaced, "cvat", "--checkpoint-dir", checkpoints, "--device", "cpu")
    with zipfile.ZipFile(out / "draft.zip") as archive:
        assert set(archive.namelist()) == {
            "labelmap.txt", "ImageSets/Segmentation/default.txt", *(f"SegmentationClass/tile{k}.png" for k in range(3)),
        }  # fmt: skip
        assert archive.read("ImageSets/Segmentation/default.txt").split() == [b"tile0", b"tile1", b"tile2"]


def test_page_of_instructions_names_classes_keys_and_the_command(unplaced):
    out = exported(unplaced, "label-studio")
    text = (out / "instructions.html").read_text()
    for words in ("forest", "LOCAL_FILES_DOCUMENT_ROOT", "label.py import --from", "label.py status"):
        assert words in text
    assert text.count(f"--data-dir {unplaced.folder}") == 2
    assert "http" not in text.replace("http-equiv", "")


def test_polygons_of_a_draft_count_on_all_tiles_of_their_ground(placed, checkpoints):
    """Tiles 1 and 2 are moved onto half of tile 0, and beside it; tile 0 alone has a draft."""
    transforms = [(0.5, 0, 300_000.0 + east, 0, -0.5, 2_800_000.0) for east in (0, 8, 24)]
    rows = [TileRecord(f"tile{k}", "scene", 0, 0, 24, 32, UTM, place) for k, place in enumerate(transforms)]
    write_tiles_csv(placed.folder / "tiles.csv", rows)
    (placed.folder / "test.txt").write_text("tile1\ntile2\n")
    out = exported(placed, "qgis", "--checkpoint-dir", checkpoints, "--device", "cpu")
    write_layer(
        out / "labels.gpkg", *areas({"tile2": placed.masks["tile2"]}, {"tile2": transforms[2]}), UTM,
        layer="labels", append=True, driver="GPKG",
    )  # fmt: skip
    imported(placed.folder, out)
    assert {row.name: row.draft for row in read_ledger(placed.folder)} == {"tile0": True, "tile1": True, "tile2": False}
