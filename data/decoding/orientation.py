"""Which way up an image file's picture is: the orientation in its EXIF data, and turning pixels as it says.

A camera stores pixels as its sensor stood and notes how to turn them; viewers and labelling tools show the turned
picture, so a mask that was drawn there fits only that.
"""

import struct
import warnings
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from PIL import ExifTags, Image

Size = tuple[int, int]  # height and width
Along = TypeVar("Along", int, np.ndarray)

UPRIGHT = 1  # the orientation of a picture that is stored as it is shown
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP")  # a TIFF's tag is ignored, as programs for satellite images do
_OPENED = ("JPEG", "PNG", "WEBP")  # a JPEG may turn out to be an MPO, which is none that is asked for
_SOURCES = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # where Pillow looks for an orientation
_MOST_EXIF = 1 << 20  # bytes of a PNG's chunk; above it nothing is read
_EXIF_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, AttributeError,
    RuntimeError, struct.error,
)  # fmt: skip


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an open image, 1 to 8; 1 where it has none, or one that cannot be read.

    Nothing is decoded. An orientation in XMP counts where EXIF has none, as in Pillow's `ImageOps.exif_transpose`.
    """
    if image.format not in _FORMATS:
        return UPRIGHT
    try:
        if image.format == "PNG" and "exif" not in image.info and (late := _exif_behind_pixels(image)):
            image.info["exif"] = late
        if not any(source in image.info for source in _SOURCES):
            return UPRIGHT
        # The method of PngImageFile decodes the file first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, UPRIGHT)
    except _EXIF_ERRORS:
        return UPRIGHT
    return orientation if isinstance(orientation, int) and orientation in _TURNS else UPRIGHT


def _exif_behind_pixels(image: Image.Image) -> bytes | None:
    """The `eXIf` chunk of a PNG that has it behind its pixels, where Pillow sees it only after decoding."""
    file: IO[bytes] | None = getattr(image, "fp", None)
    if file is None:
        return None
    position = file.tell()
    try:
        file.seek(8)  # the signature
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return file.read(length) if length <= _MOST_EXIF else None
            file.seek(length + 4, 1)  # content and checksum
    finally:
        file.seek(position)
    return None


def turned_size(size: Size, orientation: int) -> Size:
    """Height and width of a picture after it was turned."""
    return (size[1], size[0]) if swaps_sides(orientation) else size


def in_stored(rows: Along, columns: Along, size: Size, orientation: int) -> tuple[Along, Along]:
    """Where places of a picture as it is shown lie in its stored pixels.

    Args:
        rows, columns: of the places; (0, 0) is the outer corner of the first pixel that is shown.
        size: height and width of the picture as it is shown.
        orientation: 1 to 8.

    Returns:
        Rows and columns of the stored pixels.
    """
    is_transposed, flips_rows, flips_columns = _TURNS[orientation]
    rows = size[0] - rows if flips_rows else rows
    columns = size[1] - columns if flips_columns else columns
    return (columns, rows) if is_transposed else (rows, columns)


def orientation_of_file(path: Path) -> int:
    """As `orientation_of`, of a file of any kind; 1 for those that are no pictures."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the size: nothing is decoded
            with Image.open(path, formats=_OPENED) as image:
                return orientation_of(image)
    except (*_EXIF_ERRORS, Image.DecompressionBombError, MemoryError):
        return UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Whether turning makes rows of columns."""
    return orientation >= 5  # EXIF 2.32, tag 0x0112: 5 to 8 have the stored rows upright


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels as they are shown.

    Args:
        pixels: as stored, shape (H, W) or (H, W, C).
        orientation: 1 to 8.

    Returns:
        Contiguous, shape (W, H, …) where rows become columns, else as given.
    """
    if orientation == UPRIGHT:
        return pixels
    is_transposed, flips_rows, flips_columns = _TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if is_transposed else pixels
    return np.ascontiguousarray(pixels[:: -1 if flips_rows else 1, :: -1 if flips_columns else 1])


_TURNS = {  # transpose, then reverse the order of rows, of columns
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
