"""Torch's tar format from before 0.1.10: `storages`, `tensors`, and a `pickle` that names tensors by number.

Torch reads it only by unpickling everything, which may run code; this reader's unpickler builds tensors and nothing
else, and checks every size against the file.
"""

import io
import math
import mmap
import pickle
import pickletools
import re
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from model.weights.reasons import UnreadableError, damaged, holds_code, shape_text
from utils.suggest import first_names

_DTYPES = {
    "Half": torch.float16,
    "Float": torch.float32,
    "Double": torch.float64,
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
}


class _Boxed:
    """A tensor of the file, or the Parameter or Variable around one: all that unpickling can build or change."""

    __slots__ = ("data",)
    data: object

    def __new__(cls, *arguments: object) -> "_Boxed":
        box = super().__new__(cls)
        box.data = arguments[0] if arguments else None
        return box

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 5:  # data, grad, hooks, requires_grad, volatile
            self.data = state[0]


def unbox(value: object) -> object:
    """The tensor in a box of this reader, or in a Parameter around one; any other value as it is."""
    for _ in range(2):  # a Parameter around a tensor
        if isinstance(value, _Boxed):
            value = value.data
    return value


_CLASSES: dict[tuple[str, str], type] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch.nn.parameter", "Parameter"): _Boxed,
    ("torch.autograd.variable", "Variable"): _Boxed,
    ("torch._utils", "_rebuild_parameter"): _Boxed,
}


class _TensorUnpickler(pickle.Unpickler):
    """Builds plain values, ordered dictionaries and boxed tensors; refuses to look up anything else."""

    def __init__(self, file: IO[bytes], tensors: Mapping[int, Tensor]) -> None:
        super().__init__(file, encoding="utf-8")  # names written by Python 2 are bytes
        self._tensors = tensors

    def find_class(self, module: str, name: str) -> object:
        """The stand-in of an allowed class; types of storages and tensors become dtypes."""
        typed = re.fullmatch(r"(\w+)(Storage|Tensor)", name)
        if module in ("torch", "torch.cuda") and typed and typed[1] in _DTYPES:
            return _DTYPES[typed[1]]
        if (module, name) not in _CLASSES:
            raise holds_code(f"{module}.{name}")
        return _CLASSES[module, name]

    def persistent_load(self, pid: Any) -> _Boxed:
        """The tensor with this number."""
        return _Boxed(self._tensors[int(pid)])


class _Member:
    """A member of the tar file, read in order and never past its end."""

    def __init__(self, file: mmap.mmap, name: str, start: int, end: int) -> None:
        self._file, self._name, self._position, self._end = file, name, start, end

    def take(self, num_bytes: int) -> bytes:
        """The next bytes."""
        start, stop = self._position, self._position + num_bytes
        if not start <= stop <= self._end:
            raise damaged(f"'{self._name}' asks for {num_bytes} bytes where {self._end - start} are left")
        self._position = stop
        return self._file[start:stop]

    def integers(self, count: int) -> tuple[int, ...]:
        """The next `count` 64-bit integers."""
        return struct.unpack(f"<{count}q", self.take(8 * count))

    def unpickle(self, tensors: Mapping[int, Tensor] | None = None) -> Any:
        """The value of the next pickle, which may refer to `tensors` by number."""
        self._file.seek(self._position)
        for step, (opcode, argument, _) in enumerate(pickletools.genops(cast("IO[bytes]", self._file))):
            # The unpickler allocates its memo up to the highest number it is told; picklers count one by one.
            if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(argument, int) and argument > step + 1:
                raise damaged(f"a pickle in '{self._name}' counts to {argument} after {step} steps")
        content = self.take(self._file.tell() - self._position)
        return _TensorUnpickler(io.BytesIO(content), tensors or {}).load()


def read_old_tar(path: Path) -> object:
    """What the file's pickle holds, tensors in boxes (`unbox`).

    Raises:
        UnreadableError: another kind of tar archive, damage, or code.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        members = _tar_members(mapped)
        missing = {"storages", "tensors", "pickle"} - members.keys()
        if len(missing) == 3:
            found = f"a tar archive ({first_names(members) or 'without files'})"
            raise UnreadableError(found, "torch's old tar format (storages, tensors, pickle)", "unpack it first")
        if missing:
            raise damaged(f"a tar archive in torch's old format without {first_names(sorted(missing))}")
        storages = _old_storages(members["storages"])
        return members["pickle"].unpickle(_old_tensors(members["tensors"], storages))


def _tar_members(file: mmap.mmap) -> dict[str, _Member]:
    """Regular members by name: a header of 512 bytes, then the data, padded to a multiple of 512."""
    members: dict[str, _Member] = {}
    position = 0
    while (header := file[position : position + 512]).strip(b"\0"):
        blank_checksum = header[:148] + b" " * 8 + header[156:]
        if len(header) < 512 or sum(blank_checksum) != _octal(header[148:156]):
            raise damaged(f"no valid tar header at byte {position}")
        name, size, start = header[:100].rstrip(b"\0").decode(), _octal(header[124:136]), position + 512
        if not 0 <= size <= len(file) - start:
            raise damaged(f"{first_names([name])} should have {size} bytes, the file ends after {len(file) - start}")
        if header[156:157] in (b"0", b"\0"):
            members[name] = _Member(file, name, start, start + size)
        position = start + math.ceil(size / 512) * 512
    return members


def _octal(field: bytes) -> int:
    return int(field.strip(b"\0 "), 8)


def _old_storages(member: _Member) -> dict[int, Tensor]:
    """Flat tensors by number: each a pickle, its length and its values; then views of them."""
    storages: dict[int, Tensor] = {}
    for _ in range(member.unpickle()):
        key, _, dtype = member.unpickle()
        (numel,) = member.integers(1)
        values = bytearray(member.take(numel * dtype.itemsize))  # copied: the file may be unaligned
        storages[key] = torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
    for key, root, offset, numel in member.unpickle():
        storages[key] = _strided(storages[root], (numel,), (1,), offset)
    return storages


def _old_tensors(member: _Member, storages: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Tensors by number: each a pickle, then dimensions, sizes, strides and offset in its storage."""
    tensors: dict[int, Tensor] = {}
    for _ in range(member.unpickle()):
        key, storage, dtype = member.unpickle()
        (num_dims,) = struct.unpack("<i4x", member.take(8))
        sizes, strides = member.integers(num_dims), member.integers(num_dims)
        (offset,) = member.integers(1)
        flat = torch.empty(0, dtype=dtype) if storage is None else storages[storage]
        # Without values and dimensions it is the old empty tensor; scalars did not exist.
        tensors[key] = _strided(flat, sizes, strides, offset) if sizes or flat.numel() else flat
    return tensors


def _strided(flat: Tensor, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Tensor:
    """View of a flat tensor, after checking that it lies inside and repeats nothing."""
    numel = math.prod(sizes)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if min(*sizes, *strides, offset, 0) < 0 or numel > flat.numel() or (numel and last >= flat.numel()):
        raise damaged(f"a tensor of shape {shape_text(sizes)} reaches beyond its storage of {flat.numel()} values")
    return flat.as_strided(sizes, strides, flat.storage_offset() + offset)
