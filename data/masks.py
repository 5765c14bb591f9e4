"""Decoding mask files to class ids. Every failure is one line that names the file."""

from pathlib import Path

import numpy as np

from data.descriptions import Description
from data.images import decode, decode_rgb, open_image, raw_mode
from utils.colours import RGB, format_colour
from utils.errors import DataError
from utils.labels import IGNORE_INDEX

MAX_OFF_PALETTE = 0.05  # share of a mask's pixels with a colour or id that no class has
_OFF_PALETTE = 254  # marks values that no class has until they become 255
_GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads grey values of few bits over 0..255


def read_mask(path: Path, description: Description) -> np.ndarray:
    """Read a mask file as its description needs it.

    Returns:
        uint8: ids, shape (H, W), where the description's masks hold ids (the indices of a palette file and the values
        of a grey file, of 1 to 8 bits, are its ids); else RGB, shape (H, W, 3).

    Raises:
        DataError: missing, damaged, of another kind, or colours where ids are expected.
    """
    with open_image(path) as image:
        if description.palette is not None:
            return decode_rgb(path, image)
        if image.mode not in ("1", "L", "P"):
            raise DataError(
                f"{path} holds colours (mode {image.mode}), expected class ids 0..{description.num_classes - 1}; "
                "give the colours as --palette (prepare_data.py scenes) or as `palette` in dataset.json"
            )
        step = 255 if image.mode == "1" else _GREY_STEPS.get(raw_mode(image)[:3], 1)
        return decode(path, image, "L" if image.mode == "1" else image.mode) // np.uint8(step)


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
