"""Exports that cannot be: one line each, and neither the folder nor the data set is touched."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.conftest import contents, error_line, write_list
from tests.data.labelling.conftest import UTM, label_set
from tools import label


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"to": "cvt"}, 2, "unknown tool 'cvt'; did you mean cvat?"),
        ({"names": "none.npy"}, 2, "no names array at"),
        ({"names": "strange.txt"}, 1, "1 of 2 names have no image in"),
        ({"names": "twice.txt"}, 1, "line 2: 'tile0' stands on line 1 already"),
        ({"data_dir": "nowhere"}, 2, "is not a folder; give the data set's folder"),
        ({"out": "set"}, 2, "holds files; give a new folder"),
        ({"out": "strange.txt"}, 2, "is a file; give a new folder"),
        ({"out": "strange.txt/below"}, 2, "could not be written"),
        ({"draft_scored": True}, 2, "--draft-scored is about drafts of a model; add --checkpoint-dir"),
        ({"checkpoint_dir": "nowhere"}, 2, "give the folder of a training run"),
    ],
)
def test_export(changes, code, words, tmp_path, capsys):
    of = label_set(tmp_path / "set")
    write_list(tmp_path / "strange.txt", ["tile0", "beach"])
    write_list(tmp_path / "twice.txt", ["tile0", "tile0"])
    values = {"names": "set/all.txt", "data_dir": "set", "to": "cvat", "out": "out"} | changes
    argv = ["export"]
    for key, value in values.items():
        argv += [
            f"--{key.replace('_', '-')}",
            *([] if value is True else [value if key == "to" else f"{tmp_path}/{value}"]),
        ]
    before = contents(tmp_path)
    assert words in error_line(capsys, code, label.main, argv)
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()
    assert of.names.is_file()


def test_a_damaged_image_leaves_no_folder(tmp_path, capsys):
    of = label_set(tmp_path / "set")
    (of.folder / "images" / "tile2.png").write_bytes(b"x")
    argv = ["export", "--names", of.names, "--data-dir", of.folder, "--to", "folder", "--out", tmp_path / "out"]
    assert "tile2.png is not an image" in error_line(capsys, 1, label.main, [str(word) for word in argv])
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert not (of.folder / "asked.csv").exists()


def test_a_class_that_cvat_cannot_have(tmp_path, capsys):
    of = label_set(tmp_path / "set", classes=["land: dry", "b", "c"])
    argv = ["export", "--names", of.names, "--data-dir", of.folder, "--to", "cvat", "--out", tmp_path / "out"]
    assert "the class 'land: dry' cannot be a label" in error_line(capsys, 1, label.main, [str(word) for word in argv])


def test_a_run_of_other_classes(checkpoints, tmp_path, capsys):
    of = label_set(tmp_path / "set", classes=["field", "woods", "water"])
    argv = ["export", "--names", of.names, "--data-dir", of.folder, "--to", "cvat", "--out", tmp_path / "out"]
    argv += ["--checkpoint-dir", checkpoints, "--device", "cpu"]
    line = error_line(capsys, 2, label.main, [str(word) for word in argv])
    assert "the network has no 'woods' (id 1)" in line


def test_a_mask_that_lies_elsewhere(tmp_path: Path, capsys):
    of = label_set(tmp_path / "set", UTM)
    place = rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 2_800_000)
    options = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": UTM, "transform": place}
    (tmp_path / "masks").mkdir()
    with rasterio.open(tmp_path / "masks" / "tile0.tif", "w", height=24, width=32, **options) as file:
        file.write(np.zeros((24, 32), np.uint8), 1)
    argv = ["import", "--from", str(tmp_path / "masks"), "--data-dir", str(of.folder)]
    assert "does not overlap its image" in error_line(capsys, 1, label.main, argv)
