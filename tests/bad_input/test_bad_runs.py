"""Folders of runs that are damaged or hold another run: evaluated, resumed or written to again."""

import shutil

import pytest
import torch

from model.networks.deeplabv2 import DeepLabV2
from tests.bad_input.test_bad_weights import BAD_WEIGHTS
from tests.files import tensors_file
from tools import auto_evaluate

# --- s4GAN's trainer, and what evaluation reads of its folder ---------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not readable JSON"),
        (b"[]", "expected an object"),
        (b'{"backbone": "resnet11", "classes": ["field", "forest", "water"]}', "resnet11"),
        (b'{"backbone": ["tiny"]}', "tiny"),
        (b'{"backbone": "tiny", "classes": 3}', "classes"),
        (b"\xff", "not readable JSON"),
    ],
)
def test_options_of_a_run_are_refused(capsys, argv, checkpoints, custom_set, tmp_path, content, words):
    run = tmp_path / "run"
    shutil.copytree(checkpoints, run)
    (run / "options.json").write_bytes(content)
    assert auto_evaluate.main(argv("auto_evaluate", custom_set, checkpoint_dir=run)) in (1, 2)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]


DAMAGED = {
    "empty": "it is empty",
    "web page": "it is not a file that this program saved",
    "noise": "it is not a file that this program saved",
    "cut": "it is cut off",
    "another zip": "it is an archive of something else",
    "a list": "holds list",
    "D for G": "it lacks 'generator'",
    "code": "it holds more than tensors and plain values",
    "code, plain pickle": "it is not a file that this program saved",
}
BAD_STATES = {kind: (BAD_WEIGHTS[kind][0], words) for kind, words in DAMAGED.items()} | {
    "a wrong byte": (
        lambda _: tensors_file({"step": torch.zeros(9)}).replace(b"ctorch", b"cto\xffch", 1),
        "it is damaged: the checksum of",
    ),
    "a state without networks": (lambda _: tensors_file({"step": 1, "random": {}}), "does not fit this run"),
    "networks of another run": (
        lambda _: tensors_file({"step": 1, "generator": DeepLabV2(5, "tiny").state_dict()}),
        "does not fit this run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_STATES)
def test_state_to_resume_from_is_refused_and_never_run(refused, trained, tmp_path, kind):
    run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "last.pth").write_bytes(BAD_STATES[kind][0](tmp_path / "executed"))
    line = refused(1, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])
    assert "last.pth" in line
    assert BAD_STATES[kind][1] in line
    for torchs in ("weights_only", "miniz", "Pytorch", "PyTorch", "state_dict", "zip archive"):
        assert torchs not in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("missing", ["step", "generator", "discriminator_optimiser", "random", "threads", "best_score"])
def test_state_with_a_missing_part_is_refused(refused, trained, tmp_path, missing):
    run, options = trained
    shutil.copytree(run, tmp_path / "run")
    state = torch.load(run / "last.pth", weights_only=True)
    del state[missing]
    torch.save(state, tmp_path / "run" / "last.pth")
    line = refused(1, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])
    assert f"does not fit this run: it lacks '{missing}'" in line


def test_damaged_log_does_not_keep_a_run_from_being_resumed(accepted, trained, tmp_path):
    run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").write_bytes(b"step,loss_ce\n\xff\xfe\n1,\0\n")
    accepted("train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("options.json", b"{", 1),
        ("options.json", b"{}", 1),
        ("options.json", b'{"imagenet_weights": false, "options": 3}', 1),
        ("labelled_names.txt", b"", 1),
        ("labelled_names.txt", b"tile3\n", 1),
        ("labelled_names.txt", None, 2),
    ],
)
def test_damaged_run_is_not_resumed(refused, trained, tmp_path, file, content, code):
    run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / file).unlink()
    if content is not None:
        (tmp_path / "run" / file).write_bytes(content)
    refused(code, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])


def test_a_folder_that_is_not_there_is_not_made_by_looking_for_its_run(refused, argv, custom_set, tmp_path):
    folder = tmp_path / "nowhere" / "run"
    assert "holds no run" in refused(
        2, "train_s4gan", argv("train_s4gan", custom_set, checkpoint_dir=folder, resume=True)
    )
    refused(2, "auto_evaluate", argv("auto_evaluate", custom_set, checkpoint_dir=folder))
    assert not folder.parent.exists()


def test_another_run_is_neither_overwritten_nor_resumed_with_other_options(refused, trained, tmp_path):
    run, options = trained
    shutil.copytree(run, tmp_path / "run")
    folder = ["--checkpoint-dir", str(tmp_path / "run")]
    assert "--overwrite" in refused(2, "train_s4gan", [*options, *folder])
    line = refused(2, "train_s4gan", [*options, *folder, "--resume", "--learning-rate", "0.5"])
    assert "--learning-rate was 0.00025 and is 0.5" in line


# --- The active learner -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["empty", "web page", "cut", "a list", "D for G", "code", "code, plain pickle"])
def test_state_of_the_learner_is_refused_and_never_run(refused, chosen, tmp_path, kind):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    (state,) = (tmp_path / "out").rglob("state.pth")
    state.write_bytes(BAD_WEIGHTS[kind][0](tmp_path / "executed"))
    line = refused(1, "train_AL", [*options, "--save-dir", str(tmp_path / "out"), "--resume"])
    assert "state.pth" in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("content", "code"), [(b"{", 1), (b"[]", 1), (b"{}", 2), (b"\xff", 1)])
def test_options_of_the_learner_are_refused(refused, chosen, tmp_path, content, code):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("options.json")
    file.write_bytes(content)
    line = refused(code, "train_AL", [*options, "--save-dir", str(tmp_path / "out"), "--resume"])
    assert ("options.json" if code == 1 else "cannot be resumed with other options") in line


def test_another_run_of_the_learner_is_neither_overwritten_nor_resumed_with_other_options(refused, chosen, tmp_path):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    folder = ["--save-dir", str(tmp_path / "out")]
    assert "--overwrite" in refused(2, "train_AL", [*options, *folder])
    line = refused(2, "train_AL", [*options, *folder, "--resume", "--num-epochs", "2"])
    assert "--num-epochs was 1 and is 2" in line
