"""Why an image file is not read, in words: what it holds, what is expected, what to do."""

import struct
from contextlib import suppress
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    COMPRESSION_INFO,
    EXTRASAMPLES,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
    TiffImageFile,
)

READABLE_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_EXPECTED = "expected an 8-bit RGB, grey or palette image"
_TO_8_BITS = "bring it to 8 bits a channel"
_ONE_PICK = "which bands to pick is not supported yet: save red, green and blue alone"
# Tags of TIFF 6.0 and of the registered compressions.
_NUMBERS = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers", 5: "complex integers",
            6: "complex numbers"}  # fmt: skip
_COLOURS = {0: "grey", 1: "grey", 3: "palette"}
_COMPRESSIONS = {34887: "LERC", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000",
                 50002: "JPEG XL", 52546: "JPEG XL", 34933: "PNG"}  # fmt: skip
_MODES = {"I": "32-bit integers", "F": "32-bit floating-point numbers"}  # of Pillow
_TAG_ERRORS = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error)


def unknown_file(path: Path) -> str:
    """Why Pillow knows no image in a file, to follow its path in a message."""
    if path.stat().st_size == 0:
        return f"is empty; {_EXPECTED}"
    with suppress(*_TAG_ERRORS), path.open("rb") as file:
        header = file.read(8)
        is_big = header[:4] in (b"II+\0", b"MM\0+")  # BigTIFF, whose offsets take 8 bytes
        header += file.read(8) if is_big else b""
        if is_big or header[:4] in (b"II*\0", b"MM\0*"):
            tags = ImageFileDirectory_v2(header)
            file.seek(tags.next)
            tags.load(file)
            return _tiff_fault(tags) or f"is a TIFF file that is cut off, or of a kind that is not read; {_EXPECTED}"
    return f"is not an image, is cut off, or has more than 8 bits a channel; {_EXPECTED}"


def unreadable_kind(image: Image.Image, for_mask: bool = False) -> str | None:
    """Why the pixels of an open image are not read, to follow its path in a message; None where they are.

    Args:
        image: the file as Pillow opened it.
        for_mask: it holds class ids, and may be grey with 16 bits.
    """
    if for_mask and image.mode.startswith("I;16"):
        return None
    if for_mask and image.mode in _MODES:
        return f"{_holds(1)} of {_MODES[image.mode]}; save the ids as grey values of 8 or 16 bits"
    if isinstance(image, TiffImageFile) and (fault := _tiff_fault(image.tag_v2)):
        return fault
    if image.mode == "CMYK":
        return "is of mode CMYK; convert it to RGB"
    if ";16" in raw_mode(image) or image.mode.startswith("I;16"):
        return f"{_holds(len(image.getbands()))} of 16-bit unsigned integers; {_TO_8_BITS}"
    if image.mode in _MODES:
        return f"{_holds(1)} of {_MODES[image.mode]}; {_TO_8_BITS}"
    return None if image.mode in READABLE_MODES else f"is of mode {image.mode}; {_EXPECTED}"


def raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, such as `L;4` or `RGB;16B`; Pillow's `mode` may hide the number of bits."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) and not raw_mode.startswith("BGR;") else ""  # BGR;16: 5 bits a channel


def _tiff_fault(tags: ImageFileDirectory_v2) -> str | None:
    """What in a TIFF file's tags is in the way of reading it as 8-bit grey, palette, RGB or RGBA."""
    bands = int(tags.get(SAMPLESPERPIXEL, 1))
    bits = max(tags.get(BITSPERSAMPLE, (1,)))
    numbers = max(tags.get(SAMPLEFORMAT, (1,)))
    colours, compression = tags.get(PHOTOMETRIC_INTERPRETATION), tags.get(COMPRESSION, 1)
    extra = tags.get(EXTRASAMPLES, ())  # 0: a band like others; 1 and 2: transparency
    exact, advice = "", []
    if bits > 8 or numbers != 1:
        exact = f" of {bits}-bit {_NUMBERS.get(numbers, 'values of an unknown kind')}"
        advice.append(_TO_8_BITS if bits > 8 else "bring its values to 0..255, unsigned")
    if bands > 4 or (bands == 4 and (0 in extra or colours in (0, 1))):
        advice.append(_ONE_PICK)
    elif bands == 3 and colours in (0, 1, 3):
        exact += f" and a photometric tag of {_COLOURS[colours]}"
        advice.append("save it with photometric RGB")
    if compression not in COMPRESSION_INFO:
        exact += f", compressed by {_COMPRESSIONS.get(compression, f'method {compression}')}, which is not read"
        advice.append("save it with DEFLATE or LZW")
    if advice:
        return _holds(bands) + exact + "; " + "; ".join(advice)
    return "is of mode CMYK; convert it to RGB" if colours == 5 else None


def _holds(bands: int) -> str:
    return "has one band" if bands == 1 else f"has {bands} bands"
