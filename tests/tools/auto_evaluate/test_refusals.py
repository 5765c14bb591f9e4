"""Bad input of an evaluation: options, lists, masks, checkpoints and folders that are refused."""

import shutil

import numpy as np
import pytest

from tests.conftest import CUSTOM, contents, error_line, write_custom, write_image, write_list
from tests.tools.auto_evaluate.conftest import argv, write_run
from tools import auto_evaluate


def test_earlier_results_are_kept_unless_they_may_be_replaced(results, tiny, run, capsys, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results, out)
    before = contents(out)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, out, "--all"))
    assert "--overwrite" in line
    assert str(out) in line
    assert contents(out) == before
    (out / "best_scores_999.json").write_text("{}")
    (out / "notes.txt").write_text("mine")
    options = argv(tiny, run, out, "--overwrite", start_eval=30, end_eval=30)
    assert auto_evaluate.main(options) == 0
    assert [path.name for path in out.glob("best_scores_*")] == ["best_scores_30.json"]
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("list_option", ["data_list", "test_list"])
def test_a_list_without_a_labelled_pixel_is_refused(tiny, run, tmp_path, capsys, list_option):
    own = write_custom(tmp_path / "own", count=2)
    write_image(own.folder / "masks" / "tile0.png", np.full((32, 32), 255, np.uint8))
    path = write_list(tmp_path / "unlabelled.txt", ["tile0"])
    line = error_line(capsys, 1, auto_evaluate.main, argv(own, run, tmp_path / "out", "--all", **{list_option: path}))
    assert f"{path}: no pixel of the 1 masks has a class" in line
    assert not (tmp_path / "out").exists()


def test_missing_options_say_what_replaces_them(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(run / "checkpoint7.pth", folder)
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, folder, tmp_path / "out", "--all"))
    assert f"{folder / 'options.json'} is not there" in line
    assert "--backbone" in line
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all", "--backbone", "tiny")) == 0


def test_a_class_that_the_network_does_not_have_is_named(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", (7,), CUSTOM["classes"][:2])
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "'water' (id 2)" in line
    (run / "options.json").unlink()
    options = argv(tiny, run, tmp_path / "out", "--all", "--backbone", "tiny")
    assert auto_evaluate.main(options) == 1
    assert "2 classes" in capsys.readouterr().err


def test_tiles_without_masks_are_named(run, tmp_path, capsys):
    tiny = write_custom(tmp_path / "custom", count=4)
    for name in tiny.names[1:3]:
        (tiny.folder / "masks" / f"{name}.png").unlink()
    line = error_line(capsys, 1, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "2 of 4 masks are missing (tile1, tile2)" in line
    assert str(tiny.list_path) in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scales": "0.75,0.75"}, "different factors"),
        ({"scales": "0,1"}, "at least 0.1"),
        ({"scales": ""}, "expected a number"),
        ({"resamples": "1"}, "from 100"),
        ({"test_list": "/nowhere.txt"}, "no list of names"),
        ({"max_hours": "0"}, "above 0"),
        ({"start_eval": 8, "end_eval": 9}, "it holds checkpoint7.pth to checkpoint200.pth"),
    ],
)
def test_mistakes(tiny, run, tmp_path, capsys, changes, words):
    assert words in error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_checkpoints_is_refused(tiny, tmp_path, capsys):
    run = write_run(tmp_path / "run", ())
    line = error_line(capsys, 2, auto_evaluate.main, argv(tiny, run, tmp_path / "out", "--all"))
    assert "holds no checkpoint<step>.pth" in line
