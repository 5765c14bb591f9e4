"""Commands that the commands print: each is read by a real shell, and does its job with smaller settings behind it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from data.dataset_json import load_description
from model.weights import defaults
from tests.conftest import CUSTOM, TinySet, main_of, patches, picture, write_custom, write_image, write_list
from tools.said.command_lines import ROOT, command_line, free_folder, typed_again
from tools.said.next_choice import choosing
from tools.said.next_command import evaluation, fitting_ratio, training
from utils.evaluation.report import results
from utils.selection.budget import labelled_count

SMALL = {
    "train_AL": ["--model-name", "tiny", "--num-epochs", "1", "--input-size", "32,32"],
    "train_s4gan": [
        "--backbone", "tiny", "--num-steps", "2", "--save-pred-every", "1", "--batch-size", "1",
        "--input-size", "32,32",
    ],
    "auto_evaluate": [],
    "predict": ["--ids-only"],
}  # fmt: skip
CPU = ["--device", "cpu", "--precision", "fp32"]


def as_typed(printed: str) -> list[str]:
    """What a shell passes on of a pasted text: the words behind `python`."""
    text = printed[printed.index("python ") :]
    shell = subprocess.run(
        ["bash", "-euc", 'python() { printf "%s\\0" "$@"; }\n' + text], capture_output=True, text=True, check=True
    )
    assert not shell.stderr
    return shell.stdout.split("\0")[:-1]


def paste(printed: str, expected: str, *smaller: str, code: int = 0) -> None:
    """Run what was printed last, with small settings behind it."""
    script, *words = as_typed(printed)
    assert Path(script).stem == expected
    assert Path(script).is_file()
    assert main_of(expected)([*words, *SMALL[expected], *CPU, *smaller]) == code


def next_of(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command has said from `next:` on."""
    printed = capsys.readouterr().out
    return printed[printed.index("next:") :]


@pytest.fixture
def tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinySet:
    """12 tiles with scene labels in a folder whose name a shell would take apart, and three lists."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("model.training.plot_curves", lambda *_: None)  # pictures take most of a tiny run's time
    monkeypatch.setattr("model.training.TrainingRun._save_panels", lambda *_: None)
    monkeypatch.setattr(results, "draw", lambda *_: None)
    tiny = write_custom(tmp_path / "it's $HOME <of> tiles", 12, group=r"(tile\d+)")
    for part, names in {"train": tiny.names[:8], "val": tiny.names[8:10], "test": tiny.names[10:]}.items():
        write_list(tiny.folder / f"{part}.txt", names)
    return tiny


def test_each_command_is_followed_by_the_one_that_was_printed(tiles, capsys):
    """Choose, train, evaluate, make maps; then the same again is given other folders than those of the first time."""
    description = load_description("custom", tiles.folder)
    step = choosing("custom", tiles.folder, tiles.folder / "train.txt", description)
    assert "--val-list" in as_typed(str(step))
    paste(str(step), "train_AL", "--classifier-weights", "none")
    printed = next_of(capsys)
    assert "draw masks" not in printed
    assert "--val-list" in as_typed(printed)
    paste(printed, "train_s4gan")
    printed = next_of(capsys)
    words = as_typed(printed)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--data-list"] == str(tiles.folder / "val.txt")
    assert options["--test-list"] == str(tiles.folder / "test.txt")
    assert [options[f"--{name}-eval"] for name in ("start", "end", "step")] == ["1", "2", "1"]
    paste(printed, "auto_evaluate")
    paste(next_of(capsys), "predict")
    assert len(list(Path("predictions", "ids").iterdir())) == 2

    again = choosing("custom", tiles.folder, tiles.folder / "train.txt", description)
    assert "--save-dir active_learning-2" in again.command
    again = training("custom", tiles.folder, tiles.folder / "train.txt", description, {"--labeled-ratio": "0.5"})
    assert "--checkpoint-dir checkpoint-2" in again.command


def test_supervised_training_is_printed_without_a_threshold(tiles):
    description, labels = load_description("custom", tiles.folder), {"--labeled-ratio": "0.5"}
    for options, is_there in ((labels, True), (labels | {"--supervised-only": True}, False)):
        words = as_typed(str(training("custom", tiles.folder, tiles.folder / "train.txt", description, options)))
        assert ("--threshold-st" in words) == is_there


def test_a_set_without_masks_is_not_offered_for_training(tiles, capsys):
    """People are asked for scene labels first; what is printed then goes on where they have answered."""
    shutil.rmtree(tiles.folder / "masks")
    (tiles.folder / "dataset.json").write_text(json.dumps(CUSTOM | {"scene_classes": None, "scene_labels": None}))
    prepare_data = main_of("prepare_data").__globals__
    step = prepare_data["next_step"]("custom", tiles.folder)
    assert "no tile has a mask" in step.notes[0]
    assert "--alpha 0.5 --beta 1 " in step.command
    paste(str(step), "train_AL", "--classifier-weights", "none", code=3)
    for _ in range(4):
        printed = capsys.readouterr().out
        if "next:" in printed:
            break
        table = next(Path("active_learning").rglob("to_label.csv"))
        rows = [line.split(",") for line in table.read_text().splitlines()]
        label = rows[0].index("label")
        answers = [rows[0], *([*row[:label], "water", *row[label + 1 :]] for row in rows[1:])]
        table.write_text("".join(",".join(row) + "\n" for row in answers))
        script, *words = as_typed(printed[printed.index("run\n") :])
        assert Path(script).name == "train_AL.py"
        assert main_of("train_AL")(words) in (0, 3)
    assert "next: draw masks for 2 of these tiles" in printed
    _, exporting, then = printed[printed.index("next:") :].strip().split("\n\n", 2)
    assert Path(as_typed(then)[0]).name == "train_s4gan.py"
    assert main_of("label")(as_typed(exporting)[1:]) == 0
    assert len({path.stem for path in Path("to_label", "images").iterdir()}) == 2


def test_prepared_scenes_are_followed_by_the_command_that_is_printed(tiles, tmp_path, capsys):
    """A mask for one of two scenes: the ratio is one that the masks are enough for."""
    for number in range(2):
        write_image(tmp_path / "scenes" / f"s{number}.png", picture(number, (64, 128)))
    write_image(tmp_path / "drawn" / "s0.png", patches(0, (64, 128), range(2)))
    where = ["--images", "scenes", "--masks", "drawn", "--classes", "a,b", "--out", "my scenes", "--tile-size", "32"]
    assert main_of("prepare_data")(["scenes", *where, "--val-share", "0.2"]) == 0
    paste(capsys.readouterr().out, "train_s4gan")


# --- Parts ------------------------------------------------------------------------------------------------------------


def test_a_command_is_given_from_where_the_user_is(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert command_line("predict.py", {"--flip": True, "--crf": False, "--images": None}) == (
        "python tools/predict.py --flip"
    )
    assert as_typed(command_line("predict.py", {"--images": "-a b"}))[1:] == ["--images=-a b"]
    monkeypatch.chdir(tmp_path)
    assert Path(as_typed(typed_again("predict.py", []))[0]) == ROOT / "tools" / "predict.py"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([50, 100, 150], ["--start-eval", "50", "--end-eval", "150", "--step-eval", "50"]),
        ([40], ["--start-eval", "40", "--end-eval", "40", "--step-eval", "40"]),
        ([100, 900, 1000], ["--all"]),  # the best one and what --keep-last has kept
        ([100, 200, 250], ["--all"]),
    ],
)
def test_the_range_is_that_of_the_checkpoints_that_are_there(tiles, steps, expected):
    description = load_description("custom", tiles.folder)
    places = (tiles.folder, tiles.folder / "train.txt", description, Path("run"))
    words = as_typed(evaluation("custom", *places, steps, (64, 32)).command)
    assert words[1 : 1 + len(expected)] == expected
    assert words[words.index("--input-size") + 1] == "64,32"


def test_lists_that_cannot_be_scored_are_left_out(tiles):
    description = load_description("custom", tiles.folder)
    places = (tiles.folder, tiles.folder / "train.txt", description, Path("run"))
    (tiles.folder / "masks" / "tile11.png").unlink()
    words = as_typed(evaluation("custom", *places, [1], (32, 32)).command)
    assert "--test-list" not in words
    (tiles.folder / "val.txt").write_text("")
    step = evaluation("custom", *places, [1], (32, 32))
    words = as_typed(str(step))
    assert words[words.index("--data-list") + 1] == "run/labelled_names.txt"
    assert "optimistic" in step.notes[0]


def test_weights_are_named_only_where_they_are(tiles, tmp_path, monkeypatch):
    description = load_description("custom", tiles.folder)
    monkeypatch.setattr(defaults, "_FOLDER", tmp_path / "weights")
    places = ("custom", tiles.folder, tiles.folder / "train.txt", description, {"--labeled-ratio": "0.5"})
    without = training(*places)
    assert "--restore-from none" in without.command
    assert "resnet101-63fe2227.pth is not there" in without.notes[0]
    weights = defaults.default_weights("resnet101")
    weights.parent.mkdir()
    weights.touch()
    assert "--restore-from" not in training(*places).command
    assert training(*places).notes == []


@pytest.mark.parametrize(("tiles_", "with_masks"), [(10, 10), (10, 1), (3, 1), (40, 1), (7, 2), (90000, 1)])
def test_a_ratio_asks_for_no_more_masks_than_there_are(tiles_, with_masks):
    ratio = fitting_ratio(tiles_, with_masks)
    assert 1 <= labelled_count(ratio, tiles_) <= with_masks
    assert "E" not in ratio


def test_a_folder_is_free_if_nothing_lies_in_it(tmp_path):
    assert free_folder(tmp_path / "results") == tmp_path / "results"
    (tmp_path / "results").mkdir()
    assert free_folder(tmp_path / "results") == tmp_path / "results"
    np.save(tmp_path / "results" / "a.npy", np.zeros(1))
    (tmp_path / "results-2").touch()
    assert free_folder(tmp_path / "results") == tmp_path / "results-3"


@pytest.mark.parametrize(
    "word", [b"caf\xe9 9", "café".encode(), b"a'b\\c\n", b"\x1b[31m7", b"plain", b"$HOME;x", b"\xff1"]
)
def test_any_word_comes_back_from_the_shell(word):
    """File names need not be text."""
    quoted = typed_again("x.py", [os.fsdecode(word)]).partition("x.py ")[2]
    assert quoted.isprintable()
    assert subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True).stdout == word
