"""A second round: tiles that have masks already are learned from and not asked for."""

import json
from pathlib import Path

import numpy as np

from tests.conftest import TinySet, write_list
from tests.files import image_file
from tests.tools.train_AL.conftest import error_of, fill_in, folder_of, names_of, options, record_of, rows_of, run


def test_tiles_with_masks_are_neither_asked_for_nor_forgotten(own_tiles: TinySet, tmp_path: Path, capsys):
    """Two have a scene label, one a mask of a single class, one a mask of many."""
    masks = own_tiles.folder / "masks"
    for name in own_tiles.names[4:]:
        (masks / f"{name}.png").unlink()
    (own_tiles.folder / "scene_labels.csv").write_text("name,label\ntile0,dry\ntile1,wet\n")
    description = json.loads((own_tiles.folder / "dataset.json").read_text())
    (own_tiles.folder / "dataset.json").write_text(json.dumps(description | {"classes": ["Dry", "wet", "other"]}))
    (masks / "tile2.png").write_bytes(image_file(np.full((32, 32), 1, np.uint8)))
    (masks / "tile3.png").write_bytes(image_file(np.uint8([[0], [1]]).repeat(16, 0).repeat(32, 1)))  # half and half
    argv = options(own_tiles, tmp_path, alpha="1", already_labelled="masks")  # an initial pool of four, of which three
    run(argv, 3)
    said = capsys.readouterr().out
    assert "4 of 14 tiles are labelled already and not asked for; 3 of them are learned from: 2 by their scene" in said
    assert "1 by a class that covers more than 50% of the mask" in said
    sheet = folder_of(tmp_path, settings="0.25_1_1") / "to_label.csv"
    assert len(rows_of(sheet)) == 1
    (masks / "tile9.png").write_bytes(image_file(np.zeros((32, 32), np.uint8)))  # drawn meanwhile
    fill_in(sheet)
    run([*argv, "--resume"])
    names, record = names_of(tmp_path, settings="0.25_1_1"), record_of(tmp_path, "margin", "0.25_1_1")
    assert not set(names) & set(own_tiles.names[:4])
    assert len(names) == 4
    assert record["rounds"][0]["labelled"] == 4
    assert (
        record["ledger"] | {"scene_labels_asked_for": 1, "already_labelled": 4, "of_these_learned_from": 3}
        == (record["ledger"])
    )
    assert "--labelled all-masks" in capsys.readouterr().out


def test_masks_that_are_there_are_mentioned_and_a_file_may_name_them(own_tiles: TinySet, tmp_path: Path, capsys):
    (own_tiles.folder / "masks" / "tile3.png").unlink()
    run(options(own_tiles, tmp_path / "plain", num_epochs=1))
    assert "13 of 14 tiles have a mask already and may be asked for; --already-labelled masks leaves" in (
        capsys.readouterr().out
    )
    before = names_of(tmp_path / "plain")
    path = write_list(tmp_path / "before.txt", before)
    run(options(own_tiles, tmp_path / "next", num_epochs=1, already_labelled=path))
    assert not set(names_of(tmp_path / "next")) & set(before)
    everything = write_list(tmp_path / "all.txt", own_tiles.names[:14])
    argv = options(own_tiles, tmp_path / "none", already_labelled=everything)
    assert "has a mask already: there is nothing to choose" in error_of(capsys, argv, 1)
    assert "--dominant-share is used with --already-labelled only" in (
        error_of(capsys, options(own_tiles, tmp_path / "none", dominant_share="0.9"), 2)
    )
