"""Tiles that cannot be read, from the beginning or from some round on: refused or left out."""

import shutil
from pathlib import Path

import pytest

from model.learning.active_learner import ActiveLearner
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import error_of, names_of, options, record_of, run, unfinished_names_of


def damage(tiles: TinySet, *names: str) -> None:
    for name in names:
        (tiles.folder / "images" / f"{name}.png").write_bytes(b"no image")


@pytest.mark.parametrize("flags", [(), ("--no-cache",)])
def test_all_images_are_checked_before_the_first_epoch(own_tiles: TinySet, tmp_path: Path, capsys, flags):
    damage(own_tiles, "tile3", "tile0")
    argv = options(own_tiles, tmp_path, *flags)
    assert "is not an image" in error_of(capsys, argv, 1)
    assert not (tmp_path / "custom").exists()
    run([*argv, "--skip-bad-images"], 4)
    assert record_of(tmp_path)["left_out"] == ["tile0", "tile3"]
    assert not {"tile0", "tile3"} & {*names_of(tmp_path), *record_of(tmp_path)["initial_pool"]}
    assert "2 tiles could not be read and were left out: tile0, tile3" in capsys.readouterr().err
    damage(own_tiles, "tile15")
    val_list = own_tiles.folder / "val.txt"
    run(options(own_tiles, tmp_path / "validated", *flags, "--skip-bad-images", val_list=val_list), 4)
    assert "left out: tile0, tile3, tile15" in capsys.readouterr().err


def test_no_image_can_be_read(own_tiles: TinySet, tmp_path: Path, capsys):
    damage(own_tiles, *own_tiles.names)
    assert "none of the 14" in error_of(capsys, options(own_tiles, tmp_path, "--skip-bad-images"), 1)


@pytest.mark.parametrize("kind", ["labelled", "queried", "pool"])
def test_a_tile_that_turns_unreadable(own_tiles: TinySet, tmp_path: Path, monkeypatch, capsys, kind):
    """After the first round: one that was learned from, one that was just chosen, one that is in the pool."""
    lost: list[str] = []

    def after_a_round(self: ActiveLearner) -> None:
        end_round(self)
        if not lost:
            selection = self.selection
            group = {"labelled": selection.initial, "queried": selection.queried, "pool": selection.pool}[kind]
            lost.append(own_tiles.names[group[0]])
            damage(own_tiles, *lost)

    end_round = ActiveLearner.end_round
    monkeypatch.setattr(ActiveLearner, "end_round", after_a_round)
    argv = options(own_tiles, tmp_path, "--no-cache")
    line = error_of(capsys, argv, 1)
    assert f"{lost[0]}.png is not an image" in line
    assert "the state is saved" in line
    assert len(unfinished_names_of(tmp_path)) == 2
    run([*argv, "--resume", "--skip-bad-images"], 4)
    record = record_of(tmp_path)
    assert record["left_out"] == lost
    assert lost[0] not in names_of(tmp_path)
    assert len(names_of(tmp_path)) == 4  # one more was asked for instead
    if kind == "labelled":
        assert record["rounds"][1]["labelled"] == 3

    out = tmp_path / "at once"  # without a stop between
    shutil.copy(own_tiles.folder / "images" / "tile17.png", own_tiles.folder / "images" / f"{lost.pop()}.png")
    run(options(own_tiles, out, "--no-cache", "--skip-bad-images"), 4)
    assert record_of(out)["left_out"] == lost
    assert len(set(names_of(out)) - set(lost)) == 4


def test_without_a_readable_tile_to_learn_from_the_first_choice_is_made_without_a_classifier(
    own_tiles: TinySet, tmp_path: Path
):
    run(options(own_tiles, tmp_path / "before"))
    damage(own_tiles, *record_of(tmp_path / "before")["initial_pool"])
    run(options(own_tiles, tmp_path / "after", "--skip-bad-images"), 4)
    record = record_of(tmp_path / "after")
    assert record["initial_pool"] == []
    assert [r["probabilities"] == [None, None] for r in record["rounds"]] == [True, False]
