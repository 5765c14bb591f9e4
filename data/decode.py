"""Decoding files: images to RGB, masks to class ids. Every failure is one line that names the file."""

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

from data.descriptions import RGB, Description, format_colour
from utils.errors import DataError
from utils.labels import IGNORE_INDEX

MAX_OFF_PALETTE = 0.05  # share of a mask's pixels with a colour or id that no class has
MAX_PIXELS = 200_000_000  # of one file: above it a decompression bomb is likelier than an image
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own check then has nothing to say below ours
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is said in the error
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # no EPS: Pillow would run Ghostscript
_OFF_PALETTE = 254  # marks values that no class has until they become 255
_READABLE_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads grey values of few bits over 0..255
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, AttributeError,
    MemoryError, ZeroDivisionError, AssertionError, RuntimeError, NotImplementedError,
    Image.DecompressionBombError, struct.error,
)  # fmt: skip


def _open_image(path: Path) -> Image.Image:
    """Open an image file without decoding it; EXIF orientation is ignored, for masks and images alike."""
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
    if image.mode not in _READABLE_MODES or ";16" in _raw_mode(image):
        mode, advice = image.mode, _mode_advice(image.mode)
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


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, such as `L;4` or `RGB;16B`; Pillow's `mode` may hide the number of bits."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) and not raw_mode.startswith("BGR;") else ""  # BGR;16: 5 bits a channel


def _reason(error: BaseException) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def image_file_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header."""
    return image_file_header(path)[0]


def image_file_header(path: Path) -> tuple[tuple[int, int], str]:
    """Height and width of an image file, and its mode in Pillow's words, such as `RGB`, `L` or `P`."""
    with _open_image(path) as image:
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
    with _open_image(path) as image:
        if reduce_to is not None and image.format == "JPEG":
            image.draft("RGB", (reduce_to[1], reduce_to[0]))
        return _decode_rgb(path, image)


def read_mask(path: Path, description: Description) -> np.ndarray:
    """Read a mask file as its description needs it.

    Returns:
        uint8: ids, shape (H, W), where the description's masks hold ids (the indices of a palette file and the values
        of a grey file, of 1 to 8 bits, are its ids); else RGB, shape (H, W, 3).

    Raises:
        DataError: missing, damaged, of another kind, or colours where ids are expected.
    """
    with _open_image(path) as image:
        if description.palette is not None:
            return _decode_rgb(path, image)
        if image.mode not in ("1", "L", "P"):
            raise DataError(
                f"{path} holds colours (mode {image.mode}), expected class ids 0..{description.num_classes - 1}; "
                "give the colours as --palette (prepare_data.py scenes) or as `palette` in dataset.json"
            )
        step = 255 if image.mode == "1" else _GREY_STEPS.get(_raw_mode(image)[:3], 1)
        return _decode(path, image, "L" if image.mode == "1" else image.mode) // np.uint8(step)


def _decode_rgb(path: Path, image: Image.Image) -> np.ndarray:
    image.info.pop("transparency", None)  # Pillow would warn about a palette's before it drops it
    return _decode(path, image, "RGB")


def _decode(path: Path, image: Image.Image, mode: str) -> np.ndarray:
    try:
        image.load()
        return np.asarray(image.convert(mode))
    except _DECODING_ERRORS as error:
        raise DataError(f"{path} is damaged ({_reason(error)}); replace the file") from error


def read_ids(path: Path, description: Description) -> tuple[np.ndarray, float]:
    """Read a mask file as class ids; see `decode_mask` for what is returned.

    Raises:
        DataError: as for `read_mask`, or more than 5 % of the pixels have a colour or id that no class has.
    """
    ids, off_palette = decode_mask(read_mask(path, description), description)
    if off_palette > MAX_OFF_PALETTE:
        raise DataError(
            f"{path}: {off_palette:.1%} of the pixels have {wrong_values(path, description)}; "
            f"at most {MAX_OFF_PALETTE:.0%} are ignored, so check the palette and the class order"
        )
    return ids, off_palette


def _mode_advice(mode: str) -> str:
    if mode == "CMYK":
        return "convert it to RGB"
    if mode in _READABLE_MODES or mode.startswith(("I", "F")):
        return "16-bit and float files are not read: bring it to 8 bits a channel"
    return "expected 8-bit grey, palette, RGB or RGBA"


def decode_mask(mask: np.ndarray, description: Description) -> tuple[np.ndarray, float]:
    """Turn a mask file's values into class ids.

    Args:
        mask: uint8; ids (H, W), or RGB (H, W, 3) where the description has a palette.
        description: its palette or ids.

    Returns:
        Ids (H, W), uint8, 255 for pixels without a class; and the share of pixels whose value is neither a class nor
        a known way of saying "no class" (they are 255 too).
    """
    ids = _marked_ids(mask, description)
    off_palette = ids == _OFF_PALETTE
    ids[off_palette] = IGNORE_INDEX
    return ids, float(off_palette.mean())


def _marked_ids(mask: np.ndarray, description: Description) -> np.ndarray:
    """Class ids, 255 for known ways of saying "no class", `_OFF_PALETTE` for all other values."""
    if description.palette is None:
        ids = _id_table(description)[mask]
    elif description.binary_channels:
        bits = (mask >= 128).astype(np.uint8)
        ids = _binary_table(description)[bits[..., 0] * 4 + bits[..., 1] * 2 + bits[..., 2]]
    else:
        codes = (mask[..., 0].astype(np.int32) << 16) | (mask[..., 1].astype(np.int32) << 8) | mask[..., 2]
        ids = np.full(codes.shape, _OFF_PALETTE, np.uint8)
        for index, colour in enumerate(description.palette):
            ids[codes == _code(colour)] = index
        for colour in description.ignore_colours:
            ids[codes == _code(colour)] = IGNORE_INDEX
    return ids


def _code(colour: RGB) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _id_table(description: Description) -> np.ndarray:
    table = np.full(256, _OFF_PALETTE, np.uint8)
    table[: description.num_classes] = np.arange(description.num_classes)
    table[[*description.ignore_ids, IGNORE_INDEX]] = IGNORE_INDEX
    return table


def _binary_table(description: Description) -> np.ndarray:
    table = np.full(8, _OFF_PALETTE, np.uint8)
    for index, (red, green, blue) in enumerate(description.palette or ()):
        table[(red >= 128) * 4 + (green >= 128) * 2 + (blue >= 128)] = index
    for red, green, blue in description.ignore_colours:
        table[(red >= 128) * 4 + (green >= 128) * 2 + (blue >= 128)] = IGNORE_INDEX
    return table


def wrong_values(path: Path, description: Description) -> str:
    """What a mask file holds that no class has, for a message: the ids, or the most frequent colours."""
    raw = read_mask(path, description)
    wrong = raw[_marked_ids(raw, description) == _OFF_PALETTE]
    if description.palette is None:
        return f"ids that no class has ({', '.join(map(str, np.unique(wrong)[:5]))})"
    colours, counts = np.unique(wrong, axis=0, return_counts=True)
    most_frequent = [format_colour((int(r), int(g), int(b))) for r, g, b in colours[np.argsort(-counts)[:3]]]
    return f"colours that no class has (most often {', '.join(most_frequent)})"
