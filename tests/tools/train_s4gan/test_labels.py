"""What labels there are: crops and masks without any, few or all tiles labelled, those of a second round."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TinySet, contents, error_line, write_image, write_list
from tests.tools.train_s4gan.conftest import assert_learns, numbers_of, options, rows_of, run
from tools import train_s4gan


def write_masks(tiles: TinySet, ids: int, last: int) -> None:
    """Masks of one id, but for the last pixel of each, which a crop of 16×16 seldom holds."""
    mask = np.full((32, 32), ids, np.uint8)
    mask[-1, -1] = last
    for name in tiles.names:
        write_image(tiles.folder / "masks" / f"{name}.png", mask)


def test_crops_without_a_label_teach_nothing(own_tiles: TinySet, tmp_path: Path):
    write_masks(own_tiles, 255, last=1)
    flags = options(own_tiles, tmp_path / "run", "--save-viz", generator_viz_dir=tmp_path / "viz", input_size="16,16")
    run(flags)
    assert_learns(tmp_path / "run")
    assert numbers_of(tmp_path / "run", "loss_ce") == [0, 0]
    assert min(numbers_of(tmp_path / "run", "loss_D")) > 0


@pytest.mark.parametrize("ignored", [0, 255])
def test_an_ignore_label_is_not_learned_from(own_tiles: TinySet, tmp_path: Path, ignored: int):
    write_masks(own_tiles, 0, last=1)
    run(options(own_tiles, tmp_path / "run", "--supervised-only", ignore_label=ignored, input_size="16,16"))
    assert (max(numbers_of(tmp_path / "run", "loss_ce")) == 0) == (ignored == 0)


@pytest.mark.parametrize(("ids", "changes"), [(255, {}), (2, {"ignore_label": 2}), (2, {"val": True})])
def test_masks_without_a_label_are_refused_before_the_run_begins(
    own_tiles: TinySet, tmp_path: Path, capsys: pytest.CaptureFixture[str], ids: int, changes: dict[str, Any]
):
    out = tmp_path / "run"
    run(options(own_tiles, out, "--supervised-only", num_steps=1))
    before = contents(out)
    write_masks(own_tiles, ids, last=ids)
    settings = dict(changes)
    if settings.pop("val", False):  # the labelled tiles have labels, those of the validation list have none
        write_image(own_tiles.folder / "masks" / "tile0.png", np.full((32, 32), 255, np.uint8))
        settings["val_list"] = write_list(own_tiles.folder / "one.txt", ["tile0"])
    capsys.readouterr()
    line = error_line(capsys, 1, train_s4gan.main, options(own_tiles, out, "--overwrite", **settings))
    assert "no pixel of the" in line
    assert (f"--val-list {own_tiles.folder / 'one.txt'}" if "val_list" in settings else "the labelled tiles") in line
    assert contents(out) == before


def test_no_image_above_the_threshold_means_no_self_training(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "run", threshold_st="1"))
    assert_learns(tmp_path / "run")
    assert numbers_of(tmp_path / "run", "believed") == numbers_of(tmp_path / "run", "loss_st") == [0, 0]


def test_fewer_labelled_tiles_than_a_batch_are_drawn_more_often(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "run", "--random-mirror", labeled_ratio="0.1", batch_size=12))
    assert len((tmp_path / "run" / "labelled_names.txt").read_text().split()) == 1
    assert_learns(tmp_path / "run")


def test_ratio_1_is_supervised_only_and_says_so(training_tiles: TinySet, tmp_path: Path, capsys):
    run(options(training_tiles, tmp_path / "ratio", labeled_ratio="1"))
    assert (
        "every tile is labelled: training on labelled tiles alone, as with --supervised-only" in capsys.readouterr().out
    )
    run(options(training_tiles, tmp_path / "flag", "--supervised-only", labeled_ratio=None))
    ratio, flag = (torch.load(tmp_path / out / "checkpoint2.pth", weights_only=True) for out in ("ratio", "flag"))
    assert all(torch.equal(flag[name], tensor) for name, tensor in ratio.items())
    assert rows_of(tmp_path / "ratio") == rows_of(tmp_path / "flag")
    assert not list(tmp_path.rglob("*_D.pth"))


# --- a second round ---------------------------------------------------------------------------------------------------


def test_a_second_round_learns_from_all_masks_and_goes_on_from_the_first(own_tiles: TinySet, tmp_path: Path):
    run(options(own_tiles, tmp_path / "first", num_steps=1))
    masks = own_tiles.folder / "masks"
    for name in own_tiles.names[5:]:
        (masks / f"{name}.png").unlink()
    changes = {"labeled_ratio": None, "labelled": "all-masks", "restore_from": tmp_path / "first"}
    argv, out = options(own_tiles, tmp_path / "second", **changes), tmp_path / "second"
    run(argv)
    assert (out / "labelled_names.txt").read_text().split() == own_tiles.names[:5]
    assert json.loads((out / "options.json").read_text())["options"]["labelled"] == "all-masks"
    shutil.copy(masks / "tile0.png", masks / "tile5.png")  # one more was drawn while it ran
    run([*argv, "--resume"])
    assert (out / "labelled_names.txt").read_text().split() == own_tiles.names[:5]
