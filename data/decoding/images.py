"""Decoding image files to RGB. Every failure is one line that names the file."""

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from data.decoding.image_faults import unknown_file, unreadable_kind
from data.decoding.orientation import UPRIGHT, Size, orientation_of, swaps_sides, turned, turned_size
from data.descriptions import Exif
from utils.errors import DataError
from utils.paths import MISSING, no_file, reason_of, remedy_of
from utils.wording import worded

MAX_PIXELS = 200_000_000  # of one file: above it a decompression bomb is likelier than an image
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own check then has nothing to say below ours
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is said in the error
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # no EPS: Pillow would run Ghostscript
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, AttributeError,
    MemoryError, ZeroDivisionError, AssertionError, RuntimeError, NotImplementedError,
    Image.DecompressionBombError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file says.

    Attributes:
        size: height and width as the file is read.
        mode: its mode in Pillow's words, such as `RGB`, `L` or `P`.
        orientation: of its EXIF data, 1 to 8; 1 is upright, which is also said where there is none.
        is_turned: whether it is read as that says.
    """

    size: Size
    mode: str
    orientation: int = UPRIGHT
    is_turned: bool = False


def open_image(path: Path, for_mask: bool = False) -> Image.Image:
    """Open an image file without decoding it.

    Args:
        path: the file.
        for_mask: grey files of 16 bits are welcome, as a mask's codes may exceed 255.

    Raises:
        DataError: missing, damaged, or of a kind that is not read.
    """
    if (fault := no_file(path)) is not None:
        fault = "is missing" if fault == MISSING else fault
        raise DataError(worded("{} {}; check {data_dir} and the list", path, fault))
    try:
        image = Image.open(path, formats=_FORMATS)
        if isinstance(image, TiffImageFile) and image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT:
            image.getexif()[ExifTags.Base.Orientation] = UPRIGHT  # this one format Pillow turns while decoding
            image.filename = ""  # without a file name no memory mapping, which would take the turned size
        fault = unreadable_kind(image, for_mask)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} {unknown_file(path)}") from error
    except _DECODING_ERRORS as error:
        is_huge = isinstance(error, Image.DecompressionBombError)
        advice = "cut it into smaller files" if is_huge else remedy_of(error, "replace the file")
        raise DataError(f"{path} cannot be read ({reason_of(error)}); {advice}") from error
    if image.width * image.height > MAX_PIXELS:
        fault = (
            f"claims {image.width}×{image.height} pixels, above the {MAX_PIXELS:,} that are read; "
            "cut it into smaller files"
        )
    if fault is not None:
        image.close()
        raise DataError(f"{path} {fault}")
    return image


def image_file_size(path: Path, exif: Exif = "apply", mask: Path | None = None, for_mask: bool = False) -> Size:
    """Height and width of an image file as it is read, from its header; arguments as of `image_file_header`."""
    return image_file_header(path, exif, mask, for_mask).size


def image_file_header(
    path: Path, exif: Exif = "apply", mask: Path | None = None, for_mask: bool = False
) -> ImageHeader:
    """What the header of an image file says; arguments as of `read_image` and `open_image`, whose errors come."""
    with open_image(path, for_mask) as image:
        orientation, turn = orientation_of(image), _turn(image, exif, mask)
        return ImageHeader(turned_size(_stored_size(image), turn), image.mode, orientation, turn != UPRIGHT)


def read_image(path: Path, reduce_to: Size | None = None, exif: Exif = "apply", mask: Path | None = None) -> np.ndarray:
    """Read an image file as RGB.

    Args:
        path: a grey, palette, RGB or RGBA file with 8 bits a channel.
        reduce_to: a JPEG may be decoded at 1/2, 1/4 or 1/8 scale, but not below this height and width.
        exif: whether the picture is turned as its EXIF orientation says.
        mask: its mask, if it has one; where the mask has the size of the stored pixels and not that of the turned
            ones, it was drawn on the stored pixels, and the image is not turned.

    Returns:
        uint8, shape (H, W, 3).

    Raises:
        DataError: missing, damaged, or of another kind.
    """
    with open_image(path) as image:
        turn = _turn(image, exif, mask)
        if reduce_to is not None and image.format == "JPEG":
            image.draft("RGB", reduce_to if swaps_sides(turn) else reduce_to[::-1])  # width and height as stored
        return decode_rgb(path, image, turn)


def mask_turn(image: Image.Image, exif: Exif) -> int:
    """How an open mask is turned: the orientation to decode it with."""
    return _turn(image, exif, None)


def _turn(image: Image.Image, exif: Exif, mask: Path | None) -> int:
    orientation = orientation_of(image) if exif == "apply" else UPRIGHT
    stored = _stored_size(image)
    if mask is None or turned_size(stored, orientation) == stored:
        return orientation
    try:
        return UPRIGHT if image_file_size(mask, for_mask=True) == stored else orientation
    except DataError:  # no mask, or none that could be read: that is said where it is read
        return orientation


def misfit(mask: Path, mask_size: Sequence[int], image_size: Sequence[int], tolerance: int = 0) -> str | None:
    """Why a mask cannot belong to its image; None where it can.

    Args:
        mask: its file, for the message.
        mask_size, image_size: height and width of both, as they are read.
        tolerance: pixels by which each side may differ.
    """
    if all(abs(m - i) <= tolerance for m, i in zip(mask_size, image_size, strict=True)):
        return None
    sizes = f"{mask} is {mask_size[0]}×{mask_size[1]}, but its image is {image_size[0]}×{image_size[1]}"
    if tolerance:
        return f"{sizes}; their sides may differ by {tolerance} pixels at most, so check that it is this image's mask"
    return f"{sizes}; image and mask must cover the same pixels"


def _stored_size(image: Image.Image) -> Size:
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2[IMAGELENGTH]), int(image.tag_v2[IMAGEWIDTH])
    return image.height, image.width


def decode_rgb(path: Path, image: Image.Image, orientation: int = UPRIGHT) -> np.ndarray:
    """Decode an open image to RGB, uint8, shape (H, W, 3)."""
    image.info.pop("transparency", None)  # Pillow would warn about a palette's before it drops it
    return decode(path, image, "RGB", orientation)


def decode(path: Path, image: Image.Image, mode: str, orientation: int = UPRIGHT) -> np.ndarray:
    """Decode an open image to one of Pillow's modes.

    Args:
        path: its file, for the message.
        image: as `open_image` returns it.
        mode: such as `RGB` or `L`.
        orientation: how its pixels are turned, 1 to 8 as in EXIF.

    Raises:
        DataError: the file is damaged.
    """
    try:
        image.load()
        return turned(np.asarray(image.convert(mode)), orientation)
    except _DECODING_ERRORS as error:
        advice = remedy_of(error, "replace the file")
        raise DataError(f"{path} is damaged ({reason_of(error)}); {advice}") from error
