"""Masks as runs of equal values: Label Studio's brush format and COCO's two.

Label Studio packs an RGBA picture, row by row, in bits (the scheme of the JavaScript package @thi.ng/rle-pack): the
number of values in 32 bits, the bits of a value minus 1 in 5, then four lengths in bits, minus 1, in 4 each. Packets
follow: one bit says whether it is a run, two choose one of the four lengths, which holds the number of values minus 1.
A run has one value, another packet each of its own. COCO counts pixels column by column, 0 first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_CHANNELS = 4
_SIZES = (3, 4, 8, 16)  # bits of a length, as Label Studio writes them
_WORD = 8
_PAINTED = 128  # alpha from which on a pixel counts as painted: edges of a brush are soft
_LARGEST = 1 << 31


class _Bits:
    """Bytes, read bit by bit, the highest first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place, self._end = content, 0, 8 * len(content)
        self._unpacked: np.ndarray | None = None

    def number(self, bits: int) -> int:
        """The next bits as a number."""
        end = self._place + bits
        if end > self._end:
            raise ValueError("ends before its last pixel")
        piece = self._content[self._place >> 3 : (end + 7) >> 3]
        found = int.from_bytes(piece, "big") >> (-end % 8) & ((1 << bits) - 1)
        self._place = end
        return found

    def numbers(self, count: int, bits: int) -> np.ndarray:
        """The next `count` numbers of so many bits each, uint32."""
        end = self._place + count * bits
        if end > self._end:
            raise ValueError("ends before its last pixel")
        if self._unpacked is None:
            self._unpacked = np.unpackbits(np.frombuffer(self._content, np.uint8))
        found = self._unpacked[self._place : end].reshape(count, bits)
        self._place = end
        weights = (1 << np.arange(bits - 1, -1, -1, dtype=np.uint64)).astype(np.uint64)
        return (found.astype(np.uint64) @ weights).astype(np.uint32)


def decode_brush(rle: Sequence[Any], height: int, width: int) -> np.ndarray:
    """What was painted, of a brush of Label Studio.

    Args:
        rle: bytes as numbers of 0 to 255.
        height, width: of the image.

    Returns:
        bool, shape (height, width).

    Raises:
        ValueError: it is of another size, or damaged; says how, to follow the name of what was read.
    """
    try:
        bits = _Bits(bytes(rle))
    except (TypeError, ValueError) as error:
        raise ValueError("is no list of bytes") from error
    count, word = bits.number(32), bits.number(5) + 1
    sizes = [bits.number(4) + 1 for _ in range(4)]
    if count != _CHANNELS * height * width:
        raise ValueError(
            f"has a wrong length: {count:,} values, expected {_CHANNELS * height * width:,} for {height}×{width} pixels"
        )
    values, place = np.empty(count, np.uint32), 0
    while place < count:
        is_run = bits.number(1)
        end = place + 1 + bits.number(sizes[bits.number(2)])
        if end > count:
            raise ValueError("goes on beyond its last pixel")
        values[place:end] = bits.number(word) if is_run else bits.numbers(end - place, word)
        place = end
    return values.reshape(height, width, _CHANNELS)[..., 3] >= _PAINTED


def encode_brush(painted: np.ndarray) -> list[int]:
    """The inverse of `decode_brush`: alpha and colour are 255 where a pixel is painted, else 0."""
    values = np.repeat(painted.reshape(-1), _CHANNELS)
    edges = np.flatnonzero(np.diff(values)) + 1
    starts = np.concatenate([[0], edges, [len(values)]])
    bits = [f"{len(values):032b}{_WORD - 1:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        value = f"{255 if values[start] else 0:08b}"
        left = end - start
        while left:
            length = min(left, 1 << _SIZES[-1])
            chosen = next(index for index, size in enumerate(_SIZES) if length <= 1 << size)
            bits.append(f"1{chosen:02b}{length - 1:0{_SIZES[chosen]}b}{value}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def decode_coco(counts: object, height: int, width: int) -> np.ndarray:
    """A mask of COCO, bool, shape (height, width).

    Args:
        counts: lengths of runs, or the text that they are packed in.
        height, width: of the image.

    Raises:
        ValueError: it is of another size, or damaged; says how, to follow the name of what was read.
    """
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and 0 <= run < _LARGEST for run in runs):
        raise ValueError("holds no lengths of runs, which are whole numbers or their packed text")
    if sum(runs) != height * width:
        raise ValueError(f"has a wrong length: {sum(runs):,} pixels, expected {height * width:,} for {height}×{width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Lengths of runs from text: groups of 5 bits in characters from `0` on, the sixth says that more follow.

    From the fourth length on the difference to the one before the last is stored.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 35:
            raise ValueError("is no packed text of COCO")
        number |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        runs.append(number + runs[-2] if len(runs) > 2 else number)
        number = shift = 0
    if shift:
        raise ValueError("ends before its last pixel")
    return runs
