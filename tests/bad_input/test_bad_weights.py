"""Weights to start from and checkpoints to evaluate that are no weights, damaged, of another network, or hold code."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tests.files import OLD, Hostile, array_file, half, tensors_file, zip_file
from tools import auto_evaluate

BAD_WEIGHTS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "an empty file"),
    "web page": (lambda _: b"<!DOCTYPE html>\n<html></html>", "a web page"),
    "text": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "noise": (lambda _: bytes(range(256)) * 8, "truncated, damaged"),
    "cut": (lambda _: half(tensors_file(DeepLabV2(3, "tiny").state_dict())), "truncated or damaged"),
    "cut, old format": (lambda _: half(tensors_file(DeepLabV2(3, "tiny").state_dict(), **OLD)), "truncated, damaged"),
    "an array": (lambda _: array_file(np.zeros(3)), "a NumPy array"),
    "another zip": (lambda _: zip_file("tiles.txt", b"tile0"), "without torch's data.pkl"),
    "a list": (lambda _: tensors_file([torch.zeros(2)]), "holds a list"),
    "no tensors": (lambda _: tensors_file({"step": 3}), "no tensors"),
    "another network": (lambda _: tensors_file(torch.nn.Linear(2, 2).state_dict()), "a state dict of 2 tensors"),
    "other classes": (lambda _: tensors_file(DeepLabV2(5, "tiny").state_dict()), "5 classes"),
    "another backbone": (lambda _: tensors_file({"backbone.conv1.weight": torch.zeros(1)}), "missing"),
    "D for G": (lambda _: tensors_file(Discriminator(3).state_dict()), "a discriminator's checkpoint"),
    "code": (lambda folder: tensors_file({"w": Hostile(folder)}), "none of which was run"),
    "code, old format": (lambda folder: tensors_file({"w": Hostile(folder)}, **OLD), "none of which was run"),
    "code, plain pickle": (lambda folder: pickle.dumps(Hostile(folder), 2), "none of which was run"),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_weights_are_refused_and_never_run(argv, refused, custom_set, tmp_path, kind):
    make, words = BAD_WEIGHTS[kind]
    path = tmp_path / "weights.pth"
    path.write_bytes(make(tmp_path / "executed"))
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set, restore_from=path))
    assert words in line
    assert str(path) in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kind", ["empty", "web page", "cut", "another network", "code", "code, plain pickle"])
@pytest.mark.parametrize(("command", "option"), [("train_s4gan", "restore_from_D"), ("train_AL", "classifier_weights")])
def test_other_weights_are_refused_and_never_run(argv, refused, custom_set, tmp_path, command, option, kind):
    path = tmp_path / "weights.pth"
    path.write_bytes(BAD_WEIGHTS[kind][0](tmp_path / "executed"))
    ratio = {"labeled_ratio": "0.5"} if command == "train_s4gan" else {}
    line = refused(1, command, argv(command, custom_set, **{option: path}, **ratio))
    assert str(path) in line
    assert not (tmp_path / "executed").exists()


def test_missing_discriminator_is_an_option_error(argv, refused, custom_set):
    options = argv("train_s4gan", custom_set, restore_from_D="/nowhere.pth", labeled_ratio="0.5")
    assert "/nowhere.pth does not exist" in refused(2, "train_s4gan", options)


def test_generator_in_place_of_a_discriminator_is_refused(argv, refused, custom_set, checkpoints):
    options = argv("train_s4gan", custom_set, restore_from_D=checkpoints / "checkpoint1.pth", labeled_ratio="0.5")
    assert "a generator checkpoint" in refused(1, "train_s4gan", options)


def test_folder_in_place_of_weights_is_refused(argv, refused, custom_set):
    options = argv("train_s4gan", custom_set, restore_from=custom_set.folder)
    assert "holds no checkpoint; give the folder of a training run" in refused(2, "train_s4gan", options)


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_checkpoint_is_refused_and_never_run(capsys, argv, checkpoints, custom_set, tmp_path, kind):
    make, words = BAD_WEIGHTS[kind]
    run = tmp_path / "run"
    shutil.copytree(checkpoints, run)
    (run / "checkpoint2.pth").write_bytes(make(tmp_path / "executed"))
    alone = argv("auto_evaluate", custom_set, checkpoint_dir=run, start_eval=2, end_eval=2)
    assert auto_evaluate.main(alone) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert words in warning
    assert error.startswith("error: no checkpoint of")
    assert not (tmp_path / "out").exists()
    with_another = argv("auto_evaluate", custom_set, checkpoint_dir=run, start_eval=1, end_eval=2)
    assert auto_evaluate.main(with_another) == 4  # the good one is evaluated, the bad one named
    assert "skipped 1 checkpoints: 2" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
