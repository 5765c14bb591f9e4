"""Decoding image files to RGB. Every failure is one line that names the file."""

import logging
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    EXTRASAMPLES,
    IMAGELENGTH,
    IMAGEWIDTH,
    SAMPLESPERPIXEL,
    ImageFileDirectory_v2,
    TiffImageFile,
)

from utils.errors import DataError

MAX_PIXELS = 200_000_000  # of one file: above it a decompression bomb is likelier than an image
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own check then has nothing to say below ours
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is said in the error
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # no EPS: Pillow would run Ghostscript
_READABLE_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, AttributeError,
    MemoryError, ZeroDivisionError, AssertionError, RuntimeError, NotImplementedError,
    Image.DecompressionBombError, struct.error,
)  # fmt: skip


def open_image(path: Path, for_mask: bool = False) -> Image.Image:
    """Open an image file without decoding it; EXIF orientation is ignored, for masks and images alike.

    Args:
        path: the file.
        for_mask: grey files of 16 bits are welcome, as a mask's codes may exceed 255.
    """
    try:
        image = Image.open(path, formats=_FORMATS)
        if isinstance(image, TiffImageFile) and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            image.getexif()[ExifTags.Base.Orientation] = 1  # this one format Pillow turns while decoding
            image.filename = ""  # without a file name no memory mapping, which would take the turned size
        more_bands = _more_bands(image) if isinstance(image, TiffImageFile) else 0
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; check --data-dir and the list") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path} {_why_unknown(path)}") from error
    except _DECODING_ERRORS as error:
        raise DataError(f"{path} cannot be read ({_reason(error)}); replace the file") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{path} claims {image.width}×{image.height} pixels, above the {MAX_PIXELS:,} that are read; "
            "cut it into smaller files"
        )
    if more_bands:
        image.close()
        raise DataError(f"{path} {_too_many_bands(more_bands)}")
    is_wide_grey = for_mask and image.mode.startswith("I;16")
    if not is_wide_grey and (image.mode not in _READABLE_MODES or ";16" in raw_mode(image)):
        mode, advice = image.mode, _mode_advice(image.mode, for_mask)
        image.close()
        raise DataError(f"{path} is of mode {mode}; {advice}")
    return image


def _more_bands(image: TiffImageFile) -> int:
    """Bands of a TIFF file of which Pillow would take the first three; 0 where they are colour and alpha alone."""
    bands, extra = image.tag_v2.get(SAMPLESPERPIXEL, 1), image.tag_v2.get(EXTRASAMPLES, ())
    is_colour = image.mode in ("RGB", "RGBA", "RGBX")
    return int(bands) if is_colour and (bands > 4 or 0 in extra) else 0  # 0: neither of the two kinds of alpha


def _why_unknown(path: Path) -> str:
    """Why Pillow knows no image in a file."""
    if path.stat().st_size == 0:
        return "is empty; expected an 8-bit RGB, grey or palette image"
    with suppress(*_DECODING_ERRORS), path.open("rb") as file:
        header = file.read(8)
        if header[:4] in (b"II*\0", b"MM\0*"):
            directory = ImageFileDirectory_v2(header)
            file.seek(directory.next)
            directory.load(file)
            if (bands := directory.get(SAMPLESPERPIXEL, 1)) > 1:
                return _too_many_bands(bands)
    return (
        "is not an image, is cut off, or has more than 8 bits a channel; expected an 8-bit RGB, grey or palette image"
    )


def _too_many_bands(bands: int) -> str:
    return f"has {bands} bands; which bands to pick is not supported yet: save red, green and blue alone"


def raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, such as `L;4` or `RGB;16B`; Pillow's `mode` may hide the number of bits."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) and not raw_mode.startswith("BGR;") else ""  # BGR;16: 5 bits a channel


def _reason(error: BaseException) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def image_file_size(path: Path, for_mask: bool = False) -> tuple[int, int]:
    """Height and width of an image file, from its header; `for_mask` as for `open_image`."""
    return image_file_header(path, for_mask)[0]


def image_file_header(path: Path, for_mask: bool = False) -> tuple[tuple[int, int], str]:
    """Height and width of an image file, and its mode in Pillow's words, such as `RGB`, `L` or `P`."""
    with open_image(path, for_mask) as image:
        if isinstance(image, TiffImageFile):
            return (int(image.tag_v2[IMAGELENGTH]), int(image.tag_v2[IMAGEWIDTH])), image.mode
        return (image.height, image.width), image.mode


def read_image(path: Path, reduce_to: tuple[int, int] | None = None) -> np.ndarray:
    """Read an image file as RGB.

    Args:
        path: a grey, palette, RGB or RGBA file with 8 bits a channel.
        reduce_to: a JPEG may be decoded at 1/2, 1/4 or 1/8 scale, but not below this height and width.

    Returns:
        uint8, shape (H, W, 3).

    Raises:
        DataError: missing, damaged, or of another kind.
    """
    with open_image(path) as image:
        if reduce_to is not None and image.format == "JPEG":
            image.draft("RGB", (reduce_to[1], reduce_to[0]))
        return decode_rgb(path, image)


def decode_rgb(path: Path, image: Image.Image) -> np.ndarray:
    """Decode an open image to RGB, uint8, shape (H, W, 3)."""
    image.info.pop("transparency", None)  # Pillow would warn about a palette's before it drops it
    return decode(path, image, "RGB")


def decode(path: Path, image: Image.Image, mode: str) -> np.ndarray:
    """Decode an open image to one of Pillow's modes.

    Raises:
        DataError: the file is damaged.
    """
    try:
        image.load()
        return np.asarray(image.convert(mode))
    except _DECODING_ERRORS as error:
        raise DataError(f"{path} is damaged ({_reason(error)}); replace the file") from error


def _mode_advice(mode: str, for_mask: bool) -> str:
    if mode == "CMYK":
        return "convert it to RGB"
    if for_mask and mode.startswith(("I", "F")):
        return "masks of 32 bits or of floats are not read: save the ids as grey values of 8 or 16 bits"
    if mode in _READABLE_MODES or mode.startswith(("I", "F")):
        return "16-bit and float files are not read: bring it to 8 bits a channel"
    return "expected 8-bit grey, palette, RGB or RGBA"
