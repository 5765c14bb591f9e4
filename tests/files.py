"""Contents of files, as bytes: images, arrays, archives and tensors, whole or not, and code that must never run."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


# --- Images -----------------------------------------------------------------------------------------------------------


def image_file(pixels: np.ndarray, kind: str = "png", mode: str | None = None, **options: object) -> bytes:
    """Pixels (H, W) or RGB (H, W, 3) in a format of Pillow, after its conversion to a mode if one is given."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, format=kind, **options)
    return buffer.getvalue()


def png_file(width: int, height: int, bits: int = 8, colour_type: int = 2, rows: bytes = b"") -> bytes:
    """A PNG as the standard has it; `rows` hold a filter byte and the packed values of each row, or nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_file(pixels: np.ndarray, photometric: int, extra: tuple[int, ...], **tags_of: int) -> bytes:
    """An uncompressed TIFF of any number of bands, which Pillow does not write; shape (H, W, bands).

    `bits`, `numbers` (1 unsigned, 2 signed, 3 float) and `compression` are written into the tags and change no byte.
    """
    height, width, bands = pixels.shape
    data = pixels.tobytes()
    bits, numbers = tags_of.get("bits", 8 * pixels.itemsize), tags_of.get("numbers", 1)
    values = np.array([bits] * max(bands, 2), "<u2").tobytes()
    end = 8 + len(data)
    tags = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, None),
        259: (3, [tags_of.get("compression", 1)]),
        262: (3, [photometric]),
    }
    tags |= {273: (4, [8]), 277: (3, [bands]), 278: (3, [height]), 279: (4, [len(data)]), 284: (3, [1])}
    tags |= {338: (3, list(extra))} if extra else {}
    tags |= {339: (3, [numbers])} if numbers != 1 else {}
    entries = b""
    for tag, (kind, numbers) in sorted(tags.items()):
        if numbers is None:
            entries += struct.pack("<HHII", tag, kind, bands, end if bands > 2 else bits * 0x10001)
        else:
            content = b"".join(struct.pack("<H" if kind == 3 else "<I", n) for n in numbers)
            entries += struct.pack("<HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", end + len(values)) + data + values + directory


# --- Arrays, archives, tensors ----------------------------------------------------------------------------------------


def array_file(array: np.ndarray) -> bytes:
    """An .npy, also of objects."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def archive_file(**arrays: np.ndarray) -> bytes:
    """An .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zip_file(name: str, content: bytes) -> bytes:
    """A zip of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


OLD = {"_use_new_zipfile_serialization": False}  # torch's format before 1.6


def tensors_file(content: object, **options: object) -> bytes:
    """What torch saves, in today's format or, with `OLD`, in the one before."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def contiguous(state: Any) -> Any:
    """A nested state whose tensors lie in the order of their dimensions, as without channels-last."""
    if isinstance(state, dict):
        return {key: contiguous(value) for key, value in state.items()}
    if isinstance(state, list):
        return [contiguous(value) for value in state]
    return state.contiguous() if torch.is_tensor(state) else state


class Hostile:
    """Unpickling one makes a folder: a harmless stand-in for any code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)
