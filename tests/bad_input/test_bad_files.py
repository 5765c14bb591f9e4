"""Pipes, devices, links, missing rights where a file is expected; names hard to write down; patterns without end."""

import csv
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.descriptions
from data.dataset_json import load_description
from data.lists.oracle import read_answers
from data.lists.scene_labels import read_label_csv
from tests.conftest import PUBLISHED, contents, error_line, picture, write_custom, write_image, write_list
from tools import predict, prepare_data
from utils.patterns import search_all
from utils.selection.questions import Question, write_questions

ENDLESS = "^(a+)+$"


@pytest.fixture(params=["pipe", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What can be opened, but is no file: reading the first would wait for ever, the second has no end."""
    if request.param == "device":
        return Path("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


# --- What is no file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", PUBLISHED)
def test_list_that_is_no_file_is_refused(argv, refused, custom_set, no_file, command):
    line = refused(2, command, argv(command, custom_set, data_list=no_file))
    assert f"error: {no_file} is a pipe, a socket or a device, not a file" in line


@pytest.mark.parametrize(
    ("command", "code", "options"),
    [
        ("train_s4gan", 2, {"active_learning": True, "active_learning_images_array": None}),
        ("train_s4gan", 2, {"val_list": None, "eval_every": 1}),
        ("train_s4gan", 1, {"restore_from": None}),
        ("train_AL", 2, {"oracle": None}),
        ("train_AL", 2, {"val_list": None}),
        ("train_AL", 1, {"classifier_weights": None}),
        ("auto_evaluate", 2, {"test_list": None}),
    ],
)
def test_option_that_names_no_file_is_refused(argv, refused, custom_set, no_file, command, code, options):
    given = {name: no_file if value is None else value for name, value in options.items()}
    assert str(no_file) in refused(code, command, argv(command, custom_set, **given))


@pytest.mark.parametrize("option", ["--images", "--class-map", "--palette", "--source", "--checkpoint"])
def test_option_of_other_commands_that_names_no_file_is_refused(capsys, checkpoints, tmp_path, no_file, option):
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "1_sat.jpg", picture(0, (32, 32)))
    images, out = ["--images", str(tmp_path / "images")], ["--out", str(tmp_path / "out")]
    main, argv = {
        "--images": (predict.main, ["--checkpoint-dir", str(checkpoints), "--input-size", "32,32"]),
        "--checkpoint": (predict.main, images),
        "--class-map": (prepare_data.main, ["deepglobe", "--source", str(tmp_path / "images"), *out]),
        "--palette": (prepare_data.main, ["scenes", *images, *out]),
        "--source": (prepare_data.main, ["deepglobe", *out]),
    }[option]
    line = error_line(capsys, 2, main, [*argv, option, str(no_file)])
    assert str(no_file) in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", PUBLISHED)
def test_image_that_is_no_file_is_refused(argv, refused, custom_set, command):
    path = custom_set.folder / "images" / "tile0.png"
    path.unlink()
    os.mkfifo(path)
    assert str(path) in refused(1, command, argv(command, custom_set))


def test_image_that_is_no_file_is_skipped_among_others(capsys, checkpoints, tmp_path):
    write_image(tmp_path / "images" / "a.png", picture(0, (32, 32)))
    os.mkfifo(tmp_path / "images" / "b.png")
    (tmp_path / "images" / "c.png").symlink_to("c.png")
    argv = ["--checkpoint-dir", checkpoints, "--images", tmp_path / "images", "--save-dir", tmp_path / "maps"]
    assert predict.main([*map(str, argv), "--input-size", "32,32", "--device", "cpu"]) == 4
    said = capsys.readouterr().err
    assert "b.png is a pipe" in said
    assert "c.png cannot be reached (too many levels of symbolic links)" in said
    assert [path.name for path in (tmp_path / "maps" / "ids").iterdir()] == ["a.png"]


@pytest.mark.parametrize("option", ["--out", "--images"])
def test_folder_that_leads_to_itself_is_refused(capsys, tmp_path, option):
    (tmp_path / "loop").symlink_to("loop")
    write_image(tmp_path / "images" / "a.png", picture(0, (32, 32)))
    chosen = {"--images": tmp_path / "images", "--out": tmp_path / "out"} | {option: tmp_path / "loop"}
    options = [str(part) for pair in chosen.items() for part in pair]
    line = error_line(capsys, 2, prepare_data.main, ["scenes", *options, "--classes", "a,b", "--tile-size", "32"])
    assert str(tmp_path / "loop") in line


# --- Rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["images", "masks"])
def test_missing_rights_are_called_so(argv, refused, custom_set, monkeypatch, part):
    path = custom_set.folder / part / "tile1.png"
    real_open = Image.open

    def refuse(file: Path, **options: object) -> Image.Image:
        if file == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return real_open(file, **options)

    monkeypatch.setattr(Image, "open", refuse)
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set))
    assert line == f"error: {path} cannot be read (permission denied); check its rights"


# --- Masks that are not there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("images", "4 of 4 images are missing, the first is "),
        ("masks", "no tile has a mask: the folder {folder} is not there"),
        ("", "only 0 of 4 have a mask (the first would be {folder}/tile0.png); draw more masks"),
    ],
)
def test_what_is_not_there_is_named_instead_of_masks_to_draw(argv, refused, custom_set, gone, words):
    for path in (custom_set.folder / (gone or "masks")).iterdir():
        path.unlink()
    if gone:
        (custom_set.folder / gone).rmdir()
    (custom_set.folder / "dataset.json").write_text(
        json.dumps(json.loads((custom_set.folder / "dataset.json").read_text()) | {"tile_size": 32})
    )
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set, labeled_ratio="0.5"))
    assert words.format(folder=custom_set.folder / "masks") in line


# --- Names ------------------------------------------------------------------------------------------------------------


def test_names_like_formulas_come_back_from_what_is_written_for_people(tmp_path):
    classes = ["=dry", "wet"]
    tiny = write_custom(tmp_path / "set", scene_classes=classes)
    description = load_description("custom", tiny.folder)
    names = ["=cmd|' /C calc'!A0", "-2+3", "@sum", "'=a", "plain"]
    path = tmp_path / "to_label.csv"
    answers = dict.fromkeys(names[:4], "=dry")
    write_questions(path, [Question(name, "=dry", 0.5) for name in names], answers)
    assert read_answers([path], description, names) == answers
    path.write_text(path.read_text().replace("score", "score,own note").replace("0.5\n", "0.5,=mine\n"))
    for _ in range(2):  # what people wrote stays, however often the file is written
        write_questions(path, [Question(name, "=dry", 0.5) for name in names], answers)
        rows = list(csv.DictReader(path.open(newline="")))
        assert [row["own note"] for row in rows] == ["=mine"] * 5
        assert not any(
            row[column].startswith(("=", "-", "@")) for row in rows for column in ("name", "label", "predicted")
        )
    assert read_answers([path], description, names) == answers


def test_scenes_named_like_formulas_keep_their_labels(capsys, tmp_path):
    for name in ("=1+1", "-b"):
        write_image(tmp_path / "images" / f"{name}.png", picture(0, (32, 64)))
        write_image(tmp_path / "masks" / f"{name}.png", np.repeat(np.uint8([[0, 1]]), 32, 0).repeat(32, 1))
    options = ["--images", tmp_path / "images", "--masks", tmp_path / "masks", "--out", tmp_path / "out"]
    argv = ["scenes", *map(str, options), "--classes", "=x,+y", "--tile-size", "32", "--scene-labels", "dominant"]
    assert prepare_data.main(argv) == 0
    path = tmp_path / "out" / "scene_labels.csv"
    assert read_label_csv(path, ["=x", "+y"]) == {
        "=1+1_0_0": "=x", "=1+1_0_1": "+y", "-b_0_0": "=x", "-b_0_1": "+y",
    }  # fmt: skip
    assert all(line.startswith("'") for line in path.read_text().splitlines()[1:])


def test_maps_of_images_with_hard_names(checkpoints, tmp_path):
    long, undecodable = "a" * 241, os.fsdecode(b"b\xff")
    for name in ("=1+1", long, undecodable):
        write_image(tmp_path / "images" / f"{name}.png", picture(0, (32, 32)))
    argv = ["--checkpoint-dir", checkpoints, "--images", tmp_path / "images", "--save-dir", tmp_path / "maps"]
    assert predict.main([*map(str, argv), "--input-size", "32,32", "--device", "cpu"]) == 0
    for kind in ("ids", "colour", "overlay"):
        assert {path.stem for path in (tmp_path / "maps" / kind).iterdir()} == {"=1+1", long, undecodable}
    rows = list(csv.DictReader((tmp_path / "maps" / "class_shares.csv").open(newline="", encoding="utf-8")))
    assert {row["image"] for row in rows} == {"'=1+1", long, r"b\udcff"}


def test_options_that_are_not_utf_8_are_recorded(checkpoints, tmp_path):
    folder = tmp_path / os.fsdecode(b"maps\xff")
    write_image(tmp_path / os.fsdecode(b"images\xfe") / "a.png", picture(0, (32, 32)))
    images = tmp_path / os.fsdecode(b"images\xfe")
    argv = ["--checkpoint-dir", checkpoints, "--images", images, "--save-dir", folder]
    assert predict.main([*map(str, argv), "--input-size", "32,32", "--device", "cpu"]) == 0
    assert json.loads((folder / "prediction.json").read_text(encoding="utf-8"))["options"]["images"] == [str(images)]


@pytest.mark.parametrize("command", PUBLISHED)
def test_names_of_245_bytes_work(argv, accepted, custom_set, command):
    name = "ä" * 120 + "b"
    for part in ("images", "masks"):
        (custom_set.folder / part / "tile0.png").rename(custom_set.folder / part / f"{name}.png")
    labels = custom_set.folder / "scene_labels.csv"
    labels.write_text(labels.read_text().replace("tile0", name))
    write_list(custom_set.list_path, [name, *custom_set.names[1:]])
    viz, labelled = custom_set.folder / "viz", custom_set.folder / "labelled.txt"
    write_list(labelled, custom_set.names[1:2])
    pictures = {"save_viz": True, "generator_viz_dir": viz, "save_after_iter": 0, "threshold_st": 0}
    others = {
        "active_learning": True,
        "active_learning_images_array": labelled,
        "batch_size": len(custom_set.names) - 1,
    }
    accepted(command, argv(command, custom_set, **(pictures | others if command == "train_s4gan" else {})))
    assert any(path.name.startswith("ä") for path in viz.glob("*.npy")) == (command == "train_s4gan")


# --- Patterns without end ---------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns are given up after half a second."""
    monkeypatch.setattr(data.descriptions, "search_all", lambda pattern, names: search_all(pattern, names, 0.5))


def test_group_without_end_is_refused(capsys, tmp_path, impatient):
    write_image(tmp_path / "images" / f"{'a' * 40}b.png", picture(0, (32, 32)))
    argv = ["scenes", "--images", str(tmp_path / "images"), "--out", str(tmp_path / "out"), "--classes", "a,b"]
    line = error_line(capsys, 2, prepare_data.main, [*argv, "--tile-size", "32", "--group", ENDLESS])
    assert f"--group: `group` '{ENDLESS}' finds no end in '{'a' * 40}b': 0.5 seconds were over" in line
    assert not (tmp_path / "out").exists()


def test_group_without_end_in_a_description_is_refused(capsys, argv, tmp_path, impatient):
    tiny = write_custom(tmp_path / "set", group=ENDLESS)
    name = "a" * 40 + "b"
    for part in ("images", "masks"):
        (tiny.folder / part / "tile0.png").rename(tiny.folder / part / f"{name}.png")
    write_list(tiny.list_path, [name, *tiny.names[1:]])
    options = argv("auto_evaluate", tiny)
    before = contents(tmp_path)
    from tools import auto_evaluate

    assert "finds no end in" in error_line(capsys, 1, auto_evaluate.main, options)
    assert contents(tmp_path) == before
