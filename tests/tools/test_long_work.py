"""Long work says how far it has come where nobody watches a bar: every command, in each of its parts."""

import sys

import pytest

from tests.conftest import main_of
from utils import progress


@pytest.fixture(autouse=True)
def from_the_first_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "NEXT_LINES", 0.0)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("train_AL", ["checking images", "fit", "score"]),
        ("train_s4gan", ["decoding images", "decoding masks", "validating", "training"]),
        ("auto_evaluate", ["evaluating step 1"]),
    ],
)
def test_commands_tell_how_far_they_are(argv, accepted, custom_set, command, lines):
    changes = {"val_list": custom_set.list_path} if command == "train_s4gan" else {}
    if command == "train_AL":
        changes["no_cache"] = True
    told = accepted(command, argv(command, custom_set, **changes)).splitlines()
    for line in lines:
        assert any(f"{line}: " in text and " left" in text for text in told), line


def test_predicting_tells_how_far_it_is(custom_set, checkpoints, tmp_path, capsys):
    images, out = custom_set.folder / "images", tmp_path / "out"
    options = ["--images", images, "--checkpoint-dir", checkpoints, "--input-size", "32,32", "--save-dir", out]
    assert main_of("predict")([str(option) for option in options]) == 0
    assert "predicting: 4 of 4 images" in capsys.readouterr().err


def test_the_doctor_tells_how_far_it_is_and_its_json_stays_json(custom_set, tmp_path, capsys):
    options = ["check", "--dataset", "custom", "--data-dir", custom_set.folder, "--data-list", custom_set.list_path]
    main_of("prepare_data")([*map(str, options), "--json", "--out", str(tmp_path / "check.png")])
    told = capsys.readouterr()
    assert told.out.startswith("{")
    assert "checking files: 4 of 4 tiles" in told.err


def test_the_doctors_findings_are_its_work(custom_set, tmp_path, monkeypatch, capsys):
    """A log may be lost, a report may not."""
    options = ["check", "--dataset", "custom", "--data-dir", custom_set.folder, "--data-list", custom_set.list_path]
    with open("/dev/full", "w", encoding="utf-8") as full, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stdout", full)
        assert main_of("prepare_data")([*map(str, options), "--out", str(tmp_path / "check.png")]) == 1
    assert "error: the findings could not be printed" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train_AL", "train_s4gan", "auto_evaluate"])
def test_a_folder_whose_name_is_no_text(argv, custom_set, tmp_path, capsys, command):
    """Its options, lists and results come out; only TensorBoard cannot name it."""
    out = tmp_path / "caf\udce9"
    if command == "train_s4gan":
        given = argv(command, custom_set, checkpoint_dir=out)
    else:
        given = argv(command, custom_set, save_dir=out)
    assert main_of(command)(given) == 0
    errors = capsys.readouterr().err
    assert "warning: no event files" in errors
    assert "fault of this program" not in errors
    assert list(out.rglob("options.json"))
