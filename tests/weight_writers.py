"""Writers of weights in the three formats that are read, and what the tests of those who read them share."""

import copyreg
import io
import pickle
import struct
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.files import OLD
from utils.errors import DataError

Writer = Callable[[object, Path], None]


# --- Today's format, the one before, and the tar of 2016 by the layout that torch.serialization reads -----------------


def save_zip(content: object, path: Path) -> None:
    torch.save(content, path)


def save_legacy(content: object, path: Path) -> None:
    torch.save(content, path, **OLD)


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


FORMATS = pytest.mark.parametrize("save", [save_zip, save_legacy, save_tar])


# --- Weights, and what is found of them -------------------------------------------------------------------------------


def tiny_backbone(width: int = 4) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, width, 3), bn1=nn.BatchNorm2d(width)))


def tiny_weights(width: int = 4) -> dict[str, Tensor]:
    """State dict of a classification network around `tiny_backbone`, every tensor recognisable."""
    backbone = tiny_backbone(width)
    backbone.bn1.num_batches_tracked.fill_(7)
    backbone.bn1.running_mean.uniform_()
    return {**backbone.state_dict(), "fc.weight": torch.rand(10, width), "fc.bias": torch.rand(10)}


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
