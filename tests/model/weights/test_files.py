"""Weights read equal from every format; other, damaged and hostile files are refused, and no code in them is run."""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.weights.files import read_state_dict
from tests.files import Hostile
from tests.weight_writers import (
    FORMATS,
    Writer,
    assert_equal,
    refused,
    save_legacy,
    save_tar,
    save_zip,
    tar_members,
    tiny_weights,
    without_counters,
    write_members,
)
from utils.errors import DataError, OptionError


@FORMATS
def test_state_dict_reads_equal_from_every_format(tmp_path: Path, save: Writer):
    path, weights = tmp_path / "w.pth", tiny_weights()
    save(weights, path)
    found = read_state_dict(path)
    assert_equal(found, weights)
    assert all(type(tensor) is Tensor and not tensor.requires_grad for tensor in found.values())
    assert_equal(read_state_dict(str(path)), weights)


@FORMATS
@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
def test_wrappings_and_data_parallel_prefix_are_removed(tmp_path: Path, save: Writer, wrapping: str):
    path, weights = tmp_path / "w.pth", tiny_weights()
    save({"epoch": 3, wrapping: {f"module.{name}": tensor for name, tensor in weights.items()}}, path)
    assert_equal(read_state_dict(path), weights)


@FORMATS
def test_parameters_become_tensors(tmp_path: Path, save: Writer):
    path, weights = tmp_path / "w.pth", without_counters(tiny_weights())
    save(OrderedDict((name, nn.Parameter(tensor)) for name, tensor in weights.items()), path)
    found = read_state_dict(path)
    assert_equal(found, weights)
    assert all(type(tensor) is Tensor for tensor in found.values())


# --- Files that are no weights ----------------------------------------------------------------------------------------


def test_missing_path_is_an_option_error(tmp_path: Path):
    with pytest.raises(OptionError, match="does not exist"):
        read_state_dict(tmp_path / "resnet101.pth")


def test_folder_is_refused(tmp_path: Path):
    assert "a folder; expected a file of weights" in refused(read_state_dict, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(read_state_dict, tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n <!DOCTYPE html><title>404</title>", "a web page, not the file: the download saved"),
        (b"\xef\xbb\xbf<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"no weights at all", "truncated, damaged, or in a format"),
        (bytes(10_000), "truncated, damaged, or in a format"),
        (pickle.dumps([1, 2]), "truncated, damaged, or in a format"),
        (b"PK\x03\x04", "the directory at the end of the zip archive is missing"),
        (b"", "an empty file"),
    ],
)
def test_other_contents_are_named(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    message = refused(read_state_dict, path)
    assert words in message
    assert "; expected " in message
    assert "download" in message
    assert "again" in message


def test_numpy_files_are_named(tmp_path: Path):
    np.save(tmp_path / "w.npy", np.zeros(3))
    np.savez(tmp_path / "w.npz", np.zeros(3))
    assert "a NumPy array (.npy)" in refused(read_state_dict, tmp_path / "w.npy")
    assert "a NumPy archive (.npz)" in refused(read_state_dict, tmp_path / "w.npz")


def test_other_archives_are_named(tmp_path: Path):
    path = tmp_path / "w.pth"
    write_members({"resnet101.pth": b"..."}, path)
    assert "a tar archive (resnet101.pth)" in refused(read_state_dict, path)
    write_members({}, path)
    assert "truncated, damaged, or in a format" in refused(read_state_dict, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("resnet101.pth", b"...")
    assert "a zip archive without torch's data.pkl (it holds resnet101.pth)" in refused(read_state_dict, path)


def test_zip_packed_again_is_refused(tmp_path: Path):
    save_zip(tiny_weights(), tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as source,
        zipfile.ZipFile(tmp_path / "again.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    assert "packed again" in refused(read_state_dict, tmp_path / "again.pth")


@FORMATS
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(1)], "holds a list, no tensors by name"),
        (torch.zeros(1), "holds a Tensor, no tensors by name"),
        ({}, "holds no tensors"),
        ({"step": 3, "w": torch.zeros(1)}, "holds entries that are no tensors (step: int)"),
        ({3: torch.zeros(1)}, "holds entries that are no tensors (3: Tensor)"),
        ({"state_dict": {"step": 3}}, "holds entries that are no tensors (step: int)"),
    ],
    ids=["list", "tensor", "empty", "mixed", "number", "nested"],
)
def test_file_without_tensors_by_name_is_refused(tmp_path: Path, save: Writer, content: object, words: str):
    save(content, tmp_path / "w.pth")
    assert words in refused(read_state_dict, tmp_path / "w.pth")


# --- Code in files ----------------------------------------------------------------------------------------------------


def save_plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [save_zip, save_legacy, save_tar, save_plain_pickle])
def test_code_is_refused_and_never_run(tmp_path: Path, save: Writer):
    path, marker = tmp_path / "w.pth", tmp_path / "marker"
    save({"conv1.weight": torch.zeros(1) if save is not save_plain_pickle else 0, "x": Hostile(marker)}, path)
    message = refused(read_state_dict, path)
    assert f"holds code or objects ({os.mkdir.__module__}.mkdir), none of which was run" in message
    assert not marker.exists()
    if save is save_zip:  # the file is what it claims to be
        torch.load(path, weights_only=False)
        assert marker.exists()


@FORMATS
def test_whole_network_is_refused_with_the_way_to_save_weights(tmp_path: Path, save: Writer):
    path = tmp_path / "w.pth"
    if save is save_tar:
        write_members({**tar_members({}), "pickle": b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81."}, path)
    else:
        save(nn.Linear(2, 2), path)
    message = refused(read_state_dict, path)
    assert "torch.nn.modules.linear.Linear" in message
    assert "torch.save(network.state_dict(), file)" in message


# --- Damaged files ----------------------------------------------------------------------------------------------------


def whole_or_refused(path: Path) -> bool:
    """Read a damaged file: either a state dict or a DataError, nothing else. Whether it was read."""
    try:
        found = read_state_dict(path)
    except DataError:
        return False
    assert all(isinstance(tensor.sum().item(), int | float) for tensor in found.values())
    return True


@FORMATS
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, save: Writer, share: float):
    path = tmp_path / "w.pth"
    save(tiny_weights(width=400), path)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) if save is save_tar else len(whole)  # a tar file ends in zeros
    path.write_bytes(whole[: max(1, int(end * share))])
    assert not whole_or_refused(path)


@FORMATS
def test_file_truncated_anywhere_is_whole_or_refused(tmp_path: Path, save: Writer):
    path = tmp_path / "w.pth"
    save({"a": torch.rand(3), "b": torch.rand(2, 2)}, path)
    whole = path.read_bytes()
    for end in range(1, len(whole), 23):
        path.write_bytes(whole[:end])
        assert not whole_or_refused(path) or not whole[end:].strip(b"\0")


@FORMATS
def test_flipped_bits_are_survived(tmp_path: Path, save: Writer):
    path, random = tmp_path / "w.pth", np.random.default_rng(0)
    save({"a": nn.Parameter(torch.rand(3)), "b": torch.rand(2, 2)}, path)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    used = np.flatnonzero(whole)
    outcomes = set()
    for _ in range(400):
        damaged = whole.copy()
        damaged[random.choice(used)] ^= 1 << random.integers(8)
        path.write_bytes(damaged.tobytes())
        outcomes.add(whole_or_refused(path))
    assert outcomes == {True, False}
