"""torch's first format, a tar: tensors as they were saved; members that are damaged or hostile build nothing else."""

import pickle
import struct
from pathlib import Path

import pytest
import torch
from torch import nn

from model.weights.files import read_state_dict
from tests.files import Hostile
from tests.weight_writers import (
    FIRST_KEY,
    assert_equal,
    encode,
    refused,
    save_tar,
    tar_members,
    tiny_weights,
    write_members,
)


def test_torch_reads_the_tar_files_of_this_test(tmp_path: Path):
    """The writer of the tests has the format right: torch's own reader of old files agrees with it."""
    path, weights = tmp_path / "w.pth", tiny_weights()
    save_tar(weights, path)
    assert_equal(torch.load(path, weights_only=False), weights)


def test_tar_with_variables_and_rebuilt_parameters(tmp_path: Path):
    path, tensor = tmp_path / "w.pth", torch.rand(2, 3)
    members = tar_members({"a": nn.Parameter(tensor)})
    names = b"torch.nn.parameter\nParameter", b"torch.autograd.variable\nVariable"
    assert names[0] in members["pickle"]
    write_members({**members, "pickle": members["pickle"].replace(*names)}, path)
    assert_equal(read_state_dict(path), {"a": tensor})

    key = encode(str(FIRST_KEY))
    rebuilt = b"ctorch._utils\n_rebuild_parameter\n(" + key + b"Q\x88ccollections\nOrderedDict\n)RtR"
    write_members({**members, "pickle": b"\x80\x02}X\x01\x00\x00\x00a" + rebuilt + b"s."}, path)
    assert_equal(read_state_dict(path), {"a": tensor})


def test_tar_keeps_strides_offsets_shared_and_empty_tensors(tmp_path: Path):
    path, base = tmp_path / "w.pth", torch.arange(24.0).view(4, 6)
    weights = {"t": base.t(), "part": base[1:3, ::2], "none": torch.empty(0), "double": torch.rand(2).double()}
    save_tar(weights, path)
    found = read_state_dict(path)
    assert_equal(found, weights)
    assert found["t"].untyped_storage().data_ptr() == found["part"].untyped_storage().data_ptr()
    assert found["t"].stride() == (1, 6)


def test_tar_reads_views_of_storages(tmp_path: Path):
    path, tensor = tmp_path / "w.pth", torch.arange(6.0)
    members = tar_members({"a": tensor})
    root, view = tensor.untyped_storage().data_ptr(), 5
    members["storages"] = members["storages"].removesuffix(pickle.dumps([], 2)) + pickle.dumps([(view, root, 2, 3)], 2)
    members["tensors"] = members["tensors"].replace(encode(root), encode(view))
    members["tensors"] = members["tensors"][:-24] + struct.pack("<3q", 2, 1, 1)  # size, stride, offset in the view
    write_members(members, path)
    assert_equal(read_state_dict(path), {"a": torch.tensor([3.0, 4.0])})


# --- Hostile and damaged members --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sys_info", "storages", "tensors", "pickle"])
def test_code_in_any_member_of_a_tar_is_never_run(tmp_path: Path, name: str):
    path, marker = tmp_path / "w.pth", tmp_path / "marker"
    write_members({**tar_members(tiny_weights()), name: pickle.dumps(Hostile(marker), 2)}, path)
    if name == "sys_info":  # not needed, not read
        read_state_dict(path)
    else:
        assert "holds code" in refused(read_state_dict, path)
    assert not marker.exists()


ORDERED_DICT = b"ccollections\nOrderedDict\n"
SETS_KEYS = b"(N}X\x04\x00\x00\x00keysK\x01st"  # (None, {"keys": 1}): a state that sets attributes


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR.",
        b"ctorch\nload\n.",
        b"ctorch.nn.parameter\nParameter.__new__\n.",
        ORDERED_DICT + SETS_KEYS + b"b.",
        b"ctorch.nn.parameter\nParameter\n" + SETS_KEYS + b"b.",
        b"ctorch\nFloatStorage\n" + SETS_KEYS + b"b.",
        ORDERED_DICT + b")R" + SETS_KEYS + b"b.",
        b"ctorch\nFloatTensor\n)R.",
        b"]r\x00\x00\x00\x70.",  # a memo of 15 GB
        b"]p1879048192\n.",
        b"\x8e\x00\x00\x00\x00\x00\x10\x00\x00.",  # bytes of 16 TB
        b"X\xff\xff\xff\x7f.",
        b"}X\x01\x00\x00\x00aX\x01\x00\x00\x001Qs.",  # tensor number 1, which no member holds
        b"}q\x01X\x01\x00\x00\x00ah\x01sX\x0a\x00\x00\x00state_dicth\x01s.",
        b"ctorch.nn.parameter\nParameter\n)\x81q\x01(h\x01NNNNtb.",  # a Parameter around itself
        b"",
        b".",
    ],
)
def test_hostile_pickle_in_a_tar_is_an_error_and_changes_nothing(tmp_path: Path, opcodes: bytes):
    path, good = tmp_path / "w.pth", tmp_path / "good.pth"
    write_members({**tar_members({"a": torch.zeros(2)}), "pickle": b"\x80\x02" + opcodes}, path)
    refused(read_state_dict, path)
    save_tar({"a": nn.Parameter(torch.ones(2))}, good)
    assert_equal(read_state_dict(good), {"a": torch.ones(2)})


@pytest.mark.parametrize(
    "layout",
    [
        (1, 3, 1, 0),  # one value too many
        (1, 2, 1, 1),
        (1, 2, 2, 0),
        (1, 2, 1, -1),
        (1, -2, 1, 0),
        (1, 2, -1, 1),
        (1, 1 << 40, 0, 0),  # repeats one value
        (2, 1 << 40, 1 << 40, 0, 0, 0),
        (-1, 0),
        (1 << 30, 0),
        (0, 2),
    ],
)
def test_tar_tensor_outside_its_storage_is_refused(tmp_path: Path, layout: tuple[int, ...]):
    path = tmp_path / "w.pth"
    members = tar_members({"a": torch.zeros(2)})
    members["tensors"] = members["tensors"][: -4 * 8] + struct.pack(f"<{len(layout)}q", *layout)
    write_members(members, path)
    assert "truncated or damaged" in refused(read_state_dict, path)


@pytest.mark.parametrize("numel", [3, -1, 1 << 40, 1 << 62])
def test_tar_storage_longer_than_the_file_is_refused(tmp_path: Path, numel: int):
    path = tmp_path / "w.pth"
    members = tar_members({"a": torch.zeros(2)})
    tail = 8 + len(pickle.dumps([], 2))
    members["storages"] = members["storages"][: -tail - 8] + struct.pack("<q", numel) + members["storages"][-tail:]
    write_members(members, path)
    refused(read_state_dict, path)
