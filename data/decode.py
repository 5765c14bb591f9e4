"""Decoding files: images to RGB, masks to class ids. Every failure is one line that names the file."""

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.descriptions import RGB, Description, format_colour
from utils.errors import DataError
from utils.labels import IGNORE_INDEX

MAX_OFF_PALETTE = 0.05  # share of a mask's pixels with a colour or id that no class has
MAX_PIXELS = 200_000_000  # of one file: above it a decompression bomb is likelier than an image
_OFF_PALETTE = 254  # marks values that no class has until they become 255
_READABLE_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, AttributeError,
    MemoryError, ZeroDivisionError, AssertionError, RuntimeError, NotImplementedError,
    Image.DecompressionBombError, struct.error,
)  # fmt: skip


def _open_image(path: Path) -> Image.Image:
    """Open an image file without decoding it; EXIF orientation is ignored, for masks and images alike."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; check --data-dir and the list") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        found = "is empty" if empty else "is not an image, or has more bands or bits than RGB with 8 bits"
        raise DataError(f"{path} {found}; expected an 8-bit RGB, grey or palette image") from error
    except _DECODING_ERRORS as error:
        raise DataError(f"{path} cannot be read ({_reason(error)}); replace the file") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{path} claims {image.width}×{image.height} pixels, above the {MAX_PIXELS:,} that are read; "
            "cut it into smaller files"
        )
    return image


def _reason(error: BaseException) -> str:
    return str(error).split("\n")[0] or type(error).__name__


def image_file_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header."""
    with _open_image(path) as image:
        return image.height, image.width


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
        if image.mode not in _READABLE_MODES:
            raise DataError(f"{path} is of mode {image.mode}; {_mode_advice(image.mode)}")
        if reduce_to is not None and image.format == "JPEG":
            image.draft("RGB", (reduce_to[1], reduce_to[0]))
        return np.asarray(_decode(path, image, "RGB"))


def read_mask(path: Path, description: Description) -> np.ndarray:
    """Read a mask file as its description needs it.

    Returns:
        uint8: ids, shape (H, W), where the description's masks hold ids (the indices of a palette file are its ids);
        else RGB, shape (H, W, 3).

    Raises:
        DataError: missing, damaged, of another kind, or colours where ids are expected.
    """
    with _open_image(path) as image:
        if image.mode not in _READABLE_MODES:
            raise DataError(f"{path} is of mode {image.mode}; a mask has 8-bit ids, a palette or RGB colours")
        if description.palette is not None:
            return np.asarray(_decode(path, image, "RGB"))
        if image.mode not in ("1", "L", "P"):
            raise DataError(
                f"{path} holds colours (mode {image.mode}), expected class ids 0..{description.num_classes - 1}; "
                "give the colours as `palette` in dataset.json"
            )
        return np.asarray(_decode(path, image, None))


def _decode(path: Path, image: Image.Image, mode: str | None) -> Image.Image:
    try:
        image.load()
        if mode is None:
            return image.convert("L") if image.mode == "1" else image
        return image.convert(mode)
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
    if mode.startswith(("I", "F")):
        return "16-bit and float images are not read: scale it to 8 bits a channel"
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
    off_palette = ids == _OFF_PALETTE
    ids[off_palette] = IGNORE_INDEX
    return ids, float(off_palette.mean())


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
    if description.palette is None:
        known = _id_table(description) != _OFF_PALETTE
        wrong = sorted({int(v) for v in np.unique(raw) if not known[v]})
        return f"ids that no class has ({', '.join(map(str, wrong[:5]))})"
    colours, counts = np.unique(raw.reshape(-1, 3), axis=0, return_counts=True)
    known_colours = {*description.palette, *description.ignore_colours}
    by_count = [tuple(int(v) for v in colours[i]) for i in np.argsort(-counts)]
    wrong_colours = [format_colour((r, g, b)) for r, g, b in by_count if (r, g, b) not in known_colours]
    return f"colours that no class has (most often {', '.join(wrong_colours[:3])})"
