import copyreg
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from model.weight_files import read_state_dict
from model.weights import LoadReport, is_generator_checkpoint, load_backbone, load_network
from utils.errors import DataError, OptionError

Writer = Callable[[object, Path], None]

# A writer of torch's old tar format, by the layout that torch.serialization reads.


def encode(item: object) -> bytes:
    """A value as opcodes of pickle protocol 2; a dtype becomes the name of its storage or tensor type."""
    if isinstance(item, int):
        return b"\x8a\x08" + struct.pack("<q", item)
    if isinstance(item, str):
        return b"X" + struct.pack("<i", len(item)) + item.encode()
    return item if isinstance(item, bytes) else b"N"


def record(*items: object) -> bytes:
    return b"\x80\x02(" + b"".join(encode(item) for item in items) + b"t."


def old_type(tensor: Tensor, kind: str) -> bytes:
    names = {torch.float32: "Float", torch.float64: "Double", torch.int64: "Long"}
    return f"ctorch\n{names[tensor.dtype]}{kind}\n".encode()


FIRST_KEY = 94_000_000_000_000


class OldPickler(pickle.Pickler):
    """Names tensors by number and writes Parameters as torch did in 2016."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.tensors: dict[int, Tensor] = {}

    def persistent_id(self, obj: object) -> str | None:
        if type(obj) is not Tensor:
            return None
        key = FIRST_KEY + len(self.tensors)  # addresses in the real files
        self.tensors[key] = obj
        return str(key)

    def reducer_override(self, obj: object) -> object:
        if not isinstance(obj, nn.Parameter):
            return NotImplemented
        return copyreg.__newobj__, (nn.Parameter,), (obj.data, None, OrderedDict(), True, False)


def tar_members(content: object) -> dict[str, bytes]:
    file = io.BytesIO()
    pickler = OldPickler(file)
    pickler.dump(content)
    storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in pickler.tensors.values()}
    storages_member = bytearray(pickle.dumps(len(storages), 2))
    for pointer, tensor in storages.items():
        values = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
        storages_member += record(pointer, "cpu", old_type(tensor, "Storage"))
        storages_member += struct.pack("<q", values.numel()) + values.numpy().tobytes()
    tensors_member = pickle.dumps(len(pickler.tensors), 2)
    for key, tensor in pickler.tensors.items():
        tensors_member += record(key, tensor.untyped_storage().data_ptr(), old_type(tensor, "Tensor"))
        layout = (tensor.ndim, *tensor.shape, *tensor.stride(), tensor.storage_offset())
        tensors_member += struct.pack(f"<{len(layout)}q", *layout)
    info = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}}
    return {
        "sys_info": pickle.dumps(info, 2),
        "pickle": file.getvalue(),
        "tensors": tensors_member,
        "storages": bytes(storages_member) + pickle.dumps([], 2),
    }


def write_members(members: dict[str, bytes], path: Path) -> None:
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1486000000.25  # a fraction: tarfile adds an extended header
            tar.addfile(info, io.BytesIO(content))


def save_tar(content: object, path: Path) -> None:
    write_members(tar_members(content), path)


def save_zip(content: object, path: Path) -> None:
    torch.save(content, path)


def save_legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


FORMATS = pytest.mark.parametrize("save", [save_zip, save_legacy, save_tar])
COUNTERS = pytest.mark.parametrize("counters", [True, False], ids=["counters", "no counters"])


# Networks


def tiny_backbone(width: int = 4) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, width, 3), bn1=nn.BatchNorm2d(width)))


def tiny_weights(width: int = 4) -> dict[str, Tensor]:
    """State dict of a classification network around `tiny_backbone`, every tensor recognisable."""
    backbone = tiny_backbone(width)
    backbone.bn1.num_batches_tracked.fill_(7)
    backbone.bn1.running_mean.uniform_()
    return {**backbone.state_dict(), "fc.weight": torch.rand(10, width), "fc.bias": torch.rand(10)}


def generator(num_classes: int = 3) -> nn.Module:
    return nn.ModuleDict({"backbone": tiny_backbone(), "head": nn.ModuleList([nn.Conv2d(4, num_classes, 3)])})


def discriminator(num_classes: int = 3) -> nn.Module:
    features = nn.Sequential(nn.Conv2d(num_classes + 3, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 4, 4))
    return nn.ModuleDict({"features": features, "classifier": nn.Linear(4, 1)})


def resnet(build: Callable[..., nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = build(weights=None)
    network.fc = nn.Identity()
    return network


def without_counters(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


def refused(action: Callable[..., object], *args: object) -> str:
    """The one line of the DataError that an action raises."""
    with pytest.raises(DataError) as info:
        action(*args)
    message = str(info.value)
    assert "\n" not in message
    assert message.startswith(str(args[-1]))
    return message


# Reading


@FORMATS
def test_state_dict_reads_equal_from_every_format(tmp_path: Path, save: Writer):
    path, weights = tmp_path / "w.pth", tiny_weights()
    save(weights, path)
    found = read_state_dict(path)
    assert_equal(found, weights)
    assert all(type(tensor) is Tensor and not tensor.requires_grad for tensor in found.values())
    assert_equal(read_state_dict(str(path)), weights)


def test_torch_reads_the_tar_files_of_this_test(tmp_path: Path):
    """The writer above is the format: torch's own reader of old files agrees with it."""
    path, weights = tmp_path / "w.pth", tiny_weights()
    save_tar(weights, path)
    assert_equal(torch.load(path, weights_only=False), weights)


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


# Backbones


@pytest.fixture(scope="module")
def resnet101_weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = torchvision.models.resnet101()
    for name, buffer in network.named_buffers():
        buffer.fill_(5) if name.endswith("tracked") else buffer.uniform_()
    return network.state_dict()


@pytest.fixture(scope="module")
def resnet101_backbone() -> nn.Module:
    return resnet(torchvision.models.resnet101, seed=1)


@pytest.mark.parametrize(("save", "counters"), [(save_zip, True), (save_tar, False)])
def test_every_tensor_of_resnet101_loads(
    tmp_path: Path, resnet101_weights: dict[str, Tensor], resnet101_backbone: nn.Module, save: Writer, counters: bool
):
    path = tmp_path / "resnet101-63fe2227.pth"
    save(resnet101_weights if counters else without_counters(resnet101_weights), path)
    nn.init.zeros_(resnet101_backbone.conv1.weight)
    before = {name: tensor.clone() for name, tensor in resnet101_backbone.state_dict().items()}
    report = load_backbone(resnet101_backbone, path)
    for name, tensor in resnet101_backbone.state_dict().items():
        kept = not counters and name.endswith("tracked")
        assert torch.equal(tensor, before[name] if kept else resnet101_weights[name]), name
    assert report.loaded == report.expected == (624 if counters else 520)
    assert report.skipped == ("fc.weight", "fc.bias")
    expected = f"{path.name}: {report.loaded} of {report.loaded} backbone tensors loaded; not used: fc.weight, fc.bias"
    assert str(report) == expected + ("" if counters else "; 104 num_batches_tracked not in the file, left at zero")
    path.unlink()


@FORMATS
@COUNTERS
def test_every_tensor_of_a_small_resnet_loads(tmp_path: Path, save: Writer, counters: bool):
    path, backbone = tmp_path / "w.pth", resnet(torchvision.models.resnet18, seed=1)
    weights = torchvision.models.resnet18().state_dict()
    save(weights if counters else without_counters(weights), path)
    report = load_backbone(backbone, path)
    assert_equal(backbone.state_dict(), {name: weights[name] for name in backbone.state_dict()})
    assert report == LoadReport(
        loaded=120 if counters else 100,
        expected=120 if counters else 100,
        skipped=("fc.weight", "fc.bias"),
        source="w.pth",
        part="backbone",
        counters_at_zero=0 if counters else 20,
    )
    path.unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("conv1.weight"), ["1 of 7 tensors missing (conv1.weight)"]),
        (lambda w: w.update({"bn1.bias": torch.rand(5)}), ["bn1.bias is 5 float32 for 4 float32"]),
        (lambda w: w.update({"bn1.bias": torch.ones(4).long()}), ["bn1.bias is 4 int64 for 4 float32"]),
        (
            lambda w: w.update({"bn1.bias": torch.ones(4).to_sparse()}),
            ["bn1.bias is 4 float32 sparse_coo for 4 float32"],
        ),
        (lambda w: w.update({"bn1.bias": torch.ones(4, device="meta")}), ["bn1.bias is 4 float32 without values"]),
        (lambda w: w.update({"layer9.weight": torch.rand(5)}), ["1 unknown here (layer9.weight)"]),
    ],
    ids=["missing", "shape", "type", "sparse", "meta", "unknown"],
)
def test_backbone_is_unchanged_when_a_file_does_not_fit(tmp_path: Path, change: Callable, words: list[str]):
    path, backbone, weights = tmp_path / "w.pth", tiny_backbone(), tiny_weights()
    change(weights)
    save_zip(weights, path)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    message = refused(load_backbone, backbone, path)
    assert all(word in message for word in words), message
    assert_equal(backbone.state_dict(), before)


def test_another_resnet_is_named_with_the_file_that_fits(tmp_path: Path, resnet101_backbone: nn.Module):
    path = tmp_path / "resnet18.pth"
    save_zip(torchvision.models.resnet18().state_dict(), path)
    before = resnet101_backbone.conv1.weight.clone()
    message = refused(load_backbone, resnet101_backbone, path)
    for words in ("weights (ResNet-18)", "weights (ResNet-101)", "of 624 tensors missing", "resnet101-63fe2227.pth"):
        assert words in message
    assert torch.equal(resnet101_backbone.conv1.weight, before)


def test_deeper_resnet_does_not_pass_for_its_first_blocks(tmp_path: Path, resnet101_weights: dict[str, Tensor]):
    """Every name of a ResNet-50 occurs in a ResNet-101 too, with the same shape."""
    path = tmp_path / "w.pth"
    save_zip(resnet101_weights, path)
    with torch.device("meta"):
        backbone = torchvision.models.resnet50()
    backbone.fc = nn.Identity()
    message = refused(load_backbone, backbone, path)
    assert "306 unknown here (layer3.6.conv1.weight, " in message
    assert "use resnet50-0676ba61.pth" in message
    path.unlink()


# Networks of the project


@FORMATS
@pytest.mark.parametrize("build", [generator, discriminator])
def test_network_loads_its_checkpoint(tmp_path: Path, save: Writer, build: Callable[[], nn.Module]):
    path, saved, network = tmp_path / "checkpoint100.pth", build(), build()
    save(saved.state_dict(), path)
    report = load_network(network, path)
    assert_equal(network.state_dict(), saved.state_dict())
    total = len(saved.state_dict())
    assert str(report) == f"checkpoint100.pth: {total} of {total} network tensors loaded"


@pytest.mark.parametrize(
    ("found", "network", "words"),
    [
        (generator(6), generator(18), ["unknown backbone, 6 classes", "18 classes", "head.0.bias is 6 float32"]),
        (
            discriminator(),
            generator(),
            ["a discriminator's checkpoint (…_D.pth)", "6 unknown here (features"],
        ),
        (generator(), discriminator(), ["a generator checkpoint", "expected a discriminator's checkpoint"]),
        (torchvision.models.resnet18(), generator(), ["torchvision's ImageNet weights (ResNet-18)", "9 of 9 tensors"]),
        (nn.Linear(2, 2), generator(), ["a state dict of 2 tensors (weight, bias)"]),
    ],
    ids=["classes", "discriminator", "generator", "torchvision", "anything"],
)
def test_network_says_what_the_file_is_instead(tmp_path: Path, found: nn.Module, network: nn.Module, words: list[str]):
    path = tmp_path / "checkpoint100.pth"
    save_zip(found.state_dict(), path)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    message = refused(load_network, network, path)
    assert all(word in message for word in words), message
    assert_equal(network.state_dict(), before)


def test_generator_checkpoint_is_known_by_its_names():
    assert is_generator_checkpoint(generator().state_dict())
    assert not is_generator_checkpoint(discriminator().state_dict())
    assert not is_generator_checkpoint({**generator().state_dict(), "fc.weight": torch.zeros(1)})
    assert not is_generator_checkpoint({})


# Files that are no weights


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


def test_names_from_a_file_stay_on_one_line(tmp_path: Path):
    path = tmp_path / "w.pth"
    save_zip({"a\nerror: b\x1b[2J": torch.zeros(1), "c" * 5000: torch.zeros(1)}, path)
    message = refused(load_network, generator(), path)
    assert "'a\\nerror: b\\x1b[2J'" in message
    assert len(message) < 1000


# Code in files


class Malicious:
    """Runs a command when it is unpickled by a reader that trusts the file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)


def save_plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [save_zip, save_legacy, save_tar, save_plain_pickle])
def test_code_is_refused_and_never_run(tmp_path: Path, save: Writer):
    path, marker = tmp_path / "w.pth", tmp_path / "marker"
    save({"conv1.weight": torch.zeros(1) if save is not save_plain_pickle else 0, "x": Malicious(marker)}, path)
    message = refused(read_state_dict, path)
    assert f"holds code or objects ({os.system.__module__}.system), none of which was run" in message
    assert not marker.exists()
    if save is save_zip:  # the file is what it claims to be
        torch.load(path, weights_only=False)
        assert marker.exists()


@pytest.mark.parametrize("name", ["sys_info", "storages", "tensors", "pickle"])
def test_code_in_any_member_of_a_tar_is_never_run(tmp_path: Path, name: str):
    path, marker = tmp_path / "w.pth", tmp_path / "marker"
    write_members({**tar_members(tiny_weights()), name: pickle.dumps(Malicious(marker), 2)}, path)
    if name == "sys_info":  # not needed, not read
        read_state_dict(path)
    else:
        assert "holds code" in refused(read_state_dict, path)
    assert not marker.exists()


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


# Damaged files


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
